"""What ``/metrics`` shows: series or rollups as Prometheus families, and our own counters.

A consumer of the journal that begins at its end: counters add up since the start of the
process, as Prometheus expects of any program.  At the end of each period

- a counter's n is added to ``NAME_total``; a negative n is left out and counted, because
  Prometheus takes a counter that goes down for a restart;
- a gauge ``NAME`` has its last value, a set the distinct count of its last period;
- a timer is a summary in the unit sent: ``NAME_sum`` and ``NAME_count`` add up, the quantiles
  are those of the last period that had samples, NaN once that is ``METRICS_WINDOW`` ago.

Names and label names are escaped to what the client takes.  A label ``stream`` says which
stream a series is of, unless it is ``main``; a sender's own label of that name, or of one
that Prometheus reserves, becomes ``exported_NAME``.

Where two families would share a name (a counter ``a`` and a timer ``a``; ``a.b`` and ``a_b`` of
different kinds), or two series all labels, the first stays as long as it is shown; the later
is left out and counted in ``metronome_metrics_clashes_total``.  So the page is always valid.

A series that is idle for ``ttl`` seconds is shown no longer.  Mapping rules may say something else of
this, of a family's meaning, and of what timers are (``shaping.py``).

Where rules have a ``prometheus`` name, the page shows their groups, and every series only if it
is asked for.  Counters and timers of a group go on with every flush, by what arrived, late or
not; gauges and sets are those of the last period of the rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.fold.roster import Rosters
from metronome.fold.rules import Book, prometheus_slots
from metronome.gateway.consumer import Consumer
from metronome.gateway.exemplars import Exemplars
from metronome.gateway.page_messages import MessagePage
from metronome.gateway.page_text import TextPage
from metronome.gateway.shown import MAIN, Board
from metronome.gateway.shown_file import ShownFile
from metronome.gateway.shown_groups import ShownGroups
from metronome.gateway.shown_image import Origin, Rows, encode_end, encode_origin, encode_rows
from metronome.gateway.shown_series import ShownSeries
from metronome.gateway.telemetry import CATALOGUE, START, Telemetry
from metronome.journal.interface import Journal
from metronome.limits import METRICS_WINDOW, TOTALS_INTERVAL
from metronome.model import Batch, Flushed, Labels, Parts, parse_key
from metronome.wire import prometheus_text as text
from metronome.wire.negotiation import Form, Wanted, wanted
from metronome.wire.prometheus_protobuf import Exemplar, own_family
from metronome.wire.records import Row

CONSUMER: Final = "metrics"


class Exposition:
    """The page and the consumer that keeps it up to date."""

    log = Logger()

    def __init__(
        self,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
        ttl: float,
        rosters: Rosters | None = None,
        file: ShownFile | None = None,
    ):
        """``rosters`` has the series that consumers know; one for all of them.  ``file`` is what a run
        leaves to the next; without it counters add up since the start of the process."""
        self.consumer = Consumer(journal, CONSUMER, self._work, clock, telemetry)
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._ttl = ttl
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=lambda step: clock.callLater(0, step),
        )
        self._file = file
        self._done = -1
        self._position = 0
        """What stands before it is in the values of series."""
        self._safe: int | None = None
        self._until = 0
        """Before everything up to here is in the values, a page would show less than the last run did."""
        self._marks: deque[tuple[int, int]] = deque()
        """Times (ms) and positions of main's marks, the first where rollups would have to begin again."""
        self._saved = 0.0
        self._saved_through = -1
        """What was done when that began."""
        self._saving = False
        self._turn = DeferredLock()
        self._rest = LoopingCall(self._save_rest)
        self._rest.clock = clock
        self._used = 0
        self._book = Book()
        self._board = Board([(name, kind) for name, (kind, _, _) in CATALOGUE.items()])
        self._series = ShownSeries(self._board, rosters or Rosters(), telemetry)
        self._groups = ShownGroups(self._board, telemetry, CONSUMER)
        self._exemplars = Exemplars()
        telemetry.gauge("metronome_metrics_series", lambda: len(self._board))
        telemetry.gauge("metronome_rollup_groups", lambda: self._groups.size, output=CONSUMER)

    def use(self, book: Book) -> None:
        """Show what these rules and sets say; rules that stay go on where they are."""
        self._book = book
        self._used += 1
        self._series.use(book)
        self._groups.use(book)

    def start(self) -> None:
        """Go on where the last run was, or begin at the end of the journal."""
        end = self._journal.synced_end
        kept = self._file.read() if self._file is not None else None
        begin = self._position = end
        if kept is not None:
            origin, rows = kept
            self._restore(origin, rows)
            if origin.journal != self._journal.identity:
                self.log.warn("what /metrics has shown is of another journal; it goes on")
                begin = self._position = self._journal.cursor(CONSUMER)
            elif origin.position <= end:
                begin, self._position, self._groups.applied = origin.replay, origin.position, origin.applied
        self._until = end if begin < end else 0
        self._done = begin - 1
        self._journal.move(CONSUMER, begin)
        if self._file is not None:
            self._safe = begin
            if kept is None:
                self._cooperator.cooperate(self._save(empty=True))
            rest = self._rest.start(TOTALS_INTERVAL / 10, now=False)
            rest.addErrback(lambda failure: self.log.failure("what /metrics shows is not saved", failure))
        self.consumer.start()

    def stop(self) -> Deferred[Any]:
        """Fires when the batch in hand is done, and what the next run goes on from is on disk."""
        done: Deferred[Any] = self.consumer.stop()
        if self._rest.running:
            self._rest.stop()
        if self._file is not None:
            file = self._file
            done.addCallback(lambda _: self._turn.run(self._run, self._save()))
            done.addCallback(lambda _: file.stop())
        return done

    def page(self, accept: str | None) -> tuple[str, Iterable[bytes]]:
        """Media type and the page in pieces, each written when it is asked for."""
        form = wanted(accept)
        return form.media_type, self._pieces(form)

    def trace(self, stream: str, row: Row, time: float, labels: Labels) -> None:
        """A value that was measured at this time (s) is of a trace: an exemplar of its series."""
        ids = [row.series_id, *self._groups.ids_of(stream, parse_key(row.key))]
        self._exemplars.keep(stream, ids, Exemplar(labels, row.low, time))

    # --- the consumer --------------------------------------------------------------------

    def _work(self, batch: Batch) -> Deferred[int | None]:
        done: Deferred[Any] = self._turn.run(self._run, self._steps(batch))
        return done.addCallback(lambda _: self._safe)

    def _run(self, steps: Iterator[Deferred[None] | None]) -> Deferred[Any]:
        return self._cooperator.cooperate(steps).whenDone()

    def _steps(self, batch: Batch) -> Iterator[Deferred[None] | None]:
        ends = [record.position for record in batch.records[1:]] + [batch.end]
        for record, end in zip(batch.records, ends, strict=True):
            content = record.content
            if record.position <= self._done:
                continue
            now = self._clock.seconds()
            if isinstance(content, Parts):
                self._groups.keep(content)
                if self._book.shows_every_series and record.position >= self._position:
                    self._series.keep(content, now)
            elif isinstance(content, Flushed):
                yield from self._flush(content, now, record.position, end)
            self._done = record.position
            if isinstance(content, Flushed) and now - self._saved >= TOTALS_INTERVAL:
                yield from self._save()
            yield None
        self._until = 0 if batch.end >= self._until else self._until

    def _flush(self, flushed: Flushed, now: float, position: int, end: int) -> Iterator[None]:
        if position >= self._position:
            yield from self._series.end(flushed, now)
            self._position = end
        yield from self._groups.end(flushed, now, position, end)
        if flushed.stream == MAIN:
            self._mark(flushed.time + round(flushed.period * 1000), position)
        if position >= self._until:
            yield from self._board.expire(now, self._ttl)

    # --- over a restart ------------------------------------------------------------------

    def _mark(self, stamp: int, position: int) -> None:
        """Remember where rollups have to begin again whose periods are longer than a flush."""
        everies = {slot.every for slot in prometheus_slots(self._book.rules)} - {0}
        needed = min((stamp // every * every for every in everies), default=stamp)
        self._marks.append((stamp, position))
        while len(self._marks) > 1 and self._marks[1][0] <= needed:
            self._marks.popleft()

    def _save_rest(self) -> Deferred[Any] | None:
        """When nothing comes any more, what came last is saved too.  A full journal takes nothing, and
        would stay full if the cursor waited for the next mark."""
        old = self._clock.seconds() - self._saved >= TOTALS_INTERVAL
        if self._done == self._saved_through or not (old or self._journal.unavailable()):
            return None
        done: Deferred[Any] = self._turn.run(self._run, self._save())
        return done.addCallback(lambda _: self._journal.move(CONSUMER, self._safe or 0))

    def _save(self, empty: bool = False) -> Iterator[Deferred[None]]:
        """Write what the next run goes on from, while nothing changes; the cursor follows.  One that
        is empty says where this run has begun."""
        if self._file is None or self._saving:
            return
        self._saving, self._saved, used = True, self._clock.seconds(), self._used
        self._saved_through = self._done
        groups = dict(self._groups.applied)
        begins = [self._position, *groups.values(), *(position for _, position in islice(self._marks, 1))]
        origin = Origin(self._journal.identity, self._position, groups, min(begins), self._saved)
        failures: list[Failure] = []
        try:
            for step in self._file.write(self._blocks(origin, used, empty)):
                yield step.addErrback(failures.append)
                if failures:
                    break
        finally:
            self._saving = False
        if failures:
            failures[0].trap(OSError)
            self.log.warn("{text}: /metrics may begin anew", text=failures[0].getErrorMessage())
        if not failures and used == self._used:
            self._safe = max(self._safe or 0, origin.replay)
        elif self._journal.size > self._journal.budget // 2:
            self._safe = origin.replay  # what is kept in vain must not fill the journal

    def _blocks(self, origin: Origin, used: int, empty: bool) -> Iterator[bytes | None]:
        yield encode_origin(origin)
        for rows in () if empty else chain(self._series.image(), self._groups.image()):
            if self._used != used:
                yield None  # other rules stand since the last step
                return
            yield encode_rows(rows)
        yield encode_end()

    def _restore(self, origin: Origin, blocks: Iterator[Rows]) -> None:
        now = self._clock.seconds()
        later = max(now - origin.at, 0.0)
        waiting = []
        for rows in blocks:
            if any(meaning.rule for meaning in rows.meanings):
                sheet, numbers, rows = self._groups.restore(rows, later, now)
            elif self._book.shows_every_series:
                sheet, numbers = self._series.restore(rows, later, now)
            else:
                continue
            self._board.place_again(sheet, numbers[rows.shown])
            waiting.append((sheet, numbers[~rows.shown]))
        for sheet, numbers in waiting:
            self._board.place_again(sheet, numbers)

    # --- the page ------------------------------------------------------------------------

    def _pieces(self, form: Wanted) -> Iterator[bytes]:
        is_text = form.form is not Form.PROTOBUF
        yield "".join(self._own_lines(form)).encode() if is_text else self._own_messages(form)
        kind = TextPage if is_text else MessagePage
        recent = self._clock.seconds() - METRICS_WINDOW
        if not self._until:
            yield from kind(self._board, form, recent, self._exemplars).pieces()
        if form.open_metrics:
            yield text.OPEN_METRICS_END.encode()

    def _own_lines(self, form: Wanted) -> Iterator[str]:
        began = self._telemetry.value(START)
        for name, kind, meaning, samples in self._telemetry.families():
            yield text.head(name, kind, meaning, form)
            for labels, value in samples:
                yield text.line(name, kind, labels, value, form, began)

    def _own_messages(self, form: Wanted) -> bytes:
        began = self._telemetry.value(START)
        return b"".join([own_family(*family, form.escaping, began) for family in self._telemetry.families()])
