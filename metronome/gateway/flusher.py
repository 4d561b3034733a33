"""Takes columns out of the folding tables and hands them to the journal.

Folded samples come out at instants aligned to the epoch, so that every gateway cuts time at
the same places; points that carry their own time come out more often.  What the journal
refuses waits here, in order and bounded by bytes, and is tried again; when the bound is
passed the oldest is shed, by its reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import JournalUnavailable
from metronome.gateway.intake import Intake
from metronome.gateway.ledger import Ledger
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.limits import FLUSH_WAIT_BYTES, IDLE_FLUSHES, POINTS_INTERVAL, PRUNE_FLUSHES
from metronome.model import Columns, Flushed, Tally
from metronome.wire import records


class _Waiting(NamedTuple):
    """Payloads of one kind for the journal and the samples they hold by stream."""

    kind: int
    payloads: list[bytes]
    stream: str
    samples: int
    tallies: list[Tally]

    @property
    def size(self) -> int:
        return sum(map(len, self.payloads))


def _of_tallies(tallies: list[Tally]) -> _Waiting:
    return _Waiting(records.KIND_TALLIES, [records.encode_tallies(tallies)], "", 0, tallies)


def _nothing_elsewhere() -> Deferred[None]:
    return succeed(None)


class Flusher:
    """Flushes every table of the intake, each period."""

    log = Logger()

    def __init__(
        self,
        intake: Intake,
        journal: Journal,
        ledger: Ledger,
        telemetry: Telemetry,
        clock: IReactorTime,
        period: float,
        idle_flushes: int = IDLE_FLUSHES,
        gather: Callable[[], Deferred[None]] = _nothing_elsewhere,
    ):
        """``period`` in seconds is the folding period p of statsd samples; series that were
        idle for ``idle_flushes`` flushes are forgotten by their table.  ``gather()`` brings in
        what other processes have folded of the period that ends; the flush waits until it
        fires, which it does soon and never with a failure."""
        self._intake = intake
        self._journal = journal
        self._ledger = ledger
        self._telemetry = telemetry
        self._clock = clock
        self._period = period
        self._idle_flushes = idle_flushes
        self._flushes = 0
        self._begun = 0.0
        self._calls: list[IDelayedCall] = []
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._held = 0.0
        self._writing: Deferred[None] = succeed(None)
        self._busy = False
        self._stopped = False
        self._gather = gather
        intake.at_clear(self.forget)
        intake.at_full(self._on_full)
        telemetry.gauge("metronome_flush_seconds", lambda: self._held)
        telemetry.gauge("metronome_flush_waiting_bytes", lambda: self._waiting_bytes)

    @property
    def open_period(self) -> int:
        """Start of the period that is being folded, ms."""
        return round(self._begun * 1000)

    @property
    def period(self) -> float:
        """Length of a period in seconds."""
        return self._period

    def start(self) -> None:
        """Begin the first period at the last aligned instant."""
        now = self._clock.seconds()
        self._begun = now - now % self._period
        for table in self._intake.tables.values():
            table.begin(self.open_period)
        self._calls = [
            self._clock.callLater(self._begun + self._period - now, self._on_instant),
            self._clock.callLater(POINTS_INTERVAL, self._on_points),
        ]

    def stop(self) -> Deferred[None]:
        """Flush what there is, the open period too; fires when the journal has it or refused."""
        self._stopped = True
        for call in self._calls:
            if call.active():
                call.cancel()
        self.flush_points()
        self.flush(complete=False)
        return self._settled()

    def flush(self, complete: bool = True) -> None:
        """Take the period's parts out of every table, now.

        A period that is not complete gets no mark: the next run adds its part and ends it.
        """
        began = self._clock.seconds()
        start = self.open_period
        for stream, table in list(self._intake.tables.items()):
            self._intake.talkers.senders(stream, table.senders())
            self._put_columns(stream, table.flush(start, self._period), start)
            self._intake.settle(stream)
            if complete:
                flushed = records.encode_flushed(Flushed(stream, start, self._period))
                self._put(_Waiting(records.KIND_FLUSHED, [flushed], stream, 0, []))
        tallies = self._ledger.take_tallies()
        if tallies:
            self._put(_of_tallies(tallies))
        self._flushes += 1
        if self._flushes % PRUNE_FLUSHES == 0:
            for table in self._intake.tables.values():
                table.prune(self._idle_flushes)
        self._held = self._clock.seconds() - began
        self._telemetry.count("metronome_flushes_total")
        self._write()

    def flush_points(self) -> None:
        """Take the points that carry their own time out of every table, now."""
        for stream, table in list(self._intake.tables.items()):
            if table.points_waiting:
                self._put_columns(stream, table.flush_points())
                self._intake.settle(stream)
        self._write()

    def _on_full(self) -> None:
        """Many points wait: they go at once, unless the journal has not yet taken what came before."""
        if not self._busy and not self._stopped and not self._journal.unavailable():
            self.flush_points()

    def forget(self, stream: str) -> None:
        """The stream is deleted: what of it waits here for the journal is nobody's."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            tallies = [tally for tally in one.tallies if tally.stream != stream]
            if one.stream == stream:
                self._ledger.left_over(stream, one.samples)
            elif len(tallies) == len(one.tallies):
                self._waiting.append(one)
            elif tallies:
                self._waiting.append(_of_tallies(tallies))
        self._waiting_bytes = sum(one.size for one in self._waiting)

    def _on_instant(self) -> None:
        self._gather().addCallback(self._end_period)

    def _end_period(self, _: None) -> None:
        if self._stopped:
            return
        self.flush()
        now = self._clock.seconds()
        self._begun = now - now % self._period
        self._calls[0] = self._clock.callLater(self._begun + self._period - now, self._on_instant)

    def _on_points(self) -> None:
        self._calls[1] = self._clock.callLater(POINTS_INTERVAL, self._on_points)
        self.flush_points()

    def _put_columns(self, stream: str, columns: Columns, flush: int = -1) -> None:
        if not self._stopped and len(columns):
            # In a turn of its own: who talks most is no business of the flush.
            self._clock.callLater(0, self._intake.talkers.flushed, stream, columns)
        for piece in records.split(columns):
            samples = int(piece.counts.sum())
            self._ledger.taken(stream, samples)
            payload = records.encode_parts(stream, piece, flush=flush)
            self._put(_Waiting(records.KIND_PARTS, [payload], stream, samples, []))

    def _put(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_bytes += waiting.size
        while self._waiting_bytes > FLUSH_WAIT_BYTES and len(self._waiting) > 1:
            self._give_up(self._waiting.popleft())

    def _give_up(self, oldest: _Waiting) -> None:
        self._waiting_bytes -= oldest.size
        reason = self._journal.unavailable() or "queue_full"
        self._ledger.shed_waiting(oldest.stream, reason, oldest.samples)
        self._ledger.give_back(oldest.tallies)

    def _write(self) -> None:
        """Hand the journal what waits; one group at a time, so that the order stands."""
        if self._busy or not self._waiting or self._journal.unavailable():
            self._intake.freed()
            return
        self._busy = True
        group = [self._waiting.popleft()]
        while self._waiting and self._waiting[0].kind == group[0].kind:
            group.append(self._waiting.popleft())
        payloads = [payload for waiting in group for payload in waiting.payloads]
        self._waiting_bytes -= sum(waiting.size for waiting in group)
        self._writing = Deferred()
        done: Deferred[Any] = self._journal.append(group[0].kind, payloads)
        done.addCallbacks(lambda _: True, self._refused, errbackArgs=(group,))
        done.addCallback(self._written)

    def _written(self, taken: bool) -> None:
        """Go on with the rest; after a refusal only at the next instant."""
        self._busy = False
        writing = self._writing
        if taken:
            self._write()
        writing.callback(None)

    def _refused(self, failure: Failure, group: list[_Waiting]) -> bool:
        if not isinstance(failure.value, JournalUnavailable):
            self.log.failure("the journal failed; the flush waits", failure)
        self._waiting.extendleft(reversed(group))
        self._waiting_bytes += sum(waiting.size for waiting in group)
        return False

    def _settled(self) -> Deferred[None]:
        """Fires when nothing more can be written for now."""
        if not self._busy:
            self._shed_rest()
            return succeed(None)
        settled: Deferred[None] = Deferred()
        self._writing.addCallback(lambda _: self._settled().chainDeferred(settled))
        return settled

    def _shed_rest(self) -> None:
        while self._waiting:
            self._give_up(self._waiting.popleft())
