"""A gateway's core with its site, asked over connections in memory."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableDescriptor
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.gateway.books import Books
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.gateway.exposition import Exposition
from metronome.gateway.gateway import Destination, Gateway
from metronome.gateway.replay import Replay
from metronome.gateway.streams import Streams
from metronome.journal.memory_disk import MemoryDisk
from metronome.limits import HTTP_CONNECTIONS
from metronome.store.interface import Store
from metronome.web.endpoint import Web
from metronome.web.page import read_files
from metronome.web.site import Site
from tests.gateway.kit import PERIOD, Kit


class Reply(NamedTuple):
    """One answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@implementer(IHalfCloseableDescriptor)
class Wire(StringTransport):
    """A connection's transport that can be half closed, as TCP's."""

    def __init__(self) -> None:
        super().__init__()
        self.half_closed = False
        self.aborted = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


class Connection:
    """A client's end of one connection."""

    def __init__(self, site: Site):
        self.transport = Wire()
        self.protocol = site.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    @property
    def closed(self) -> bool:
        return self.transport.disconnecting or self.transport.half_closed

    def lose(self) -> None:
        reason = ConnectionAborted() if self.transport.aborted else ConnectionDone()
        self.protocol.connectionLost(Failure(reason))

    def replies(self) -> list[Reply]:
        """Every answer so far."""
        return parse_replies(self.transport.value())

    def reply(self) -> Reply:
        """The only answer so far."""
        (reply,) = self.replies()
        return reply


class WebKit(Kit):
    """The parts of one run and its site."""

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        store: Store | None = None,
        connections: int = HTTP_CONNECTIONS,
        **web: Any,
    ):
        super().__init__(disk, store)
        self.folder = tempfile.TemporaryDirectory()
        secrets = count(1)
        self.streams = Streams(
            Path(self.folder.name), self.clock.seconds, lambda: f"secret-{next(secrets):04}"
        )
        self.streams.load()
        self.streams.attach(self.journal)
        self.token = self.streams.owner_token()
        self.destinations: list[Destination] = []
        self.gateway = Gateway(
            intake=self.intake,
            reader=self.reader,
            streams=self.streams,
            ledger=self.ledger,
            books=Books(self.ledger, self.store, self.reader, self.clock.seconds),
            telemetry=self.telemetry,
            journal=self.journal,
            store=self.store,
            exposition=Exposition(self.journal, self.clock, self.telemetry, ttl=300),
            consumers=(self.consumer,),
            destinations=self.destinations,
            clock=self.clock,
            period=PERIOD,
            replay=Replay(
                DeadLetterFile(Path(self.folder.name)),
                self.store,
                self.journal.identity,
                self.streams.owned_in,
                self.ledger.replayed,
            ),
        )
        self.site = Site(Web(self.gateway, files=read_files(), **web), connections)

    def close(self) -> None:
        self.folder.cleanup()

    def connect(self) -> Connection:
        return Connection(self.site)

    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        token: str | None = None,
    ) -> Reply:
        """One request on a connection of its own; turns the clock until it is answered."""
        fields = {"Host": "gateway", "Connection": "close", **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        if token is not None:
            fields["Authorization"] = f"Bearer {token}"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        connection = self.connect()
        connection.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        for _ in range(200):
            if connection.closed:
                break
            self.clock.advance(0.001)
        connection.lose()
        return connection.reply()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        """A GET with the administrator's token."""
        return self.ask("GET", path, headers, token=self.token)

    def post(self, path: str, content: Any, headers: dict[str, str] | None = None) -> Reply:
        """A POST of JSON, as anybody."""
        fields = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        return self.ask("POST", path, fields, orjson.dumps(content))

    def create(self, name: str, **more: Any) -> dict[str, str]:
        """Make a stream through the API; its id, write key and token."""
        body = orjson.dumps({"name": name, **more})
        return self.ask("POST", "/streams", {}, body, self.token).json  # type: ignore[no-any-return]


def parse_replies(data: bytes) -> list[Reply]:
    """Answers as they stand on the wire, one behind the other."""
    replies = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body, data = _chunked(data)
        else:
            length = int(headers.get("content-length", 0))
            body, data = data[:length], data[length:]
        replies.append(Reply(int(status.split()[1]), headers, body))
    return replies


def _chunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length + 2 :]
        if not length:
            return body, data
