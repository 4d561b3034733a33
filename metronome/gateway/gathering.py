"""Parts that are kept until the end of their period is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from metronome.fold.columns import join, take
from metronome.model import Columns

_TOGETHER: Final = 64
"""Small parts (ticks) are joined at this number, so that many of them stay small."""


class Gathering:
    """Parts of one stream, given back with all rows of a series in one share."""

    def __init__(self) -> None:
        self._pieces: list[Columns] = []
        self._small: list[Columns] = []

    def __len__(self) -> int:
        return sum(len(piece) for piece in (*self._pieces, *self._small))

    def keep(self, columns: Columns) -> None:
        """Add parts."""
        if not len(columns):
            return
        (self._pieces if len(columns) > _TOGETHER else self._small).append(columns)
        if len(self._small) >= _TOGETHER:
            self._pieces.append(join(self._small))
            self._small = []

    def clear(self) -> None:
        """Let go of everything."""
        self._pieces, self._small = [], []

    def shares(self, rows: int) -> Iterator[Columns]:
        """Everything kept, in shares of about so many rows: what one step can do at once."""
        pieces = [*self._pieces, join(self._small)]
        number = np.uint64(len(self) // rows + 1)
        for share in range(int(number)):
            columns = join([take(piece, np.flatnonzero(piece.ids % number == share)) for piece in pieces])
            if len(columns):
                yield columns

    def pieces(self, rows: int) -> Iterator[Columns]:
        """Everything kept, in pieces of at most so many rows; what is given back is kept no longer."""
        if self._small:
            self._pieces.append(join(self._small))
            self._small = []
        while self._pieces:
            piece = self._pieces.pop(0)
            if len(piece) > rows:
                self._pieces.insert(0, piece.cut(rows, len(piece)))
                piece = piece.cut(0, rows)
            yield piece
