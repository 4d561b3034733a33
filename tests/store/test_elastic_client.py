"""The official clients behind one seam; here against a small server of one socket."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from metronome.errors import ConfigError, StoreUnavailable
from metronome.store.elastic_client import Client, Refusal, connect, told
from metronome.store.elastic_url import read_url

PRODUCTS = ("elasticsearch", "opensearch")
ROOT = b'{"version":{"number":"9.5.3"}}'


class Answerer:
    """Answers every request with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.content, self.type = 200, ROOT, "application/json"
        self.product = True
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.command, self.path, headers, body))
                self.send_response(outer.status)
                self.send_header("content-type", outer.type)
                self.send_header("content-length", str(len(outer.content)))
                if outer.product:
                    self.send_header("x-elastic-product", "Elasticsearch")
                self.end_headers()
                self.wfile.write(outer.content)

            do_GET = do_POST = do_PUT = do_DELETE = do

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def answerer() -> Iterator[Answerer]:
    one = Answerer()
    yield one
    one.stop()


@pytest.fixture(params=PRODUCTS)
def opened(request: Any, answerer: Answerer) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def connected(user: str = "", **parameters: str) -> Client:
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        url = f"{request.param}+http://{user}127.0.0.1:{answerer.port}?{query}"
        clients.append(connect(read_url(url)))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


def test_questions_and_answers(opened: Callable[..., Client], answerer: Answerer) -> None:
    """JSON both ways; lines go as they are; parameters as servers write them."""
    client = opened()
    assert client.call("GET", "/") == {"version": {"number": "9.5.3"}}
    client.call("POST", "/a/_search", {"size": 0}, params={"partial": False, "n": 5})
    method, path, headers, body = answerer.asked[-1]
    assert (method, path, body) == ("POST", "/a/_search?partial=false&n=5", b'{"size":0}')
    assert "json" in headers["content-type"]
    client.call("POST", "/_bulk", b'{"a":1}\n')
    assert "x-ndjson" in answerer.asked[-1][2]["content-type"]
    assert answerer.asked[-1][3] == b'{"a":1}\n'


def test_a_user_is_sent_along(opened: Callable[..., Client], answerer: Answerer) -> None:
    """As basic authentication."""
    opened("me:secret@").call("GET", "/")
    assert answerer.asked[-1][2]["authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_api_key_is_sent_along(product: str, answerer: Answerer) -> None:
    """In its own scheme."""
    cluster = read_url(f"{product}+http://127.0.0.1:{answerer.port}")._replace(api_key="abc=")
    client = connect(cluster)
    client.call("GET", "/")
    client.close()
    assert answerer.asked[-1][2]["authorization"] == "ApiKey abc="


def test_requests_may_be_compressed(opened: Callable[..., Client], answerer: Answerer) -> None:
    """Where the URL says so."""
    opened(compress="yes").call("POST", "/_bulk", b'{"a":1}\n' * 1000)
    assert answerer.asked[-1][2]["content-encoding"] == "gzip"
    assert len(answerer.asked[-1][3]) < 1000


@pytest.mark.parametrize("status", [400, 404, 409, 429, 503])
def test_a_refusal_says_what_and_why(opened: Callable[..., Client], answerer: Answerer, status: int) -> None:
    """Status, kind and reason, down to the innermost cause."""
    answerer.status = status
    answerer.content = (
        b'{"error":{"type":"outer","reason":"one","caused_by":{"type":"inner","reason":"two"}},"status":1}'
    )
    with pytest.raises(Refusal) as caught:
        opened().call("GET", "/a")
    assert (caught.value.status, caught.value.kind, caught.value.reason) == (status, "outer", "one: two")


def test_errors_of_shards_are_told() -> None:
    """What a search says of its first failed shard."""
    cause = {"reason": "all failed", "failed_shards": [{"reason": {"type": "x", "reason": "too many"}}]}
    assert told(cause) == "all failed: too many"
    assert told({}) == ""


@pytest.mark.parametrize(
    ("status", "content", "type_"),
    [
        (301, b"", "text/html"),
        (200, b"<html>login</html>", "text/html"),
        (200, b"{nonsense", "application/json"),
    ],
)
def test_what_is_no_answer_means_later(
    opened: Callable[..., Client], answerer: Answerer, status: int, content: bytes, type_: str
) -> None:
    """A redirect, a page, half an answer: somebody stands in between."""
    answerer.status, answerer.content, answerer.type = status, content, type_
    with pytest.raises(StoreUnavailable):
        opened().call("GET", "/a")


@pytest.mark.parametrize("product", PRODUCTS)
def test_nobody_there_means_later(product: str, answerer: Answerer) -> None:
    """And says so without an address."""
    port = answerer.port
    answerer.server.server_close()
    client = connect(read_url(f"{product}+http://127.0.0.1:{port}"))
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        client.call("GET", "/")
    assert str(port) not in str(caught.value)
    client.close()


def test_another_product_is_an_error_of_the_settings(answerer: Answerer) -> None:
    """The client of Elasticsearch notices."""
    answerer.product = False
    client = connect(read_url(f"elasticsearch+http://127.0.0.1:{answerer.port}"))
    with pytest.raises(ConfigError, match=r"opensearch\+http"):
        client.call("GET", "/")
    client.close()


def test_a_missing_ca_file_is_an_error_of_the_settings() -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match=r"none\.pem"):
        connect(read_url("opensearch+https://localhost?ca=/none.pem"))
