"""One Graphite output: a consumer of the journal, the lines it makes, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable
from metronome.fold.rules import Book
from metronome.gateway.carbon import Chunk, Destination
from metronome.gateway.consumer import Consumer
from metronome.gateway.converter import Lines
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.limits import CURSOR_SECONDS
from metronome.model import Batch, Flushed

Share = Callable[[Iterator[Chunk]], Iterator[Chunk]]
"""What of the chunks an output is for."""


class GraphiteOut:
    """One output: its consumer, its destination and what is between them."""

    log = Logger()

    def __init__(
        self,
        cursor: str,
        name: str,
        make: Callable[[Callable[[], None]], Destination],
        lines: Lines,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
        share: Share | None = None,
    ):
        """``cursor`` names its place in the journal, ``name`` is its ``destination`` on ``/metrics``.
        ``make`` gets what is to be called when the destination is back."""
        self.consumer = Consumer(journal, f"graphite:{cursor}", self._work, clock, telemetry)
        self._destination = make(self.consumer.wake)
        self._journal = journal
        self._clock = clock
        self._lines = lines
        self._share = share
        self._chunks: Iterator[Chunk] | None = None
        self._batch_end = -1
        self._safe = 0
        self._had = 0.0
        self._follows = LoopingCall(self._follow)
        self._follows.clock = clock
        # Its place is taken now: those of outputs that are no more are given up before this one starts.
        journal.cursor(self.consumer.name)
        telemetry.gauge("metronome_graphite_lag_seconds", lambda: self.lag, destination=name)

    @property
    def trouble(self) -> str:
        """What is wrong at present; empty while all is well."""
        return self._destination.trouble or self.consumer.troubled

    @property
    def lag(self) -> float:
        """Seconds since the end of the last period that it has; 0 while it has everything."""
        if not self.consumer.lag or not self._had:
            return 0.0
        return max(0.0, self._clock.seconds() - self._had)

    def start(self) -> None:
        """Connect, and go on at the cursor."""
        self._safe = self._journal.cursor(self.consumer.name)
        self._lines.begin(self._safe)
        self._destination.start()
        self.consumer.start()
        follows = self._follows.start(CURSOR_SECONDS, now=False)
        follows.addErrback(lambda failure: self.log.failure("the cursor stays where it is", failure))

    def use(self, book: Book) -> None:
        """As :meth:`Lines.use`."""
        self._lines.use(book)

    def stop(self) -> Deferred[Any]:
        """Give up the batch in hand and close; fires when the last of it has left."""
        if self._follows.running:
            self._follows.stop()
        return gatherResults([self.consumer.stop(), self._destination.stop()])

    def repeated(self, stream: str) -> list[tuple[bytes, float]]:
        """As :meth:`Lines.repeated`."""
        return self._lines.repeated(stream)

    def forget(self, stream: str, keys: Iterable[bytes]) -> None:
        """As :meth:`Lines.forget`."""
        self._lines.forget(stream, keys)

    def _work(self, batch: Batch) -> Deferred[int | None]:
        """Send a batch.  A batch that is tried again goes on where it was."""
        if self._chunks is None or self._batch_end != batch.end:
            chunks = self._lines.chunks(batch)
            self._chunks = self._share(chunks) if self._share else chunks
            self._batch_end = batch.end
        ends = _ends(batch)
        if not self._had and ends:
            self._had = ends[0]
        done: Deferred[Any] = self._destination.send(self._chunks)
        done.addCallbacks(self._sent, self._failed, callbackArgs=(ends,))
        return done

    def _sent(self, _: None, ends: list[float]) -> int:
        self._chunks = None
        self._had = max([self._had, *ends])
        return self._confirmed()

    def _confirmed(self) -> int:
        self._safe = max(self._safe, self._destination.confirmed())
        return self._safe

    def _follow(self) -> None:
        """Have the cursor follow what is confirmed while no batch comes: a full journal brings none, and
        would stay full if the cursor waited for one."""
        self._journal.move(self.consumer.name, self._confirmed())

    def _failed(self, failure: Failure) -> Failure:
        if not isinstance(failure.value, DestinationUnavailable):
            self._chunks = None
        return failure


def _ends(batch: Batch) -> list[float]:
    """When the periods in a batch ended, epoch seconds."""
    contents = [record.content for record in batch.records]
    return [content.time / 1000 + content.period for content in contents if isinstance(content, Flushed)]
