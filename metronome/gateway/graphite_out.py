"""One Graphite destination: a consumer of the journal, the lines it makes, the connection they go to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable
from metronome.fold.rules import Book
from metronome.fold.statsd import Naming
from metronome.gateway.carbon import Carbon, Chunk
from metronome.gateway.consumer import Consumer
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.rollup_lines import RuleLines
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.model import Batch


class GraphiteOut:
    """One destination: its consumer, its connection and what is between them."""

    def __init__(
        self,
        name: str,
        endpoint: IStreamClientEndpoint,
        lines: Lines,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
    ):
        """``name`` is ``HOST:PORT``."""
        self.consumer = Consumer(journal, f"graphite:{name}", self._work, clock, telemetry)
        self._carbon = Carbon(name, endpoint, clock, telemetry, self.consumer.wake)
        self._journal = journal
        self._lines = lines
        self._chunks: Iterator[Chunk] | None = None
        self._batch_end = -1
        self._safe = 0

    def start(self) -> None:
        """Connect, and go on at the cursor."""
        self._safe = self._journal.cursor(self.consumer.name)
        self._lines.begin(self._safe)
        self._carbon.start()
        self.consumer.start()

    def use(self, book: Book) -> None:
        """As :meth:`Lines.use`."""
        self._lines.use(book)

    def stop(self) -> Deferred[Any]:
        """Give up the batch in hand and close; fires when the last of it has left."""
        return gatherResults([self.consumer.stop(), self._carbon.stop()])

    def repeated(self, stream: str) -> list[tuple[bytes, float]]:
        """As :meth:`Lines.repeated`."""
        return self._lines.repeated(stream)

    def forget(self, stream: str, keys: Iterable[bytes]) -> None:
        """As :meth:`Lines.forget`."""
        self._lines.forget(stream, keys)

    def _work(self, batch: Batch) -> Deferred[int | None]:
        """Send a batch.  A batch that is tried again goes on where it was."""
        if self._chunks is None or self._batch_end != batch.end:
            self._chunks = self._lines.chunks(batch)
            self._batch_end = batch.end
        done: Deferred[Any] = self._carbon.send(self._chunks)
        done.addCallbacks(self._sent, self._failed)
        return done

    def _sent(self, _: None) -> int:
        self._chunks = None
        self._safe = max(self._safe, self._carbon.confirmed())
        return self._safe

    def _failed(self, failure: Failure) -> Failure:
        if not isinstance(failure.value, DestinationUnavailable):
            self._chunks = None
        return failure


def graphite_out(
    transport: str,
    host: str,
    port: int,
    *,
    stream: str,
    naming: Naming,
    repeat_idle: bool,
    journal: Journal,
    reactor: IReactorTime,
    telemetry: Telemetry,
) -> GraphiteOut:
    """A destination from its address; ``transport`` is ``tcp`` (plaintext) or ``pickle``."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def skipped(reason: str) -> None:
        telemetry.count("metronome_graphite_skipped_total", destination=name, reason=reason)

    lines = Lines(
        stream,
        naming,
        ENCODINGS[transport],
        RuleLines(f"graphite:{name}", telemetry),
        repeat_idle=repeat_idle,
        skipped=skipped,
        let_go=lambda: journal.size > journal.budget // 2,
    )
    endpoint = HostnameEndpoint(reactor, host, port)
    return GraphiteOut(name, endpoint, lines, journal, reactor, telemetry)
