"""Small numbers for 64-bit ids: what is known of a series lies in arrays by its number.

No Python object stands for an id.  It costs 8 bytes, and 5 to 10 for the slot by which it is found
(``kernel/probing.py``).  Ids are hashes already.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.kernel import drop_ids, find_ids, place_ids
from metronome.kernel.probing import EMPTY
from metronome.model import I64, U64

_FIRST: Final = 64
_PAGES: Final = 1 << 16
"""Bytes from which on an array has pages of its own."""


class Index:
    """Gives ids numbers from 0, and numbers that were removed again."""

    def __init__(self) -> None:
        self.ids: U64 = np.zeros(_FIRST, np.uint64)
        """The id of each number; of numbers that nobody has it says nothing."""
        self.room = 0
        """Above the highest number that was ever given: how long arrays by number must be."""
        self._slots = np.full(_FIRST, EMPTY, np.int32)
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
        return find_ids(self._slots, self.ids, ids)

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
        drop_ids(self._slots, self.ids, numbers)
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
        if (self._filled + len(ids)) * 5 > len(self._slots) * 4:
            self._rebuild()
        else:
            self._place(numbers)
        return numbers

    def _rebuild(self) -> None:
        """A table of the right size, without what is gone."""
        size = len(self._slots)
        while size > _FIRST and len(self) * 3 < size:
            size //= 2
        while len(self) * 5 > size * 4:
            size *= 2
        live = np.ones(self.room, bool)
        live[self._free] = False
        self._slots = np.full(size, EMPTY, np.int32)
        self._filled = 0
        self._place(np.flatnonzero(live))

    def _place(self, numbers: I64) -> None:
        self._filled += len(numbers)
        place_ids(self._slots, self.ids, numbers)


def grown(array: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    """The array with room for so many rows, and for half as many again as it had where that is
    more, so that it is seldom copied; what is new is zero.

    Larger ones have pages of their own: those that were never written take no memory, and those
    of the former array go back to the system, instead of being holes that nothing else fits into.
    """
    shape = (max(room, len(array) * 3 // 2), *array.shape[1:])
    size = int(np.prod(shape)) * array.itemsize
    if size < _PAGES:
        larger = np.zeros(shape, array.dtype)
    else:
        larger = np.frombuffer(mmap.mmap(-1, size), array.dtype).reshape(shape)
    larger[: len(array)] = array
    return larger
