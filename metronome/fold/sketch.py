"""Percentile sketches that merge: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully
mergeable quantile sketch with relative-error guarantees", VLDB 2019).

A positive value ``v`` falls into the bin ``ceil(ln v / ln gamma)``, so that bin ``i`` holds
``(gamma^(i-1), gamma^i]`` and its middle ``2 gamma^i / (gamma + 1)`` is within
``SKETCH_ERROR`` of everything in it.  Negative values mirror; values too small to tell from
zero share bin 0.  ``SKETCH_OFFSET`` makes the index positive before the sign is put on, so
one int16 names a bin and bins ascend as their values do.

A sketch is a pair of arrays: the bins that hold something, ascending, and the weight in
each.  Two sketches merge by adding the weights of equal bins; nothing is ever collapsed, so
merging loses nothing and its order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Final, NamedTuple

import numpy as np

from metronome.limits import SKETCH_ERROR, SKETCH_LARGEST, SKETCH_OFFSET, SKETCH_SMALLEST
from metronome.model import F64, I16, I64

GAMMA: Final = (1 + SKETCH_ERROR) / (1 - SKETCH_ERROR)
LN_GAMMA: Final = log(GAMMA)

Sketch = tuple[I16, F64]
"""Bins, ascending and each once, and the weight of each."""


class Flat(NamedTuple):
    """Sketches of many owners in one: sorted by owner, then bin, each pair once."""

    owners: I64
    bins: I16
    counts: F64


def bins_of(values: F64) -> I16:
    """The bin of each value."""
    size = np.minimum(np.abs(values), SKETCH_LARGEST)
    zero = size < SKETCH_SMALLEST
    index = np.ceil(np.log(np.where(zero, 1.0, size)) / LN_GAMMA) + SKETCH_OFFSET
    bins: I16 = np.where(zero, 0, np.copysign(index, values)).astype(np.int16)
    return bins


def values_of(bins: I16) -> F64:
    """The middle of each bin: the value that stands for all that fell into it."""
    index = np.abs(bins.astype(np.float64)) - SKETCH_OFFSET
    middles: F64 = np.sign(bins) * (2 / (GAMMA + 1)) * np.power(GAMMA, index)
    return middles


def flat(owners: I64, bins: I16, counts: F64) -> Flat:
    """Add the counts of equal bins of each owner; the arrays may come in any order."""
    codes = (owners << 16) + bins.astype(np.int64) + (1 << 15)
    unique, inverse = np.unique(codes, return_inverse=True)
    added = np.bincount(inverse, weights=counts, minlength=len(unique)).astype(np.float64)
    return Flat(unique >> 16, ((unique & 0xFFFF) - (1 << 15)).astype(np.int16), added)


def sketch_of(samples: F64, weights: F64 | None = None) -> Sketch:
    """The sketch of samples; each counts 1 unless ``weights`` says otherwise."""
    return merge([(bins_of(samples), np.ones(len(samples)) if weights is None else weights)])


def merge(sketches: Sequence[Sketch]) -> Sketch:
    """One sketch of everything in the given ones; of none, the empty sketch."""
    if not sketches:
        return np.empty(0, np.int16), np.empty(0)
    bins = np.concatenate([bins for bins, _ in sketches])
    counts = np.concatenate([counts for _, counts in sketches])
    together = flat(np.zeros(len(bins), np.int64), bins, counts)
    return together.bins, together.counts


def quantile(bins: I16, counts: F64, q: float, low: float, high: float) -> float:
    """The value at rank ``q * (weight - 1)``, within ``low`` and ``high``; NaN of nothing.

    ``q`` is 0 to 1; 0 is ``low`` itself and 1 is ``high``, which are exact.
    """
    return float(quantiles([(bins, counts)], q, np.array([low]), np.array([high]))[0])


def quantiles(sketches: Sequence[Sketch], q: float, low: F64, high: F64) -> F64:
    """:func:`quantile` of many sketches in one pass."""
    lengths = np.array([len(bins) for bins, _ in sketches], dtype=np.int64)
    out = np.full(len(sketches), np.nan)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return out
    if q in (0.0, 1.0):
        out[filled] = (high if q else low)[filled]
        return out
    bins = np.concatenate([bins for bins, _ in sketches])
    counts = np.concatenate([counts for _, counts in sketches])
    lengths = lengths[filled]
    ends = np.cumsum(lengths)
    before = np.concatenate(([0.0], np.cumsum(counts)))
    base, total = before[ends - lengths], before[ends] - before[ends - lengths]
    beyond = before[1:] > np.repeat(base + q * np.maximum(total - 1, 0), lengths)
    beyond[ends - 1] = True
    places = np.flatnonzero(beyond)
    first = places[np.searchsorted(places, ends - lengths)]
    out[filled] = np.clip(values_of(bins[first]), low[filled], high[filled])
    return out
