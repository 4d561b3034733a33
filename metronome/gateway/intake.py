"""Where input enters: admit, count, shed.

Two ways in.  *Samples* (statsd, Graphite lines) cannot be acknowledged: an ``Inlet`` feeds
them to the stream's folding table and they are journalled when they are flushed.  *Ticks*
can: ``Intake.ticks`` fires once the journal has synced them, and fails with
``JournalUnavailable`` when it cannot, so that the client keeps them.

A tick with a deduplication id that was seen in the last 24 hours is not taken again; its
sender is told so only when the first one is safe on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail, gatherResults, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from metronome.errors import JournalUnavailable
from metronome.gateway.duplicates import Duplicates
from metronome.gateway.inlet import Fresh, Inlet, Told
from metronome.gateway.ledger import Ledger
from metronome.gateway.owned import Owns, every
from metronome.gateway.talkers import Talkers
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.kernel.interface import Dialect, Mapper, Table
from metronome.limits import POINTS_WAITING, RECORD_BYTES
from metronome.model import Event, Events
from metronome.wire import dogstatsd, records
from metronome.wire.records import Row

Item = TypeVar("Item")
Tap = Callable[[str, str, bytes], None]
"""Called with stream, source and a block of lines as they come in."""


class TickVerdict(NamedTuple):
    """What became of a body of ticks; indexes into the lists that were handed in."""

    duplicate_events: list[int]
    duplicate_rows: list[int]


class TickRow(NamedTuple):
    """A point that came as a tick, and its deduplication id (empty: none)."""

    row: Row
    eid: str


class Intake:
    """Owns a folding table for each stream that gets samples."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        telemetry: Telemetry,
        duplicates: Duplicates,
        clock: IReactorTime,
        make_table: Callable[[], Table],
        owns: Owns = every,
        points_waiting: int = POINTS_WAITING,
    ):
        """``points_waiting``: points with their own time that wait for the journal at most before
        they are taken out, and nothing more is read while that cannot be."""
        self.owns = owns
        self._forgetting: list[Callable[[str], None]] = []
        self._full: list[Callable[[], None]] = []
        self._points_waiting = points_waiting
        self._journal = journal
        self._ledger = ledger
        self._telemetry = telemetry
        self._duplicates = duplicates
        self._clock = clock
        self._make_table = make_table
        self._unsure: dict[tuple[str, str], Deferred[None]] = {}
        self._taps: list[Tap] = []
        self._waiters: list[Deferred[None]] = []
        self._told: dict[str, Told] = {}
        self._mapper: Mapper | None = None
        self._heard: dict[str, float] = {}
        self.talkers = Talkers(clock.seconds)
        self.tables: dict[str, Table] = {}
        """The folding table of each stream that has one."""

    # --- samples -------------------------------------------------------------------------

    def now(self) -> float:
        """The time at which input that carries none is taken to have happened."""
        return self._clock.seconds()

    def table(self, stream: str) -> Table:
        """The stream's folding table; made when first asked for."""
        table = self.tables.get(stream)
        if table is None:
            table = self.tables[stream] = self._make_table()
            table.set_mapper(self._mapper)
            told = self._told[stream] = Told(table)
            self._ledger.holds(stream, lambda: told.waiting)
            self._telemetry.gauge("metronome_series", lambda: table.series, stream=stream)
        return table

    def use_mapper(self, mapper: Mapper | None) -> None:
        """Map dotted names of samples from now on."""
        self._mapper = mapper
        for table in self.tables.values():
            table.set_mapper(mapper)

    def inlet(self, source: str, stream: str, dialect: Dialect) -> Inlet:
        """What a receiver feeds: ``source`` names it in the books."""
        table = self.table(stream)
        return Inlet(self, table, self._told[stream], source, stream, dialect, self._ledger, self._telemetry)

    def at_clear(self, forget: Callable[[str], None]) -> None:
        """Have something else forget a stream as well when it is cleared."""
        self._forgetting.append(forget)

    def clear(self, stream: str) -> None:
        """The stream is deleted: what its table holds is nobody's.

        The table of a receiver stays, empty; what comes in by it is nobody's either.
        """
        for forget in self._forgetting:
            forget(stream)
        table = self.tables.get(stream)
        if table is None:
            return
        lost = sum(int(columns.counts.sum()) for columns in (table.flush_points(), table.flush(0, 1.0)))
        self._ledger.taken(stream, lost)
        self.settle(stream)
        self._ledger.left_over(stream, lost)
        table.prune(0)
        if not self._told[stream].inlets:
            del self.tables[stream], self._told[stream]
            self._ledger.closed(stream)
            self._telemetry.forget("metronome_series", stream=stream)

    def settle(self, stream: str) -> None:
        """Bring the books of a stream's table up to this instant."""
        self._told[stream].settle()

    def heard(self, stream: str, sender: str, fresh: Fresh) -> None:
        """A receiver has taken lines in; the sender is empty where only the table knows it."""
        if fresh.lines or fresh.samples:
            self._heard[stream] = self._clock.seconds()
        if sender:
            self.talkers.heard(stream, sender, fresh.samples, fresh.series)
        elif fresh.datagrams:
            self.talkers.drained(stream, fresh.samples, fresh.datagrams)

    def sent(self, stream: str, senders: Iterable[tuple[str, int]]) -> None:
        """So many datagrams of those last heard of without a sender came from each of these."""
        self.talkers.senders(stream, senders)

    def last_heard(self, stream: str) -> float | None:
        """When lines last came in to a stream, epoch seconds."""
        return self._heard.get(stream)

    def blocked(self, stream: str) -> bool:
        """Whether stream transports should stop reading."""
        if self._journal.unavailable():
            return True
        table = self.tables.get(stream)
        return table is not None and table.points_waiting >= self._points_waiting

    def at_full(self, flush: Callable[[], None]) -> None:
        """Have something take the points out once there are so many of them."""
        self._full.append(flush)

    def points_came(self, table: Table) -> None:
        """Points have come in to a table; many are journalled at once."""
        if table.points_waiting >= self._points_waiting:
            for flush in self._full:
                flush()

    def when_free(self) -> Deferred[None]:
        """Fires after a flush has made room; ask ``blocked`` again then."""
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def freed(self) -> None:
        """The flusher has made room."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def tap(self, watcher: Tap) -> None:
        """Show every block of lines to a watcher (``metronome tail``)."""
        self._taps.append(watcher)

    def untap(self, watcher: Tap) -> None:
        self._taps.remove(watcher)

    @property
    def tapped(self) -> bool:
        """Whether anybody watches."""
        return bool(self._taps)

    def show(self, stream: str, source: str, block: bytes) -> None:
        """Show a block to the watchers."""
        for watcher in list(self._taps):
            watcher(stream, source, block)

    def tell(self, stream: str, source: str, lines: list[bytes], sender: str, origins: bool) -> None:
        """Take DogStatsD events and service checks, with their container's labels or without; nobody
        waits for the outcome."""
        now = int(self._clock.seconds() * 1000)
        read = [dogstatsd.parse(line, now, origins) for line in lines]
        events = [event for event in read if isinstance(event, dict)]
        refused = [reject for reject in read if isinstance(reject, tuple)]
        self.ticks(stream, events, [], refused, source, sender).addErrback(_expected)

    # --- ticks ---------------------------------------------------------------------------

    def ticks(
        self,
        stream: str,
        events: list[Event],
        rows: list[TickRow],
        refused: Iterable[tuple[str, bytes]],
        source: str,
        sender: str = "",
    ) -> Deferred[TickVerdict]:
        """Take a body of ticks: events, points, and what of it was refused.

        Fires when all of it that was not refused is synced; fails with
        ``JournalUnavailable`` when nothing of it was taken.
        """
        refused = list(refused)
        self._ledger.received(stream, source, len(events) + len(rows) + len(refused))
        for reason, excerpt in refused:
            self._ledger.reject(stream, source, reason, 1, excerpt, sender)
        full = self._journal.unavailable()
        if full:
            self._ledger.shed(stream, source, full, len(events) + len(rows))
            return fail(JournalUnavailable(full))
        body = _Body(stream, source, int(self._clock.seconds() * 1000))
        earlier = self._sort_out(body, events, rows)
        return self._journalled(body, earlier)

    def _sort_out(self, body: _Body, events: list[Event], rows: list[TickRow]) -> list[Deferred[None]]:
        """Set duplicates aside; what is to be awaited of their first ones."""
        earlier: list[Deferred[None]] = []
        for index, event in enumerate(events):
            known = self._known(body.events, event.get("eid", ""), earlier)
            (body.duplicate_events.append(index) if known else body.events.items.append(event))
        for index, tick in enumerate(rows):
            known = self._known(body.rows, tick.eid, earlier)
            (body.duplicate_rows.append(index) if known else body.rows.items.append(tick))
        return earlier

    def _known(self, share: _Share[Any], eid: str, earlier: list[Deferred[None]]) -> bool:
        if not eid:
            return False
        if not self._duplicates.seen(share.stream, eid, share.now):
            share.eids.append(eid)
            self._unsure[share.stream, eid] = share.synced
            return False
        first = self._unsure.get((share.stream, eid))
        if first is not None and first is not share.synced:
            earlier.append(_after(first))
        return True

    def _journalled(self, body: _Body, earlier: list[Deferred[None]]) -> Deferred[TickVerdict]:
        def events(items: list[Event]) -> bytes:
            return records.encode_events(Events(body.stream, items))

        def parts(items: list[TickRow]) -> bytes:
            columns = records.columns_of([tick.row for tick in items])
            ids = tuple((body.now, tick.eid) for tick in items if tick.eid)
            return records.encode_parts(body.stream, columns, ids)

        appends = [
            self._append(records.KIND_EVENTS, body.events, events),
            self._append(records.KIND_PARTS, body.rows, parts),
        ]
        done: Deferred[Any] = gatherResults([*appends, *earlier], consumeErrors=True)
        return done.addCallbacks(self._verdict, self._no_verdict, callbackArgs=(body,), errbackArgs=(body,))

    def _append(
        self, kind: int, share: _Share[Item], encode: Callable[[list[Item]], bytes]
    ) -> Deferred[None]:
        """Journal a share, all of it or nothing; whatever fails, nobody waits for it for ever."""
        if not share.items:
            return succeed(None)
        self._ledger.taken(share.stream, len(share.items))
        done: Deferred[Any] = maybeDeferred(
            lambda: self._journal.append(kind, _payloads(share.items, encode))
        )
        return done.addCallbacks(self._synced, self._refused, callbackArgs=(share,), errbackArgs=(share,))

    def _synced(self, _: object, share: _Share[Any]) -> None:
        for eid in share.eids:
            self._unsure.pop((share.stream, eid), None)
        share.synced.callback(None)

    def _refused(self, failure: Failure, share: _Share[Any]) -> Failure:
        self._ledger.shed_waiting(share.stream, _reason(failure), len(share.items))
        for eid in share.eids:
            self._unsure.pop((share.stream, eid), None)
            self._duplicates.forget(share.stream, eid)
        share.synced.addErrback(lambda _: None)
        share.synced.errback(failure)
        return failure

    def _verdict(self, _: object, body: _Body) -> TickVerdict:
        self._ledger.filtered(body.stream, body.source, "duplicate", body.duplicates)
        return TickVerdict(body.duplicate_events, body.duplicate_rows)

    def _no_verdict(self, failure: Failure, body: _Body) -> Failure:
        """The body was refused, or the first one of a duplicate was: all of it may come again."""
        failure = _first_failure(failure)
        self._ledger.shed(body.stream, body.source, _reason(failure), body.duplicates)
        return failure


class _Share(Generic[Item]):
    """What of one request goes into the journal by one append: its events, or its rows.

    The journal may take one and refuse the other, so each remembers its own ids.
    """

    def __init__(self, stream: str, now: int):
        self.stream = stream
        self.now = now
        self.items: list[Item] = []
        self.eids: list[str] = []
        self.synced: Deferred[None] = Deferred()


class _Body:
    """One request's ticks on their way to the journal."""

    def __init__(self, stream: str, source: str, now: int):
        self.stream = stream
        self.source = source
        self.now = now
        self.events: _Share[Event] = _Share(stream, now)
        self.rows: _Share[TickRow] = _Share(stream, now)
        self.duplicate_events: list[int] = []
        self.duplicate_rows: list[int] = []

    @property
    def duplicates(self) -> int:
        return len(self.duplicate_events) + len(self.duplicate_rows)


def _payloads(items: list[Item], encode: Callable[[list[Item]], bytes]) -> list[bytes]:
    """The items in as many records as they need.

    A body's bounds do not bound this: a control character takes six bytes in JSON.
    """
    payload = encode(items)
    if len(payload) <= RECORD_BYTES // 4 or len(items) == 1:
        return [payload]
    half = len(items) // 2
    return [*_payloads(items[:half], encode), *_payloads(items[half:], encode)]


def _expected(failure: Failure) -> None:
    """The journal refused, and what it refused was counted as shed."""
    if not isinstance(failure.value, JournalUnavailable):
        failure.raiseException()


def _after(first: Deferred[None]) -> Deferred[None]:
    """Fires or fails as the first one does, and leaves that one's result alone."""
    follower: Deferred[None] = Deferred()

    def passed(result: None) -> None:
        follower.callback(None)
        return result

    def failed(failure: Failure) -> Failure:
        follower.errback(failure)
        return failure

    first.addCallbacks(passed, failed)
    return follower


def _reason(failure: Failure) -> str:
    """The shed reason of a refused append."""
    error = failure.value
    return error.reason if isinstance(error, JournalUnavailable) else "journal_unwritable"


def _first_failure(failure: Failure) -> Failure:
    """What a ``gatherResults`` failed with, without its wrapping."""
    inner = getattr(failure.value, "subFailure", None)
    return inner if isinstance(inner, Failure) else failure
