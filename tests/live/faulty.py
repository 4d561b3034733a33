"""A proxy in front of a real server that does what networks, proxies and tired servers do.

It speaks HTTP/1.1 and looks at each request before it passes it on.  What goes wrong is decided
by a function of the request, so that a test can say it, or draw it by lot.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Decide = Callable[[str, str], str]
"""For method and path what goes wrong; the empty string: nothing."""

HALF = "half"
"""Of a bulk; nothing else has halves."""
FAULTS = (
    "429",
    "503",
    "500",
    HALF,
    "cut after",
    "cut before",
    "cut answer",
    "late",
    "held up",
    "garbage",
    "html",
    "redirect",
)
"""What can go wrong; see the methods of ``_Request``."""


def nothing(method: str, path: str) -> str:
    """All is well."""
    return ""


class FaultyProxy:
    """A proxy on a port of its own; a context manager that closes it."""

    def __init__(self, upstream: int, certificate: tuple[Path, Path] | None = None, port: int = 0):
        """``upstream`` is the server's port; with a certificate and its key clients need TLS."""
        self.decide: Decide = nothing
        self.late = 2.5
        """Seconds that what is late takes."""
        self.upstream = upstream
        self.done: Counter[str] = Counter()
        """How often each fault has happened."""
        self._server = _Server(self, port)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def __enter__(self) -> FaultyProxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def draw(self, share: float, seed: int, faults: tuple[str, ...] = FAULTS) -> None:
        """From now on so great a share of the requests has a fault, drawn by lot; each has its turn."""
        lot = random.Random(seed)
        lock = threading.Lock()
        turns: list[str] = []

        def decide(method: str, path: str) -> str:
            with lock:
                if lot.random() >= share:
                    return ""
                fits = [fault for fault in turns if fault != HALF or "_bulk" in path]
                if not fits:
                    turns.extend(lot.sample(faults, len(faults)))
                    fits = [fault for fault in turns if fault != HALF or "_bulk" in path]
                turns.remove(fits[0])
                return fits[0]

        self.decide = decide

    def mend(self) -> None:
        """All is well again."""
        self.decide = nothing


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy, port: int):
        super().__init__(("127.0.0.1", port), _Request)
        self.proxy = proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are part of the game."""


class _Request(BaseHTTPRequestHandler):
    """One connection of a client, and one of ours to the server behind it."""

    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 120

    def setup(self) -> None:
        super().setup()
        self._upstream: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        self._pass_on()

    do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.server.proxy
        fault = proxy.decide(self.command, self.path)
        if fault:
            proxy.done[fault] += 1
        if fault in ("429", "503", "500"):
            self._refuse(int(fault))
        elif fault == "cut before":
            self._cut()
        elif fault == "garbage":
            self.wfile.write(bytes(range(256)))
            self._cut()
        elif fault == "html":
            self._answer(200, b"<html><body>Welcome to the coffee shop</body></html>", "text/html")
        elif fault == "redirect":
            self._answer(302, b"", "text/html", Location="http://127.0.0.1:1/login")
        elif fault == HALF:
            self._half(body)
        else:
            self._forward(body, fault)

    def _forward(self, body: bytes, fault: str) -> None:
        if fault == "held up":
            time.sleep(self.server.proxy.late)
        status, headers, content = self._ask(body)
        if fault == "late":
            time.sleep(self.server.proxy.late)
        if fault == "cut after":
            self._cut()
            return
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "cut answer":
            self.wfile.write(content[: len(content) // 2])
            self._cut()
            return
        self.wfile.write(content)

    def _half(self, body: bytes) -> None:
        """The server is given the first half of a bulk; the client is told that the second half was
        too much."""
        lines = body.splitlines(keepends=True)
        middle = len(lines) // 4 * 2
        status, _, content = self._ask(b"".join(lines[:middle])) if middle else (200, [], b'{"items":[]}')
        answer = json.loads(content)
        refused = {"type": "es_rejected_execution_exception", "reason": "no room"}
        for line in lines[middle::2]:
            verb, place = next(iter(json.loads(line).items()))
            answer["items"].append({verb: {**place, "status": 429, "error": refused}})
        answer["errors"] = True
        self._answer(status, json.dumps(answer).encode(), "application/json")

    def _refuse(self, status: int) -> None:
        error = {"type": "circuit_breaking_exception", "reason": "no room"}
        self._answer(status, json.dumps({"error": error, "status": status}).encode(), "application/json")

    def _answer(self, status: int, content: bytes, media_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("X-elastic-product", "Elasticsearch")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The real server's answer; 502 when there is none."""
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
        }
        headers["Content-Length"] = str(len(body))
        try:
            if self._upstream is None:
                port = self.server.proxy.upstream
                self._upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            self._upstream.request(self.command, self.path, body, headers)
            answer = self._upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            if self._upstream is not None:
                self._upstream.close()
            self._upstream = None
            return 502, [], b"{}"

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
