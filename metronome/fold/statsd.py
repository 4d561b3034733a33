"""What statsd itself would send to Graphite: its numbers and its names.

Followed: statsd 0.10.2, ``lib/process_metrics.js`` (the numbers), ``backends/graphite.js``
and ``sanitizeKeyName`` of ``stats.js`` (the names).  The rules, in prose:

- A counter has ``count`` and ``rate``, count per second of the period.  In the legacy
  namespace the rate is ``stats.NAME`` and the count ``stats_counts.NAME``, and prefixes are
  not looked at.
- A timer has ``count`` (what was sent, so scaled up by sample rates) and ``count_ps``; all
  its other numbers are those of the samples that arrived, whatever their rate: ``lower``,
  ``upper``, ``sum``, ``sum_squares``, ``mean``, ``median``, ``std`` of all of them, and for
  each threshold ``count_``, ``mean_``, ``upper_``, ``sum_``, ``sum_squares_`` of the lowest
  N percent.  A negative threshold means the highest N percent: ``lower_topN`` and so on.  A
  threshold that takes no sample is left out.
- How many samples a threshold takes is rounded half up; a lone sample is always taken.
- Histogram rules are tried in order; one applies when its text is anywhere in the key.
  Limits are exclusive above; samples above the last are not counted.
- ``calculated`` keeps only the numbers that it names, where ``_percent`` stands for any
  threshold that is a whole number.
- Labels follow the whole path as Graphite tags: ``stats.gauges.NAME;k=v``.  Graphite wants
  every tag to have a value, so one of which nothing is left is ``_``.

Where we differ: a threshold of -100 gives the sums of all samples (statsd: NaN), and numbers
that Graphite cannot take, infinite or none, are not sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, inf, isfinite, sqrt
from typing import Final, NamedTuple

import numpy as np

from metronome.fold.columns import keys_of
from metronome.fold.distinct import estimate
from metronome.fold.sketch import values_of
from metronome.limits import PATHS_KEPT
from metronome.model import F64, I16, U8, U64, Columns, Kind, parse_key

Line = tuple[str, float]
"""Path and value."""

_BLANKS: Final = re.compile(r"\s+")
_UNWANTED: Final = re.compile(r"[^a-zA-Z_\-0-9.;=]")
_BREAKS_TAGS: Final = re.compile(r"[\s;]+")
_THRESHOLD: Final = re.compile(r"_(top)?\d+$")


@dataclass(frozen=True, slots=True)
class HistogramRule:
    """Timers with ``match`` anywhere in their key are counted into bins."""

    match: str
    bins: tuple[float, ...]
    """Upper limits, ascending; ``inf`` takes all the rest."""


@dataclass(frozen=True, slots=True)
class Naming:
    """statsd's options for its numbers and names; the defaults are statsd's, but for
    ``legacy``, which is on in statsd."""

    legacy: bool = False
    global_prefix: str = "stats"
    prefix_counter: str = "counters"
    prefix_timer: str = "timers"
    prefix_gauge: str = "gauges"
    prefix_set: str = "sets"
    prefix_stats: str = "statsd"
    global_suffix: str = ""
    flush_counts: bool = True
    """Send counts of counters as well as their rates."""
    sanitize: bool = True
    """Clean label names and values as statsd cleans names; off: only what would break the
    line is replaced."""
    thresholds: tuple[float, ...] = (90.0,)
    histogram: tuple[HistogramRule, ...] = ()
    calculated: tuple[str, ...] = ()


def timer_stats(
    values: F64,
    d: float,
    period: float,
    thresholds: Sequence[float],
    histogram: Sequence[float] | None = None,
    calculated: Sequence[str] | None = None,
) -> dict[str, float]:
    """Everything statsd works out for one timer in one flush.

    ``values`` are the samples as sent, in any order; ``d`` is how many they stand for;
    ``period`` is in seconds; ``histogram`` is the upper limits of the bins.  Keys are the
    ends of Graphite paths, such as ``upper_90`` and ``histogram.bin_5``.
    """
    out = {"count": d, "count_ps": _per_second(d, period)}
    number = len(values)
    if number:
        ordered = np.sort(values)
        # cumsum adds in order, as statsd does, so that the last digit is the same.
        sums, squares = np.cumsum(ordered), np.cumsum(ordered * ordered)
        mean = float(sums[-1]) / number
        middle = number // 2
        out |= {
            "std": sqrt(float(np.cumsum((ordered - mean) * (ordered - mean))[-1]) / number),
            "upper": float(ordered[-1]),
            "lower": float(ordered[0]),
            "sum": float(sums[-1]),
            "sum_squares": float(squares[-1]),
            "mean": mean,
            "median": float(ordered[middle] if number % 2 else (ordered[middle - 1] + ordered[middle]) / 2),
        }
        out |= _thresholds(
            number,
            thresholds,
            at=lambda rank: float(ordered[rank]),
            first=lambda rank: (float(sums[rank - 1]), float(squares[rank - 1])) if rank else (0.0, 0.0),
        )
        out |= _histogram(np.searchsorted(ordered, histogram or (), side="left").tolist(), histogram)
    return _filtered(out, calculated)


class SketchedTimer(NamedTuple):
    """A timer with more samples than are kept: its sketch and its exact sums."""

    bins: I16
    bin_counts: F64
    number: int
    """Samples that arrived."""
    n: float
    d: float
    low: float
    high: float
    squares: float


def sketched_timer_stats(
    timer: SketchedTimer,
    period: float,
    thresholds: Sequence[float],
    histogram: Sequence[float] | None = None,
    calculated: Sequence[str] | None = None,
) -> dict[str, float]:
    """The same numbers as :func:`timer_stats` from a sketch: those of all samples exact (with
    different sample rates in one period: weighted by them), those that need an order within
    the sketch's error.  Ranks count samples that arrived."""
    number, d = timer.number, timer.d
    mean = timer.n / d if d else 0.0
    out = {"count": d, "count_ps": _per_second(d, period)}
    if number and d and len(timer.bins):
        values = np.clip(values_of(timer.bins), timer.low, timer.high)
        weights = timer.bin_counts * (number / timer.bin_counts.sum())
        ends = np.cumsum(weights)
        bounds = np.append(0.0, ends)
        sums = np.append(0.0, np.cumsum(values * weights))
        squares = np.append(0.0, np.cumsum(values * values * weights))

        def at(rank: float) -> float:
            return float(values[min(int(np.searchsorted(ends, rank, side="right")), len(values) - 1)])

        out |= {
            "std": sqrt(max(timer.squares / d - mean * mean, 0.0)),
            "upper": timer.high,
            "lower": timer.low,
            "sum": mean * number,
            "sum_squares": timer.squares / d * number,
            "mean": mean,
            "median": at((number - 1) / 2),
        }

        def first(rank: float) -> tuple[float, float]:
            return float(np.interp(rank, bounds, sums)), float(np.interp(rank, bounds, squares))

        out |= _thresholds(number, thresholds, at, first)
        below = [float(weights[values < limit].sum()) for limit in histogram or ()]
        out |= _histogram(below, histogram)
    return _filtered(out, calculated)


def _thresholds(
    number: int,
    thresholds: Sequence[float],
    at: Callable[[int], float],
    first: Callable[[int], tuple[float, float]],
) -> dict[str, float]:
    """The numbers of each threshold.

    ``at(rank)`` is the sample of that rank from 0; ``first(k)`` the sum and the sum of
    squares of the lowest k samples.
    """
    out: dict[str, float] = {}
    for threshold in thresholds:
        taken = _round(abs(threshold) / 100 * number) if number > 1 else 1
        if not taken:
            continue
        name = _digits(threshold).replace(".", "_", 1).replace("-", "top", 1)
        if threshold > 0:
            total, squares = first(taken)
            out["upper_" + name] = at(taken - 1)
        else:
            total, squares = (
                every - rest for every, rest in zip(first(number), first(number - taken), strict=True)
            )
            out["lower_" + name] = at(number - taken)
        out["count_" + name] = taken
        out["mean_" + name] = total / taken
        out["sum_" + name] = total
        out["sum_squares_" + name] = squares
    return out


def _histogram(below: Sequence[float], limits: Sequence[float] | None) -> dict[str, float]:
    """Numbers of samples between limits, given how many are below each limit."""
    out: dict[str, float] = {}
    before = 0.0
    for limit, number in zip(limits or (), below, strict=True):
        out["histogram.bin_" + _digits(limit).replace(".", "_", 1)] = max(number - before, 0.0)
        before = max(before, number)
    return out


def _filtered(numbers: dict[str, float], calculated: Sequence[str] | None) -> dict[str, float]:
    if not calculated:
        return numbers
    return {
        name: value
        for name, value in numbers.items()
        if _THRESHOLD.sub("_percent", name.partition(".")[0]) in calculated
    }


def _round(value: float) -> int:
    """Round half up, as JavaScript does."""
    whole = floor(value)
    return whole + (value - whole >= 0.5)


def _digits(value: float) -> str:
    """A number as JavaScript writes it: 90, 99.9."""
    return "inf" if value == inf else str(int(value)) if value == int(value) else repr(float(value))


def _per_second(count: float, period: float) -> float:
    return count / period if period else inf


def sanitized(name: str) -> str:
    """A name as statsd cleans it: blanks to ``_``, ``/`` to ``-``, what else is not a letter,
    digit or one of ``_-.;=`` is left out."""
    return _UNWANTED.sub("", _BLANKS.sub("_", name).replace("/", "-"))


class _Stem(NamedTuple):
    """A path in two halves, between which the stat goes."""

    kind: Kind
    name: str
    end: str
    """Suffix and tags."""
    bins: tuple[float, ...]

    def path(self, namespace: str, *stat: str) -> str:
        return ".".join(filter(None, (namespace, self.name, *stat))) + self.end


class Namer:
    """Gives the lines that statsd would send for what one flush has folded.

    Paths are remembered for the ``PATHS_KEPT`` series used last.
    """

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        prefixes = {
            Kind.COUNTER: naming.prefix_counter,
            Kind.TIMER: naming.prefix_timer,
            Kind.GAUGE: naming.prefix_gauge,
            Kind.SET: naming.prefix_set,
        }
        self._suffix = f".{naming.global_suffix}" if naming.global_suffix else ""
        if naming.legacy:
            self._namespaces = {kind: f"stats.{kind.word}s" for kind in Kind} | {Kind.COUNTER: "stats"}
        else:
            self._namespaces = {
                kind: ".".join(filter(None, (naming.global_prefix, prefix)))
                for kind, prefix in prefixes.items()
            }
        self._stem = lru_cache(maxsize=PATHS_KEPT)(self._make_stem)

    def lines(self, columns: Columns) -> Iterator[Line]:
        """The lines for the rows of one period, each series at most once, row after row.

        Samples must be those of the flush, not yet compacted, for timers to be exact.
        statsd stamps them with the end of the period.  A series of whose name nothing is
        left gives none.
        """
        for row, key in enumerate(keys_of(columns, np.arange(len(columns)))):
            stem = self._stem(key)
            if stem.name:
                yield from (line for line in self._row(stem, columns, row) if isfinite(line[1]))

    def idle(self, key: bytes, value: float = 0.0) -> Iterator[Line]:
        """The lines for a series that got nothing in a period, as statsd repeats them unless
        told to delete idle stats; ``value`` is the last one of a gauge."""
        stem = self._stem(key)
        if stem.kind is Kind.TIMER:
            idle = timer_stats(np.empty(0), 0.0, 1.0, (), calculated=self.naming.calculated)
            return self._timer(stem, idle)
        return self._single(stem, value if stem.kind is Kind.GAUGE else 0.0, 1.0)

    def number_of_series(self, number: int) -> Line:
        """statsd's own ``numStats``: how many series the period's lines are about."""
        naming = self.naming
        prefix = "" if naming.legacy else naming.global_prefix
        return ".".join(filter(None, (prefix, naming.prefix_stats, "numStats"))) + self._suffix, number

    def _make_stem(self, key: bytes) -> _Stem:
        series = parse_key(key)
        name = sanitized(series.name).replace(";", "")
        clean = sanitized if self.naming.sanitize else str
        tags = "".join(
            f";{_BREAKS_TAGS.sub('_', clean(label))}={_BREAKS_TAGS.sub('_', clean(value)) or '_'}"
            for label, value in series.labels
        )
        bins = next((rule.bins for rule in self.naming.histogram if rule.match in name + tags), ())
        return _Stem(series.kind, name, self._suffix + tags, bins)

    def _row(self, stem: _Stem, columns: Columns, row: int) -> Iterator[Line]:
        period = float(columns.periods[row])
        if stem.kind is Kind.TIMER:
            return self._timer(stem, self._timer_row(stem, columns, row, period))
        value = float(columns.n[row])
        if stem.kind is Kind.SET:
            hashes: U64 = np.asarray(columns.hashes.row(row), np.uint64)
            registers: U8 = np.asarray(columns.registers.row(row), np.uint8)
            value = estimate(hashes, registers) or value
        return self._single(stem, value, period)

    def _timer_row(self, stem: _Stem, columns: Columns, row: int, period: float) -> dict[str, float]:
        naming = self.naming
        options = (naming.thresholds, stem.bins, naming.calculated)
        samples: F64 = np.asarray(columns.samples.row(row), np.float64)
        d = float(columns.d[row])
        if len(samples):
            return timer_stats(samples, d, period, *options)
        sketched = SketchedTimer(
            np.asarray(columns.bins.row(row), np.int16),
            np.asarray(columns.bin_counts.row(row), np.float64),
            int(columns.counts[row]),
            float(columns.n[row]),
            d,
            float(columns.low[row]),
            float(columns.high[row]),
            float(columns.squares[row]),
        )
        return sketched_timer_stats(sketched, period, *options)

    def _timer(self, stem: _Stem, numbers: dict[str, float]) -> Iterator[Line]:
        namespace = self._namespaces[Kind.TIMER]
        return ((stem.path(namespace, name), value) for name, value in numbers.items())

    def _single(self, stem: _Stem, value: float, period: float) -> Iterator[Line]:
        namespace = self._namespaces[stem.kind]
        if stem.kind is Kind.GAUGE:
            yield stem.path(namespace), value
        elif stem.kind is Kind.SET:
            yield stem.path(namespace, "count"), value
        else:
            legacy = self.naming.legacy
            yield stem.path(namespace, *(() if legacy else ("rate",))), _per_second(value, period)
            if self.naming.flush_counts:
                yield stem.path("stats_counts") if legacy else stem.path(namespace, "count"), value
