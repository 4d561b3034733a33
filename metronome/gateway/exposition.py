"""What ``/metrics`` shows: every series as a Prometheus family, and our own counters.

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
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from math import nan
from typing import Any, Final

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from metronome.fold.columns import keys_of
from metronome.fold.ranks import quantiles_of
from metronome.fold.united import united
from metronome.gateway.consumer import Consumer
from metronome.gateway.gathering import Gathering
from metronome.gateway.telemetry import CATALOGUE, Telemetry
from metronome.journal.interface import Journal
from metronome.limits import METRICS_CHUNK_LINES, METRICS_STEP_ROWS, METRICS_WINDOW
from metronome.model import Batch, Columns, Flushed, Kind, Parts, Series, parse_key
from metronome.wire import prometheus_text as text

CONSUMER: Final = "metrics"
MAIN: Final = "main"
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
QUANTILE_TEXTS: Final = tuple(map(str, QUANTILES))
TYPES: Final = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.TIMER: "summary", Kind.SET: "gauge"}


class _Shown:
    """One series: where it is shown, and its present value."""

    __slots__ = ("base", "family", "kind", "labels", "n", "name", "observations", "quantiles", "seen")

    def __init__(self, series: Series, stream: str):
        self.kind = series.kind
        self.name = series.name
        self.base = text.family_name(series.name, TYPES[series.kind])
        pairs = [(text.label_name(name, ("stream",)), value) for name, value in series.labels]
        self.labels = text.labels_text(pairs if stream == MAIN else [*pairs, ("stream", stream)])
        self.family: _Family | None = None
        """None while a clash keeps it off the page."""
        self.n = 0.0
        self.observations = 0.0
        self.quantiles: tuple[float, ...] = ()
        self.seen = 0.0

    def value(self, recent: float) -> float | text.Summary:
        """What the page says; quantiles from before ``recent`` are none."""
        if self.kind is not Kind.TIMER:
            return self.n
        quantiles = self.quantiles if self.seen >= recent else (nan,) * len(QUANTILES)
        return text.Summary(tuple(zip(QUANTILE_TEXTS, quantiles, strict=True)), self.n, self.observations)


class _Family:
    """Series of one name and type, by their labels' text."""

    __slots__ = ("kind", "meaning", "name", "series")

    def __init__(self, name: str, kind: str, meaning: str):
        self.name = name
        self.kind = kind
        self.meaning = meaning
        self.series: dict[str, _Shown] = {}

    @property
    def names(self) -> list[str]:
        """All names that belong to this family alone."""
        return [self.name + suffix for suffix in text.SUFFIXES[self.kind]]


class Exposition:
    """The page and the consumer that keeps it up to date."""

    def __init__(self, journal: Journal, clock: IReactorTime, telemetry: Telemetry, ttl: float):
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
        self._series: dict[tuple[str, bytes], _Shown] = {}
        self._families: dict[str, _Family] = {}
        self._names: set[str] = set()
        for name, (kind, _, meaning) in CATALOGUE.items():
            self._names.update(_Family(text.family_name(name, kind), kind, meaning).names)
        telemetry.gauge("metronome_metrics_series", lambda: len(self._series))

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
                self._gatherings.setdefault(content.stream, Gathering()).keep(content.columns)
            elif isinstance(content, Flushed):
                yield from self._flush()
            self._done = record.position
            yield

    def _flush(self) -> Iterator[None]:
        """A period has ended: bring what was heard of up to date, of every stream."""
        gatherings, self._gatherings = self._gatherings, {}
        now = self._clock.seconds()
        for stream, gathering in gatherings.items():
            for columns in gathering.shares(METRICS_STEP_ROWS):
                self._update(stream, united(columns, columns.times * 0), now)
                yield
        self._expire(now - self._ttl)

    def _update(self, stream: str, columns: Columns, now: float) -> None:
        quantiles = quantiles_of(columns, QUANTILES).tolist()
        keys = keys_of(columns, np.arange(len(columns)))
        rows = zip(keys, columns.n.tolist(), columns.d.tolist(), quantiles, strict=True)
        for key, n, d, quantile in rows:
            shown = self._series.pop((stream, key), None)
            if shown is None:
                shown = _Shown(parse_key(key), stream)
                if not self._admit(shown):
                    self._telemetry.count("metronome_metrics_clashes_total")
            elif shown.family is None:
                self._admit(shown)
            self._series[stream, key] = shown
            shown.seen = now
            if shown.kind is Kind.TIMER:
                shown.n += n
                shown.observations += d
                shown.quantiles = tuple(quantile)
            elif shown.kind is not Kind.COUNTER:
                shown.n = n
            elif n >= 0:
                shown.n += n
            else:
                self._telemetry.count("metronome_metrics_negative_total")

    def _admit(self, shown: _Shown) -> bool:
        """Give a series its place on the page, unless somebody else has it."""
        family = self._families.get(shown.base)
        if family is None:
            family = _Family(shown.base, TYPES[shown.kind], f"{shown.name} ({shown.kind.word})")
            if not self._names.isdisjoint(family.names):
                return False
            self._names.update(family.names)
            self._families[shown.base] = family
        if family.kind != TYPES[shown.kind] or shown.labels in family.series:
            return False
        family.series[shown.labels] = shown
        shown.family = family
        return True

    def _expire(self, oldest: float) -> None:
        """Take off what was not heard of since; the series are in that order."""
        gone = list(takewhile(lambda item: item[1].seen <= oldest, self._series.items()))
        for place, shown in gone:
            del self._series[place]
            family = shown.family
            if family is not None:
                del family.series[shown.labels]
                if not family.series:
                    del self._families[family.name]
                    self._names.difference_update(family.names)

    # --- the page ------------------------------------------------------------------------

    def _lines(self, open_metrics: bool) -> Iterator[str]:
        for name, kind, meaning, samples in self._telemetry.families():
            base = text.family_name(name, kind)
            yield text.head(base, kind, meaning, open_metrics)
            for labels, value in samples:
                yield text.lines(base, kind, text.labels_text(labels.items()), value, open_metrics)
        recent = self._clock.seconds() - METRICS_WINDOW
        for family in list(self._families.values()):
            shown_now = list(family.series.values())
            if shown_now:
                yield text.head(family.name, family.kind, family.meaning, open_metrics)
            for shown in shown_now:
                yield text.lines(family.name, family.kind, shown.labels, shown.value(recent), open_metrics)
        if open_metrics:
            yield text.OPEN_METRICS_END


def _chunks(lines: Iterator[str]) -> Iterator[bytes]:
    while some := list(islice(lines, METRICS_CHUNK_LINES)):
        yield "".join(some).encode()
