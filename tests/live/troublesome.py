"""A proxy in front of a real cluster that does to requests what networks and busy servers do."""

from __future__ import annotations

import http.client
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, list[tuple[str, str]], bytes]

BUSY = b'{"error":{"type":"es_rejected_execution_exception","reason":"queue is full"},"status":429}'
AWAY = b'{"error":{"type":"no_shard_available_action_exception","reason":"away"},"status":503}'
SLOW_SECONDS = 2.2


class Cut(Exception):
    """The connection breaks."""


class Trouble:
    """The faults; each is given the request as a function that makes it, and its answer or none."""

    def __init__(self, random_: random.Random):
        self._random = random_

    @staticmethod
    def busy(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Refused for now."""
        return 429, [("content-type", "application/json")], BUSY

    @staticmethod
    def away(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """No shard."""
        return 503, [("content-type", "application/json")], AWAY

    @staticmethod
    def lost(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Never arrives."""
        raise Cut

    @staticmethod
    def unanswered(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Done, and the answer gets lost."""
        ask()
        raise Cut

    @staticmethod
    def half_answered(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Done, and the answer is cut in the middle."""
        status, headers, content = ask()
        return status, [*headers, ("x-cut", "yes")], content[: len(content) // 2]

    def half_done(self, ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Half of a bulk is done, and nobody is told."""
        lines = body.split(b"\n")
        change(b"\n".join(lines[: len(lines) // 4 * 2]) + b"\n")
        raise Cut

    @staticmethod
    def late(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Done, and answered when nobody listens any more."""
        answer = ask()
        time.sleep(SLOW_SECONDS)
        return answer

    @staticmethod
    def garbage(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """Somebody else's page."""
        return 200, [("content-type", "text/html"), ("x-elastic-product", "Elasticsearch")], b"<html>"

    @staticmethod
    def broken(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """No JSON, though it says so."""
        return 200, [("content-type", "application/json"), ("x-elastic-product", "Elasticsearch")], b'{"a":'

    @staticmethod
    def redirected(ask: Callable[[], Answer], change: Callable[[bytes], Answer], body: bytes) -> Answer:
        """To somewhere else."""
        return 302, [("location", "http://127.0.0.1:1/")], b""

    @property
    def all(self) -> Sequence[Any]:
        """Every one of them."""
        return (
            self.busy,
            self.away,
            self.lost,
            self.unanswered,
            self.half_answered,
            self.half_done,
            self.late,
            self.garbage,
            self.broken,
            self.redirected,
        )


class TroublesomeProxy:
    """Lets a share of the requests run into trouble; a context manager."""

    def __init__(self, port: int, share: float, seed: int = 1, context: ssl.SSLContext | None = None):
        """``port`` is the cluster's; ``context`` makes it speak TLS."""
        self.share = share
        self.met: Counter[str] = Counter()
        self._random = random.Random(seed)
        trouble, outer = Trouble(self._random), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))

                def send(changed: bytes) -> Answer:
                    return forwarded(port, self.command, self.path, dict(self.headers), changed)

                try:
                    fault = outer._fault(trouble, self.path)
                    answer = fault(lambda: send(body), send, body) if fault else send(body)
                except (Cut, OSError, http.client.HTTPException):
                    self.close_connection = True
                    return
                self._answer(*answer)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

            def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
                cut = ("x-cut", "yes") in headers
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "x-cut"):
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content) * (2 if cut else 1)))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = self.close_connection or cut

            def log_message(self, *_: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                return  # clients that went away

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> TroublesomeProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _fault(self, trouble: Trouble, path: str) -> Any:
        if self._random.random() >= self.share:
            return None
        faults = [one for one in trouble.all if "_bulk" in path or one.__name__ != "half_done"]
        fault = self._random.choice(faults)
        self.met[fault.__name__] += 1
        return fault


def forwarded(port: int, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """Make a request of the real server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
    try:
        connection.request(method, path, body or None, kept)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
