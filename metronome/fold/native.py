"""Native histograms: counts in buckets whose limits are powers of one base.

Prometheus' "Native Histograms" specification.  With schema s the base is 2^(2^-s), and bucket i holds
the values in (base^(i-1), base^i]; those of negative values mirror.  What is nearer to zero
than ``ZERO`` is in the zero bucket.

A **code** is a bucket in one whole number: 0 for zero, else i + ``OFFSET`` with the sign of its values.
Two buckets of a schema are one of the next lower, so a histogram becomes coarser without error.

A timer's values are samples or, beyond a thousand a flush, the middles of its sketch's bins, each
within 1 % of what it stands for; such a value goes to the bucket that its middle is in.  So only
values within 1 % of a limit can be on the wrong side of it, and buckets narrower than 2 % (schemas
above 5) would say nothing.
"""

from __future__ import annotations

from math import floor, log2
from typing import Final

import numpy as np

from metronome.limits import SKETCH_LARGEST, SKETCH_SMALLEST
from metronome.model import F64, I64

ZERO: Final = SKETCH_SMALLEST
OFFSET: Final = 4000
"""Beyond the index of any bucket, so that a code has the sign of its values."""
FINEST: Final = 5
COARSEST: Final = -4


def schema_of(factor: float) -> int:
    """The coarsest schema whose buckets are no wider than a factor (above 1), within bounds."""
    return min(max(-floor(log2(log2(factor))), COARSEST), FINEST)


def codes_of(values: F64, schema: int) -> I64:
    """The bucket of each value."""
    size = np.minimum(np.abs(values), SKETCH_LARGEST)
    zero = size < ZERO
    index = np.ceil(np.log2(np.where(zero, 1.0, size)) * 2.0**schema).astype(np.int64) + OFFSET
    return np.where(zero, 0, np.where(values < 0, -index, index))


def coarser(codes: I64) -> I64:
    """The buckets of the next lower schema that these are in."""
    index = np.abs(codes) - OFFSET
    return np.where(codes == 0, 0, np.sign(codes) * (-(-index // 2) + OFFSET))


def reduced(schema: int, codes: I64, counts: F64, most: int) -> tuple[int, I64, F64]:
    """The same buckets, ascending, or so many coarser ones: their schema, codes and counts."""
    while len(codes) > max(most, 3) and schema > COARSEST:
        codes, places = np.unique(coarser(codes), return_inverse=True)
        counts = np.bincount(places, counts).astype(np.float64)
        schema -= 1
    return schema, codes, counts


def limits_of(codes: I64, schema: int) -> F64:
    """The upper limit of each bucket's magnitude."""
    return np.asarray(np.exp2((np.abs(codes) - OFFSET) / 2.0**schema), np.float64)
