"""The buckets of one native histogram as they are written, from those that were counted."""

from __future__ import annotations

from typing import Final

from metronome.fold.native import OFFSET, ZERO, reduced
from metronome.model import F64, I64
from metronome.wire.prometheus_protobuf import Native, Side

NATIVE_SCHEMA: Final = 3
"""Of rules: buckets that are 9 % wide, as client libraries have them when they are asked for 10 %."""


def native_of(schema: int, most: int, codes: I64, counts: F64) -> Native:
    """``codes``, ascending, are buckets of a schema (``fold/native.py``); where there are more than
    ``most`` they become coarser."""
    schema, found, numbers = reduced(schema, codes, counts, most)
    below, above = found < 0, found > 0
    return Native(
        schema,
        ZERO,
        float(numbers[found == 0].sum()),
        Side(-found[below][::-1] - OFFSET, numbers[below][::-1]),
        Side(found[above] - OFFSET, numbers[above]),
    )
