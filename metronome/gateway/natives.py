"""The buckets of one native histogram as they are written, from those that were counted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from metronome.fold.native import OFFSET, ZERO, reduced
from metronome.model import F64, I64
from metronome.wire.prometheus_protobuf import Native, Side

NATIVE_SCHEMA: Final = 3
"""Of rules: buckets that are 9 % wide, as client libraries have them when they are asked for 10 %."""


def native_of(schema: int, most: int, codes: I64, counts: F64) -> Native:
    """``codes``, ascending, are buckets of a schema (``fold/native.py``); where there are more than
    ``most`` they become coarser."""
    schema, some, sizes = reduced(schema, codes, counts, most)
    found, numbers = some.tolist(), sizes.tolist()
    below, above = bisect_left(found, 0), bisect_right(found, 0)
    return Native(
        schema,
        ZERO,
        sum(numbers[below:above], 0.0),
        Side([-code - OFFSET for code in reversed(found[:below])], numbers[:below][::-1]),
        Side([code - OFFSET for code in found[above:]], numbers[above:]),
    )
