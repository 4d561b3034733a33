"""``metronome kibana-import`` against a server that answers as Kibana does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from metronome import cli_kibana
from metronome.cli import main
from metronome.cli_kibana import Place
from metronome.errors import ConfigError
from metronome.kibana.dashboards import everything
from metronome.kibana.objects import KIBANA, OPENSEARCH, Flavour, ndjson


class Dashboards(HTTPServer):
    """Kibana or OpenSearch Dashboards, as far as an import sees them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.product = "kbn-name"
        self.version = "9.1.0"
        self.status = 200
        self.location = ""
        self.errors: list[dict[str, Any]] = []
        self.broken = b""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Dashboards

    def do_GET(self) -> None:
        self._answer({"version": {"number": self.server.version}}, 200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, body))
        if self.server.status != 200:
            return self._answer({"message": "Forbidden by me"}, self.server.status)
        number = body.count(b'"type":"')
        told: dict[str, Any] = {"success": not self.server.errors, "successCount": number}
        return self._answer({**told, "errors": self.server.errors} if self.server.errors else told, 200)

    def _answer(self, content: object, status: int) -> None:
        body = self.server.broken or json.dumps(content).encode()
        self.send_response(status)
        if self.server.product:
            self.send_header(self.server.product, "somebody")
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def server() -> Iterator[Dashboards]:
    with Dashboards() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def file_of(body: bytes, content_type: str) -> bytes:
    """The file in a form."""
    boundary = content_type.partition("boundary=")[2].encode()
    before, part, after = body.split(b"--" + boundary)
    head, _, content = part.partition(b"\r\n\r\n")
    assert (before, after) == (b"", b"--\r\n")
    assert b'name="file"; filename="metronome.ndjson"' in head
    return content.removesuffix(b"\r\n")


@pytest.mark.parametrize(
    ("product", "version", "flavour"),
    [
        ("kbn-name", "9.1.0", KIBANA),
        ("kbn-name", "8.0.1", KIBANA),
        ("kbn-name", "7.17.0", OPENSEARCH),
        ("osd-name", "3.1.0", OPENSEARCH),
    ],
)
def test_each_gets_its_own_format(server: Dashboards, product: str, version: str, flavour: Flavour) -> None:
    """In a form, overwriting what was there, with the headers that each wants."""
    server.product, server.version = product, version
    told = cli_kibana.send(Place(server.url + "/base/"))
    ((path, headers, body),) = server.asked
    assert path == "/base/api/saved_objects/_import?overwrite=true"
    assert (headers["kbn-xsrf"], headers["osd-xsrf"]) == ("true", "true")
    assert file_of(body, headers["content-type"]) == ndjson(everything(flavour))
    assert "authorization" not in headers
    assert (told["for"], told["version"], told["errors"]) == (flavour.name, version, [])
    assert told["imported"] > 30


def test_spaces_prefixes_and_secrets(server: Dashboards, tmp_path: Path) -> None:
    """A space in the path or a tenant in a header; who asks in one of three ways."""
    key, password = tmp_path / "key", tmp_path / "password"
    key.write_text("ApiKey abc==\n")
    password.write_text("me:pass:word\n")
    cli_kibana.send(Place(server.url, space="my space", secret=key, prefix="acme"))
    cli_kibana.send(Place(server.url, secret=password, flavour="opensearch", space="t"))
    cli_kibana.send(Place(server.url.replace("//", "//us%40er:p%3Aw@"), flavour="kibana"))
    first, second, third = server.asked
    assert first[0].startswith("/s/my%20space/api/")
    assert first[1]["authorization"] == "ApiKey abc=="
    assert b'"acme-points-*"' in first[2]
    assert (second[0].partition("?")[0], second[1]["securitytenant"]) == ("/api/saved_objects/_import", "t")
    assert base64.b64decode(second[1]["authorization"].removeprefix("Basic ")) == b"me:pass:word"
    assert base64.b64decode(third[1]["authorization"].removeprefix("Basic ")) == b"us@er:p:w"


def test_what_is_wrong_with_an_object_is_said(server: Dashboards, capfd: pytest.CaptureFixture[str]) -> None:
    """One sentence each, and status 1."""
    server.errors = [
        {"type": "dashboard", "id": "d", "error": {"type": "unsupported_type"}},
        {
            "type": "search",
            "id": "s",
            "error": {"type": "missing_references", "references": [{"type": "index-pattern", "id": "v"}]},
        },
        {"type": "visualization", "id": "v", "error": {"type": "unknown", "message": "too large"}},
    ]
    assert main(["kibana-import", server.url]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["errors"] == [
        "dashboard d: unsupported_type",
        "search s: missing_references: index-pattern v",
        "visualization v: too large",
    ]
    assert err.count("metronome: ") == 3
    server.errors = []
    assert main(["kibana-import", server.url, "--for", "kibana"]) == 0


def test_what_cannot_be_sent_is_said_without_a_secret(server: Dashboards, tmp_path: Path) -> None:
    """Wrong addresses, answers, statuses and secrets; what stands in the URL is not repeated."""
    url = server.url.replace("//", "//me:hidden@")

    def fails(place: Place, said: str) -> None:
        with pytest.raises(ConfigError, match=said) as failure:
            cli_kibana.send(place)
        assert "hidden" not in str(failure.value)

    for address in ("kibana:5601", "http://me:hidden/den@127.0.0.1", "http://me:1/hidden@x", "http://[x"):
        fails(Place(address), "would be right")
    fails(Place("http://me:hidden@127.0.0.1:1"), "does not answer")
    server.status = 403
    fails(Place(url), "403 Forbidden by me")
    server.status, server.location = 302, "/login"
    fails(Place(url), "redirects to /login")
    server.status, server.broken = 200, b"<html>"
    fails(Place(url), "no JSON")
    server.broken, server.product = b"", ""
    fails(Place(url), "--for would help")
    fails(Place(url, secret=tmp_path / "none"), "No such file")
    (tmp_path / "bad").write_text("nothing")
    fails(Place(url, secret=tmp_path / "bad"), "USER:PASSWORD or ApiKey KEY would be right")
    fails(Place(url, ca=str(tmp_path / "none")), "ca = ")
