"""What is known of each series, found by its id for many rows at once.

Whatever takes time once for a series (reading its key, asking rules) becomes one number that
is remembered here: about 20 bytes a series.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import keys_of
from metronome.fold.index import Index, grown
from metronome.model import I64, Columns

I32 = npt.NDArray[np.int32]


class Known:
    """Series ids and a number for each; when there are too many it begins anew."""

    def __init__(self, most: int):
        """``most`` is how many series are remembered."""
        self._most = most
        self.forget()

    def __len__(self) -> int:
        return len(self._index)

    def forget(self) -> None:
        """Ask again for every series."""
        self._index = Index()
        self._numbers: I32 = np.zeros(0, np.int32)

    def find(self, columns: Columns, learn: Callable[[bytes], int]) -> I64:
        """The number of each row's series; ``learn`` gives that of a key not met before."""
        places = self._index.find(columns.ids)
        missing = np.flatnonzero(places < 0)
        if len(missing):
            if len(self) and len(self) + len(missing) > self._most:
                self.forget()
                missing = np.arange(len(columns.ids))
            self._learn(columns, missing, learn)
            places = self._index.find(columns.ids)
        return self._numbers[places].astype(np.int64)

    def _learn(self, columns: Columns, rows: I64, learn: Callable[[bytes], int]) -> None:
        _, first = np.unique(columns.ids[rows], return_index=True)
        rows = rows[np.sort(first)]
        numbers = [learn(key) for key in keys_of(columns, rows)]
        places, _ = self._index.numbers(columns.ids[rows])
        if self._index.room > len(self._numbers):
            self._numbers = grown(self._numbers, self._index.room)
        self._numbers[places] = numbers
