"""Native buckets as they are written."""

from __future__ import annotations

import numpy as np

from metronome.fold.native import ZERO, coarser, codes_of
from metronome.gateway.natives import native_of


def test_both_sides_and_zero() -> None:
    """Buckets of negative values ascend by magnitude, as those of positive values do."""
    codes, counts = np.unique(
        codes_of(np.array([-5.0, -1.0, 0.0, 0.0, 1.0, 2.0, 2.0]), 0), return_counts=True
    )
    found = native_of(0, 160, codes, counts.astype(np.float64))
    assert (found.schema, found.threshold, found.zero) == (0, ZERO, 2)
    assert (found.below.indices, found.below.counts) == ([0, 3], [1, 1])
    assert (found.above.indices, found.above.counts) == ([0, 1], [1, 2])


def test_too_many_buckets_become_coarser() -> None:
    """No count is lost, and each is where its values lie."""
    codes = codes_of(np.exp2(np.arange(0, 20, 0.25)), 2)
    found = native_of(2, 25, codes, np.ones(len(codes)))
    assert found.schema == 0
    assert found.values == len(codes)
    assert found.above.indices == np.unique(coarser(coarser(codes)) - 4000).tolist()
