"""Quantiles and buckets of many timers at once, from the samples or the sketches in their rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import owners_of
from metronome.fold.sketch import values_of
from metronome.model import F64, Columns


def quantiles_of(columns: Columns, wanted: Sequence[float]) -> npt.NDArray[np.float64]:
    """One row of quantiles (0 to 1) for each row of the columns; NaN where there is nothing.

    Exact from samples, within the sketch's error from bins.  The quantile q is the value at
    rank ``q * (weight - 1)``, as everywhere (``sketch.quantile``).
    """
    rows = len(columns)
    out = np.full((rows, len(wanted)), np.nan)
    sampled, binned = owners_of(columns.samples, rows), owners_of(columns.bins, rows)
    if not len(sampled) and not len(binned):
        return out
    bins: F64 = values_of(np.asarray(columns.bins.flat, np.int16))
    bins = np.clip(bins, columns.low[binned], columns.high[binned])
    ones = np.ones(len(sampled))
    owners = np.concatenate((sampled, binned))
    values = np.concatenate((columns.samples.flat, bins))
    weights = np.concatenate(
        (columns.weights.flat if len(columns.weights.ends) else ones, columns.bin_counts.flat)
    )
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
    sampled, binned = owners_of(columns.samples, rows), owners_of(columns.bins, rows)
    weights = columns.weights.flat if len(columns.weights.ends) else np.ones(len(sampled))
    bins: F64 = values_of(np.asarray(columns.bins.flat, np.int16))
    bins = np.clip(bins, columns.low[binned], columns.high[binned])
    places = np.searchsorted(np.array(limits), np.concatenate((columns.samples.flat, bins)), side="left")
    cells = np.concatenate((sampled, binned)) * width + places
    counts = np.bincount(cells, np.concatenate((weights, columns.bin_counts.flat)), rows * width)
    return counts.astype(np.float64).reshape(rows, width)
