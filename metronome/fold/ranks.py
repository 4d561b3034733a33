"""Quantiles and buckets of many timers at once, from the samples or the sketches in their rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import owners_of
from metronome.fold.sketch import values_of
from metronome.model import F64, I64, Columns


def quantiles_of(columns: Columns, wanted: Sequence[float]) -> npt.NDArray[np.float64]:
    """One row of quantiles (0 to 1) for each row of the columns; NaN where there is nothing.

    Exact from samples, within the sketch's error from bins.  The quantile q is the value at
    rank ``q * (weight - 1)``, as everywhere (``sketch.quantile``).
    """
    rows = len(columns)
    out = np.full((rows, len(wanted)), np.nan)
    owners, values, weights = timer_values(columns)
    if not len(owners):
        return out
    order = np.lexsort((values, owners))
    owners, values = owners[order], values[order]
    before = np.concatenate(([0.0], np.cumsum(weights[order])))
    filled = np.unique(owners)
    begins = np.searchsorted(owners, filled, side="left")
    ends = np.searchsorted(owners, filled, side="right")
    base = before[begins]
    spread = np.maximum(before[ends] - base - 1, 0)
    for place, q in enumerate(wanted):
        found = np.searchsorted(before[1:], base + q * spread, side="right")
        out[filled, place] = values[np.clip(found, begins, ends - 1)]
    return out


def counts_in(columns: Columns, limits: Sequence[float]) -> npt.NDArray[np.float64]:
    """For each row how much weight lies at or below each limit (ascending) and above the one before;
    last what is above all of them.  Exact from samples; a bin lies where its middle does."""
    rows, width = len(columns), len(limits) + 1
    owners, values, weights = timer_values(columns)
    cells = owners * width + np.searchsorted(np.array(limits), values, side="left")
    return np.bincount(cells, weights, rows * width).astype(np.float64).reshape(rows, width)


def timer_values(columns: Columns) -> tuple[I64, F64, F64]:
    """The values of timers, samples or the middles of bins: their rows, values and weights."""
    rows = len(columns)
    sampled, binned = owners_of(columns.samples, rows), owners_of(columns.bins, rows)
    middles = values_of(np.asarray(columns.bins.flat, np.int16))
    middles = np.clip(middles, columns.low[binned], columns.high[binned])
    weights = columns.weights.flat if len(columns.weights.ends) else np.ones(len(sampled))
    return (
        np.concatenate((sampled, binned)),
        np.concatenate((columns.samples.flat, middles)).astype(np.float64),
        np.concatenate((weights, columns.bin_counts.flat)).astype(np.float64),
    )
