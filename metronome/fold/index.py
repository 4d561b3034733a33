"""Small numbers for 64-bit ids: what is known of a series lies in arrays by its number.

A table of open addressing over arrays, in which all rows are looked up at once: a round for
each step of the probing, and in each round only the rows that are not settled yet.  No
Python object stands for an id.  It costs 8 bytes an id and 6 to 12 for its slot.

Ids are hashes already.  Their low bits say where a row begins to look, and their high bits how
far it goes on (double hashing; Knuth, The Art of Computer Programming, volume 3, section 6.4),
so that ids which begin at one slot part ways.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.model import I64, U64

I32 = npt.NDArray[np.int32]

_EMPTY: Final = -1
_GONE: Final = -2
"""An id was here: who looks for another goes on."""
_FIRST: Final = 64
_STEP_BITS: Final = np.uint64(40)


class Index:
    """Gives ids numbers from 0, and numbers that were removed again."""

    def __init__(self) -> None:
        self.ids: U64 = np.zeros(_FIRST, np.uint64)
        """The id of each number; of numbers that nobody has it says nothing."""
        self.room = 0
        """Above the highest number that was ever given: how long arrays by number must be."""
        self._slots: I32 = np.full(_FIRST, _EMPTY, np.int32)
        self._filled = 0
        self._free: I64 = np.empty(0, np.int64)

    def __len__(self) -> int:
        return self.room - len(self._free)

    @property
    def memory(self) -> int:
        """Bytes that all this takes."""
        return self.ids.nbytes + self._slots.nbytes + self._free.nbytes

    def find(self, ids: U64) -> I64:
        """The number of each id, -1 where it has none."""
        found: I64 = np.full(len(ids), -1, np.int64)
        if not len(self):
            return found
        rows: I64 | None = None
        at, steps = self._begin(ids)
        while True:
            numbers = self._slots[at]
            met = (numbers >= 0) & (self.ids[numbers] == ids)
            here = np.flatnonzero(met)
            found[here if rows is None else rows[here]] = numbers[here]
            on = np.flatnonzero(~met & (numbers != _EMPTY))
            if not len(on):
                return found
            rows = on if rows is None else rows[on]
            ids, steps = ids[on], steps[on]
            at = (at[on] + steps) & (len(self._slots) - 1)

    def numbers(self, ids: U64) -> tuple[I64, I64]:
        """The number of each id, and which rows were the first to bring a new one, ascending."""
        found = self.find(ids)
        missing = np.flatnonzero(found < 0)
        if not len(missing):
            return found, missing
        _, first, which = np.unique(ids[missing], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        fresh = missing[first[order]]
        new = self._add(ids[fresh])
        found[missing] = new[rank[which]]
        return found, fresh

    def remove(self, numbers: I64) -> None:
        """Forget the ids of these numbers, each given once; they are given again later."""
        if not len(numbers):
            return
        ids = self.ids[numbers]
        wanted, (at, steps) = numbers, self._begin(ids)
        while len(wanted):
            here = self._slots[at] == wanted
            self._slots[at[here]] = _GONE
            on = np.flatnonzero(~here)
            wanted, steps = wanted[on], steps[on]
            at = (at[on] + steps) & (len(self._slots) - 1)
        self._free = np.concatenate((self._free, numbers))

    def _add(self, ids: U64) -> I64:
        """Numbers for ids that are not here, each given once."""
        again = len(self._free) - min(len(ids), len(self._free))
        fresh = len(ids) - (len(self._free) - again)
        numbers = np.concatenate((self._free[again:], np.arange(self.room, self.room + fresh)))
        self._free = self._free[:again].copy()
        self.room += fresh
        if self.room > len(self.ids):
            self.ids = grown(self.ids, self.room)
        self.ids[numbers] = ids
        if (self._filled + len(ids)) * 3 > len(self._slots) * 2:
            self._rebuild()
        else:
            self._place(numbers)
        return numbers

    def _rebuild(self) -> None:
        """A table of the right size, without what is gone."""
        size = len(self._slots)
        while size > _FIRST and len(self) * 3 < size:
            size //= 2
        while len(self) * 3 > size * 2:
            size *= 2
        live = np.ones(self.room, bool)
        live[self._free] = False
        self._slots = np.full(size, _EMPTY, np.int32)
        self._filled = 0
        self._place(np.flatnonzero(live))

    def _place(self, numbers: I64) -> None:
        self._filled += len(numbers)
        at, steps = self._begin(self.ids[numbers])
        while len(numbers):
            free = self._slots[at] < 0
            self._slots[at[free]] = numbers[free]
            on = np.flatnonzero(self._slots[at] != numbers)  # of several at one slot one has it now
            numbers, steps = numbers[on], steps[on]
            at = (at[on] + steps) & (len(self._slots) - 1)

    def _begin(self, ids: U64) -> tuple[I64, I64]:
        """Where rows begin to look, and how far they go on each time: odd, so that they come by
        every slot."""
        at = (ids & np.uint64(len(self._slots) - 1)).astype(np.int64)
        return at, (ids >> _STEP_BITS).astype(np.int64) | 1


def grown(array: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    """The array with room for so many, and for half as many again as it had where that is more,
    so that it is seldom copied; what is new is zero, and takes no memory before it is written."""
    larger = np.zeros(max(room, len(array) * 3 // 2), array.dtype)
    larger[: len(array)] = array
    return larger
