"""A table of open addressing over arrays, all rows at once: the pure twin of ``probe.c``.

``slots`` holds numbers, ``ids`` the id of each number; the table has a power of two of slots, of which
one at least is empty.  An id's low bits say where looking for it begins, and its high bits how far it
goes on each time (double hashing; Knuth, The Art of Computer Programming, volume 3, section 6.4), so
that ids which begin at one slot part ways.

Here a round is made for each step of the probing, with the rows that are not settled yet.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.model import I64, U64

I32 = npt.NDArray[np.int32]

EMPTY: Final = -1
GONE: Final = -2
"""An id was here: who looks for another goes on."""
_STEP_BITS: Final = np.uint64(40)


def find_ids(slots: I32, ids: U64, wanted: U64) -> I64:
    """The number of each wanted id, ``EMPTY`` where it has none."""
    check_table(slots, ids, wanted[:0].astype(np.int64))
    found: I64 = np.full(len(wanted), EMPTY, np.int64)
    rows = np.arange(len(wanted))
    at, steps = _begin(slots, wanted)
    while len(rows):
        numbers = slots[at]
        met = numbers >= 0
        met[met] = ids[numbers[met]] == wanted[met]
        found[rows[met]] = numbers[met]
        on = np.flatnonzero(~met & (numbers != EMPTY))
        rows, wanted, steps = rows[on], wanted[on], steps[on]
        at = (at[on] + steps) & (len(slots) - 1)
    return found


def place_ids(slots: I32, ids: U64, numbers: I64) -> None:
    """Give numbers their slots; none of their ids is there yet."""
    check_table(slots, ids, numbers)
    at, steps = _begin(slots, ids[numbers])
    while len(numbers):
        free = slots[at] < 0
        slots[at[free]] = numbers[free]
        on = np.flatnonzero(slots[at] != numbers)  # of several at one slot one has it now
        numbers, steps = numbers[on], steps[on]
        at = (at[on] + steps) & (len(slots) - 1)


def drop_ids(slots: I32, ids: U64, numbers: I64) -> None:
    """Take numbers that are there out of their slots."""
    check_table(slots, ids, numbers)
    at, steps = _begin(slots, ids[numbers])
    while len(numbers):
        here = slots[at] == numbers
        slots[at[here]] = GONE
        on = np.flatnonzero(~here)
        numbers, steps = numbers[on], steps[on]
        at = (at[on] + steps) & (len(slots) - 1)


def check_table(slots: I32, ids: U64, numbers: I64) -> None:
    """Raise ``ValueError`` when there is no such table, or no such number."""
    if not len(slots) or len(slots) & (len(slots) - 1):
        raise ValueError("the slots are no power of two")
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(ids)):
        raise ValueError("a number has no id")


def _begin(slots: I32, ids: U64) -> tuple[I64, I64]:
    """Where rows begin to look, and how far they go on each time: odd, so that they come by
    every slot."""
    at = (ids & np.uint64(len(slots) - 1)).astype(np.int64)
    return at, (ids >> _STEP_BITS).astype(np.int64) | 1
