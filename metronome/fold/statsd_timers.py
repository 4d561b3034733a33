"""What statsd works out of a timer in one flush, for many timers at once.

Followed: statsd 0.10.2, ``lib/process_metrics.js``.  The rules, in prose:

- ``count`` is what was sent, so scaled up by sample rates, and ``count_ps`` that per second; all
  other numbers are those of the samples that arrived, whatever their rate: ``lower``, ``upper``,
  ``sum``, ``sum_squares``, ``mean``, ``median``, ``std`` of all of them, and for each threshold
  ``count_``, ``mean_``, ``upper_``, ``sum_``, ``sum_squares_`` of the lowest N percent.  A negative
  threshold means the highest N percent: ``lower_topN`` and so on.  A threshold that takes no
  sample is left out.
- How many samples a threshold takes is rounded half up; a lone sample is always taken.
- Bins of a histogram have upper limits, exclusive; samples above the last are not counted.
- ``calculated`` keeps only the numbers that it names, where ``_percent`` stands for any
  threshold that is a whole number.

Sums are made one sample after the other, in order of size, as statsd makes them, so that the
last digit is the same.  Timers that have as many samples as each other are worked out together,
a row of a matrix each.

Where we differ: a threshold of -100 gives the sums of all samples (statsd: NaN).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from math import floor, inf, nan, sqrt
from typing import Final, NamedTuple, TypeVar

import numpy as np

from metronome.fold.columns import lengths_of
from metronome.fold.sketch import values_of
from metronome.model import F64, I16, I64, Columns, Ragged

Number = TypeVar("Number", float, F64)

_THRESHOLD: Final = re.compile(r"_(top)?\d+$")
_TOGETHER: Final = 1 << 16
"""Samples that are worked out at once: half a megabyte, some times over."""


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
    ends of Graphite paths, such as ``upper_90`` and ``histogram.bin_5``, those that are wanted.
    """
    numbers = _counted(d, period)
    if len(values):
        matrix = np.asarray(values, np.float64).reshape(1, -1)
        numbers |= {
            name: float(np.ravel(value)[0]) for name, value in _of_samples(matrix, thresholds, histogram)
        }
    return {name: value for name, value in numbers.items() if is_wanted(name, calculated)}


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
) -> dict[str, float]:
    """The same numbers as :func:`timer_stats` from a sketch: those of all samples exact (with
    different sample rates in one period: weighted by them), those that need an order within
    the sketch's error.  Ranks count samples that arrived."""
    number, d = timer.number, timer.d
    mean = timer.n / d if d else 0.0
    out = _counted(d, period)
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
        out |= {name: float(value) for name, value in _histogram(below, histogram)}
    return out


def columns_of_timers(
    columns: Columns, thresholds: Sequence[float], histogram: Sequence[float]
) -> dict[str, F64]:
    """The same numbers for rows that are all timers: a column each, NaN where a row has none."""
    rows = len(columns)
    lengths = lengths_of(columns.samples, rows)
    found = {
        "count": columns.d,
        "count_ps": per_second(columns.d, columns.periods),
        **{name: np.full(rows, nan) for name in _names(thresholds, histogram)},
    }
    for here in _alike(lengths):
        number = int(lengths[here[0]])
        for name, values in _of_samples(_matrix(columns.samples, here, number), thresholds, histogram):
            found[name][here] = values
    for row in np.flatnonzero((lengths == 0) & (lengths_of(columns.bins, rows) > 0)).tolist():
        timer = SketchedTimer(
            np.asarray(columns.bins.row(row), np.int16),
            np.asarray(columns.bin_counts.row(row), np.float64),
            *(int(columns.counts[row]), float(columns.n[row]), float(columns.d[row])),
            *(float(columns.low[row]), float(columns.high[row]), float(columns.squares[row])),
        )
        numbers = sketched_timer_stats(timer, 1.0, thresholds, histogram)
        for name in found.keys() & (numbers.keys() - {"count", "count_ps"}):
            found[name][row] = numbers[name]
    return found


def is_wanted(name: str, calculated: Sequence[str] | None) -> bool:
    """Whether a number is among those that are asked for; none named: all are."""
    return not calculated or _THRESHOLD.sub("_percent", name.partition(".")[0]) in calculated


def per_second(counts: F64, periods: F64) -> F64:
    """Counts a second; no number of a period without length."""
    rates: F64 = counts / np.where(periods > 0, periods, nan)
    return rates


def _counted(d: float, period: float) -> dict[str, float]:
    return {"count": d, "count_ps": d / period if period else inf}


def _names(thresholds: Sequence[float], histogram: Sequence[float]) -> list[str]:
    """What a timer that has samples has beside its counts."""
    always = ["std", "upper", "lower", "sum", "sum_squares", "mean", "median"]
    everything = _thresholds(1, thresholds, lambda rank: 0.0, lambda rank: (0.0, 0.0))
    return always + list(everything) + [name for name, _ in _histogram([0.0] * len(histogram), histogram)]


def _alike(lengths: I64) -> Iterator[I64]:
    """The numbers of rows of one length that is not 0, as many as are worked out at once."""
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    for here in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        step = max(_TOGETHER // int(lengths[here[0]]), 1) if len(here) else 1
        for begin in range(0, len(here), step):
            yield here[begin : begin + step]


def _matrix(samples: Ragged, rows: I64, number: int) -> F64:
    """The samples of rows that have so many each."""
    begins = samples.ends[rows].astype(np.int64) - number
    matrix: F64 = np.asarray(samples.flat, np.float64)[begins[:, np.newaxis] + np.arange(number)]
    return matrix


def _of_samples(
    matrix: F64, thresholds: Sequence[float], histogram: Sequence[float] | None
) -> Iterator[tuple[str, F64 | float]]:
    """The numbers of timers, a row of samples each."""
    number = matrix.shape[1]
    ordered = np.sort(matrix, axis=1)
    sums, squares = np.cumsum(ordered, axis=1), np.cumsum(ordered * ordered, axis=1)
    mean = sums[:, -1] / number
    apart = ordered - mean[:, np.newaxis]
    middle = number // 2
    yield "std", np.sqrt(np.cumsum(apart * apart, axis=1)[:, -1] / number)
    yield "upper", ordered[:, -1]
    yield "lower", ordered[:, 0]
    yield "sum", sums[:, -1]
    yield "sum_squares", squares[:, -1]
    yield "mean", mean
    yield "median", ordered[:, middle] if number % 2 else (ordered[:, middle - 1] + ordered[:, middle]) / 2
    nothing = np.zeros(len(matrix))
    yield from _thresholds(
        number,
        thresholds,
        at=lambda rank: ordered[:, rank],
        first=lambda rank: (sums[:, rank - 1], squares[:, rank - 1]) if rank else (nothing, nothing),
    ).items()
    below = [(matrix < limit).sum(axis=1).astype(np.float64) for limit in histogram or ()]
    yield from _histogram(below, histogram)


def _thresholds(
    number: int,
    thresholds: Sequence[float],
    at: Callable[[int], Number],
    first: Callable[[int], tuple[Number, Number]],
) -> dict[str, Number | float]:
    """The numbers of each threshold.

    ``at(rank)`` is the sample of that rank from 0; ``first(k)`` the sum and the sum of
    squares of the lowest k samples.
    """
    out: dict[str, Number | float] = {}
    for threshold in thresholds:
        taken = _round(abs(threshold) / 100 * number) if number > 1 else 1
        if not taken:
            continue
        name = _digits(threshold).replace(".", "_", 1).replace("-", "top", 1)
        total, squares = first(taken)
        if threshold > 0:
            out["upper_" + name] = at(taken - 1)
        else:
            (every, every_square), (rest, rest_square) = first(number), first(number - taken)
            total, squares = every - rest, every_square - rest_square
            out["lower_" + name] = at(number - taken)
        out["count_" + name] = float(taken)
        out["mean_" + name] = total / taken
        out["sum_" + name] = total
        out["sum_squares_" + name] = squares
    return out


def _histogram(below: Sequence[Number], limits: Sequence[float] | None) -> Iterator[tuple[str, Number]]:
    """Numbers of samples between limits, given how many are below each limit."""
    before = None
    for limit, number in zip(limits or (), below, strict=True):
        name = "histogram.bin_" + _digits(limit).replace(".", "_", 1)
        yield name, number if before is None else np.maximum(number - before, 0.0)
        before = number if before is None else np.maximum(before, number)


def _round(value: float) -> int:
    """Round half up, as JavaScript does."""
    whole = floor(value)
    return whole + (value - whole >= 0.5)


def _digits(value: float) -> str:
    """A number as JavaScript writes it: 90, 99.9."""
    return "inf" if value == inf else str(int(value)) if value == int(value) else repr(float(value))
