"""Stats: what a reader asks of a series or group over each step.

=============  =========================================================================
stat           meaning; NaN for kinds that are not named
=============  =========================================================================
n, d           the numerator and denominator themselves
count          counter and set: n; timer: d
rate           count per second of the step: counter, timer
mean           n / d: counter, timer; a gauge group: the mean over its series
last           gauge: the latest value (of a group: the sum over its series)
min, max       timer, gauge: the least and greatest sample; counter: of a part
sum            n: counter, timer; a gauge group: the sum over its series
std            timer: the standard deviation of the samples (of all, not of a draw)
median, pNN    timer: the percentile, within 1 % of the value; ``p99.9`` works too
distinct       set: how many distinct members
=============  =========================================================================
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import numpy as np

from metronome.fold.sketch import quantiles
from metronome.model import F64, Folded, Kind

_NAMES: Final = ("n", "d", "count", "rate", "mean", "last", "min", "max", "sum", "std", "median", "distinct")
_PERCENTILE: Final = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_OF_MEMBERS: Final = ("n", "count", "distinct")


class Stat(NamedTuple):
    """A stat as asked for; ``quantile`` is 0 to 1 for percentiles, else None."""

    name: str
    quantile: float | None = None


def parse_stat(text: str) -> Stat:
    """Read a stat.  ``ValueError`` says what would be right."""
    if text == "median":
        return Stat(text, 0.5)
    if text in _NAMES:
        return Stat(text)
    match = _PERCENTILE.fullmatch(text)
    if match and float(match[1]) <= 100:
        return Stat(text, float(match[1]) / 100)
    raise ValueError(
        f"unknown stat {text!r}: use one of {', '.join(_NAMES)}, or pNN or pNN.N for a percentile, up to p100"
    )


def default_stat(kind: Kind) -> Stat:
    """What is shown of a kind when nothing is asked for."""
    return parse_stat(
        {Kind.COUNTER: "count", Kind.GAUGE: "last", Kind.TIMER: "mean", Kind.SET: "distinct"}[kind]
    )


def needs_sketches(stat: Stat) -> bool:
    """Whether the stat is worked out from sketches, so that they must be asked for."""
    return stat.quantile is not None


def needs_members(stat: Stat) -> bool:
    """Whether the stat of sets that are merged once more needs their members."""
    return stat.name in _OF_MEMBERS


def evaluate(stat: Stat, folded: Folded, step_ms: int) -> F64:
    """The stat at each of the answer's times; NaN where it has no value."""
    if stat.quantile is not None:
        if folded.kind is not Kind.TIMER or len(folded.sketches) != len(folded.times):
            return _nothing(folded)
        return quantiles(folded.sketches, stat.quantile, folded.low, folded.high)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _plain(stat.name, folded, step_ms)
    return np.where(np.isfinite(values), values, np.nan)


def _plain(name: str, folded: Folded, step_ms: int) -> F64:
    kind = folded.kind
    adds = kind in (Kind.COUNTER, Kind.TIMER)
    if name == "n" or (name == "distinct" and kind is Kind.SET):
        return folded.n
    if name == "d":
        return folded.d
    if name == "count" or (name == "rate" and adds):
        count = _count(folded)
        return count if name == "count" else count / (np.float64(step_ms) / 1000)
    if name == "mean" and kind is not Kind.SET:
        return folded.n / (folded.d if adds else folded.sources)
    if (name == "last" and kind is Kind.GAUGE) or (name == "sum" and kind is not Kind.SET):
        return folded.n
    if name in ("min", "max") and kind is not Kind.SET:
        return folded.low if name == "min" else folded.high
    if name == "std" and kind is Kind.TIMER:
        variance = folded.squares / folded.d - (folded.n / folded.d) ** 2
        return np.sqrt(np.maximum(variance, 0))
    return _nothing(folded)


def _count(folded: Folded) -> F64:
    if folded.kind is Kind.GAUGE:
        return _nothing(folded)
    return folded.d if folded.kind is Kind.TIMER else folded.n


def _nothing(folded: Folded) -> F64:
    return np.full(len(folded.times), np.nan)
