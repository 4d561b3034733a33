"""What ``/metrics`` shows: series or rollups as Prometheus families, and our own counters.

A consumer of the journal that begins at its end: counters add up since the start of the
process, as Prometheus expects of any program.  At the end of each period

- a counter's n is added to ``NAME_total``; a negative n is left out and counted, because
  Prometheus takes a counter that goes down for a restart;
- a gauge ``NAME`` has its last value, a set the distinct count of its last period;
- a timer is a summary in the unit sent: ``NAME_sum`` and ``NAME_count`` add up, the quantiles
  are those of the last period that had samples, NaN once that is ``METRICS_WINDOW`` ago.

Names and label names are escaped to what Prometheus takes.  A label ``stream`` says which
stream a series is of, unless it is ``main``; a sender's own label of that name, or of one
that Prometheus reserves, becomes ``exported_NAME``.

Where two families would share a name (a counter ``a`` and a timer ``a``; ``a.b`` and ``a_b`` of
different kinds), or two series all labels, the first stays as long as it is shown; the later
is left out and counted in ``metronome_metrics_clashes_total``.  So the page is always valid.

A series that is idle for ``ttl`` seconds is shown no longer.

Where rules have a ``prometheus`` name, the page shows their groups, and every series only if it
is asked for.  Counters and timers of a group go on with every flush, by what arrived, late or
not; gauges and sets are those of the last period of the rule.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from metronome.fold.cells import Header
from metronome.fold.columns import keys_of, take
from metronome.fold.known import Known
from metronome.fold.ranks import quantiles_of
from metronome.fold.roster import Rosters
from metronome.fold.rules import NAME, Book, Rule, Slot, filled, prometheus_slots
from metronome.fold.sketch import quantiles as sketch_quantiles
from metronome.fold.united import united
from metronome.gateway.consumer import Consumer
from metronome.gateway.gathering import Gathering
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.gateway.shelf import Ended, Group
from metronome.gateway.shown import MAIN, QUANTILES, TYPES, Board, Family, Shown
from metronome.gateway.telemetry import CATALOGUE, Telemetry
from metronome.journal.interface import Journal
from metronome.limits import METRICS_CHUNK_LINES, METRICS_STEP_ROWS, METRICS_WINDOW, ROLLUP_SERIES
from metronome.model import Batch, Columns, Flushed, Kind, Parts, parse_key
from metronome.wire import prometheus_text as text

CONSUMER: Final = "metrics"


class Exposition:
    """The page and the consumer that keeps it up to date."""

    def __init__(
        self,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
        ttl: float,
        rosters: Rosters | None = None,
    ):
        """``rosters`` has the series that consumers know; one for all of them."""
        self._rosters = rosters or Rosters()
        self.consumer = Consumer(journal, CONSUMER, self._work, clock, telemetry)
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._ttl = ttl
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=lambda step: clock.callLater(0, step),
        )
        self._done = -1
        self._gatherings: dict[str, Gathering] = {}
        self._book = Book()
        self._sieves: dict[str, Known] = {}
        self._rollups = StreamRollups(self._of_stream, prometheus_slots)
        self._groups = 0
        own = [
            Family(text.family_name(name, kind), kind, told) for name, (kind, _, told) in CATALOGUE.items()
        ]
        self._board = Board(own)
        telemetry.gauge("metronome_metrics_series", lambda: len(self._board))
        telemetry.gauge("metronome_rollup_groups", lambda: self._rollups.groups, output=CONSUMER)

    def use(self, book: Book) -> None:
        """Show what these rules and sets say; rules that stay go on where they are."""
        self._book = book
        self._sieves = {
            stream: Known(ROLLUP_SERIES) for stream in {rule.stream for rule in book.rules if rule.drop}
        }
        self._rollups.use(book)
        if not book.shows_every_series:
            self._gatherings = {}
            for place in self._board.places():
                if isinstance(place, tuple):
                    self._board.remove(place)

    def start(self) -> None:
        """Begin at the end of the journal."""
        self._journal.move(CONSUMER, self._journal.synced_end)
        self.consumer.start()

    def stop(self) -> Deferred[None]:
        """Fires when the batch in hand is done."""
        return self.consumer.stop()

    def page(self, accept: str | None) -> tuple[str, Iterable[bytes]]:
        """Media type and the page in chunks, each written when it is asked for."""
        open_metrics = text.wants_open_metrics(accept)
        media_type = text.OPEN_METRICS_TYPE if open_metrics else text.TEXT_TYPE
        return media_type, _chunks(self._lines(open_metrics))

    # --- the consumer --------------------------------------------------------------------

    def _work(self, batch: Batch) -> Deferred[int | None]:
        done: Deferred[Any] = self._cooperator.cooperate(self._steps(batch)).whenDone()
        return done.addCallback(lambda _: None)

    def _steps(self, batch: Batch) -> Iterator[None]:
        for record in batch.records:
            content = record.content
            if record.position <= self._done:
                continue
            if isinstance(content, Parts):
                self._rollups.keep(content)
                if self._book.shows_every_series:
                    self._gatherings.setdefault(content.stream, Gathering()).keep(content.columns)
            elif isinstance(content, Flushed):
                yield from self._flush(content)
            self._done = record.position
            yield

    def _flush(self, flushed: Flushed) -> Iterator[None]:
        """A period has ended: bring what was heard of up to date, of every stream."""
        gatherings, self._gatherings = self._gatherings, {}
        now = self._clock.seconds()
        for stream, gathering in gatherings.items():
            for columns in gathering.shares(METRICS_STEP_ROWS):
                kept = self._sifted(stream, columns)
                if len(kept):
                    self._update(stream, united(kept, kept.times * 0), now)
                yield
        for found in self._rollups.end(flushed, MAIN):
            if found is not None:
                yield from self._roll(*found, now)
            yield
        self._board.expire(now - self._ttl)

    # --- every series --------------------------------------------------------------------

    def _sifted(self, stream: str, columns: Columns) -> Columns:
        """The rows whose series no rule drops."""
        sieve = self._sieves.get(stream)
        if sieve is None:
            return columns
        stays = sieve.find(columns, lambda key: int(self._book.taking(parse_key(key), stream)[1]))
        return take(columns, np.flatnonzero(stays))

    def _update(self, stream: str, columns: Columns, now: float) -> None:
        quantiles = quantiles_of(columns, QUANTILES).tolist()
        keys = keys_of(columns, np.arange(len(columns)))
        rows = zip(keys, columns.n.tolist(), columns.d.tolist(), quantiles, strict=True)
        for key, n, d, quantile in rows:
            shown = self._board.find((stream, key))
            if shown is None:
                name, labels, kind = parse_key(key)
                shown = Shown(name, TYPES[kind], f"{name} ({kind.word})", labels, stream)
            self._put((stream, key), shown, now)
            self._add(shown, n, d)
            shown.quantiles = tuple(quantile)

    def _put(self, place: Hashable, shown: Shown, now: float) -> None:
        if not self._board.put(place, shown, now):
            self._telemetry.count("metronome_metrics_clashes_total")

    def _add(self, shown: Shown, n: float, d: float) -> None:
        """What a flush has brought."""
        if shown.type == "gauge":
            shown.n = n
        elif shown.type != "counter":
            shown.n += n
            shown.observations += d
        elif n >= 0:
            shown.n += n
        else:
            self._telemetry.count("metronome_metrics_negative_total")

    # --- rollups -------------------------------------------------------------------------

    def _of_stream(self, stream: str) -> Rollups:
        return Rollups(self._number, self._gone, self._left_out, arrivals=True)

    def _number(self, slot: Slot, header: Header) -> object:
        """The place of a new group."""
        self._groups += 1
        return self._groups

    def _gone(self, slot: Slot, group: Group) -> None:
        self._board.remove(group.out)

    def _left_out(self, reason: str, number: int) -> None:
        self._telemetry.count("metronome_rollup_left_out_total", number, output=CONSUMER, reason=reason)

    def _roll(self, stream: str, ended: Ended, now: float) -> Iterator[None]:
        """Show the groups of a rule."""
        folded, rule, buckets = ended.values.folded, ended.slot.rule, ended.slot.buckets
        gauge = folded.kind is Kind.GAUGE
        numbers = zip((ended.values.over if gauge else folded.n).tolist(), folded.d.tolist(), strict=True)
        wanted = _wanted(rule)
        quantiles: list[list[float]] = [[]] * len(folded.times)
        if folded.sketches and not buckets:
            found = [sketch_quantiles(folded.sketches, one, folded.low, folded.high) for one in wanted]
            quantiles = np.array(found).T.tolist()
        for index, (group, (n, d)) in enumerate(zip(ended.groups, numbers, strict=True)):
            shown = self._board.find(group.out) or _shown(ended.slot, group, stream)
            self._put(group.out, shown, now)
            self._add(shown, n, d)
            shown.wanted, shown.quantiles = wanted, tuple(quantiles[index])
            if buckets and folded.kind is Kind.TIMER:
                for bucket, count in zip(*folded.sketches[index], strict=True):
                    shown.counts[int(bucket)] += float(count)
            if index % METRICS_STEP_ROWS == METRICS_STEP_ROWS - 1:
                yield

    # --- the page ------------------------------------------------------------------------

    def _lines(self, open_metrics: bool) -> Iterator[str]:
        for name, kind, meaning, samples in self._telemetry.families():
            base = text.family_name(name, kind)
            yield text.head(base, kind, meaning, open_metrics)
            for labels, value in samples:
                yield text.lines(base, kind, text.labels_text(labels.items()), value, open_metrics)
        yield from self._board.lines(self._clock.seconds() - METRICS_WINDOW, open_metrics)
        if open_metrics:
            yield text.OPEN_METRICS_END


def _wanted(rule: Rule) -> tuple[float, ...]:
    """The quantiles of a rule's summaries: those among its stats, or the usual ones."""
    return tuple(stat.quantile for stat in rule.stats if stat.quantile is not None) or QUANTILES


def _shown(slot: Slot, group: Group, stream: str) -> Shown:
    """A group that is to be shown, still without a value."""
    rule, (labels, kind, name) = slot.rule, group.header
    histogram = bool(slot.buckets) and kind is Kind.TIMER
    meaning = f"{rule.match} by {', '.join(rule.by) or 'nothing'} ({kind.word})"
    family = filled(rule.prometheus, lambda place: name if place == NAME else "")
    shown = Shown(family, "histogram" if histogram else TYPES[kind], meaning, labels, stream)
    if histogram:
        shown.buckets = slot.buckets
        shown.counts = [0.0] * (len(slot.buckets) + 1)
    return shown


def _chunks(lines: Iterator[str]) -> Iterator[bytes]:
    while some := list(islice(lines, METRICS_CHUNK_LINES)):
        yield "".join(some).encode()
