"""What is known of each series, found by its id for many rows at once.

Whatever takes time once for a series (reading its key, asking rules) becomes one number that
is remembered here: 12 bytes a series, and a binary search for a row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import keys_of
from metronome.model import I64, U64, Columns

I32 = npt.NDArray[np.int32]


class Known:
    """Series ids and a number for each; when there are too many it begins anew."""

    def __init__(self, most: int):
        """``most`` is how many series are remembered."""
        self._most = most
        self._ids: U64 = np.empty(0, np.uint64)
        self._numbers: I32 = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self._ids)

    def forget(self) -> None:
        """Ask again for every series."""
        self._ids, self._numbers = self._ids[:0], self._numbers[:0]

    def find(self, columns: Columns, learn: Callable[[bytes], int]) -> I64:
        """The number of each row's series; ``learn`` gives that of a key not met before."""
        places, missing = self._look(columns.ids)
        if len(missing):
            if len(self._ids) and len(self._ids) + len(missing) > self._most:
                self.forget()
                missing = np.arange(len(columns.ids))
            self._learn(columns, missing, learn)
            places, _ = self._look(columns.ids)
        return self._numbers[places].astype(np.int64)

    def _look(self, ids: U64) -> tuple[I64, I64]:
        places = np.searchsorted(self._ids, ids)
        if not len(self._ids):
            return places, np.arange(len(ids))
        found = self._ids[np.minimum(places, len(self._ids) - 1)] == ids
        return places, np.flatnonzero(~found)

    def _learn(self, columns: Columns, rows: I64, learn: Callable[[bytes], int]) -> None:
        ids, first = np.unique(columns.ids[rows], return_index=True)
        numbers = np.array([learn(key) for key in keys_of(columns, rows[first])], np.int32)
        places = np.searchsorted(self._ids, ids)
        self._ids = np.insert(self._ids, places, ids)
        self._numbers = np.insert(self._numbers, places, numbers)
