"""Parts that are kept until the end of their period is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import join, take
from metronome.model import I64, U64, Columns, Kind, Ragged

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
        """Everything kept, in shares of about so many rows: what one step can do at once.

        Nearly always a series is there once, and a share is a piece as it came; what is there
        several times follows, ordered by series.
        """
        pieces = [piece for piece in (*self._pieces, join(self._small)) if len(piece)]
        again = _repeated(pieces)
        several = []
        for piece in pieces:
            if len(again):
                more_than_once = _among(piece.ids, again)
                several.append(take(piece, np.flatnonzero(more_than_once)))
                piece = take(piece, np.flatnonzero(~more_than_once))
            for begin in range(0, len(piece), rows):
                yield piece.cut(begin, min(begin + rows, len(piece)))
        columns = join(several)
        order = np.argsort(columns.ids, kind="stable")
        ids = columns.ids[order]
        begin = 0
        while begin < len(ids):
            end = int(np.searchsorted(ids, ids[min(begin + rows, len(ids)) - 1], side="right"))
            yield take(columns, order[begin:end])
            begin = end

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


def _repeated(pieces: list[Columns]) -> U64:
    """The ids that are there more than once, ascending."""
    ids = np.sort(np.concatenate([piece.ids for piece in pieces])) if pieces else np.empty(0, np.uint64)
    return np.unique(ids[1:][ids[1:] == ids[:-1]])


def _among(ids: U64, some: U64) -> npt.NDArray[np.bool_]:
    """Which ids are among some, that are ascending."""
    found: npt.NDArray[np.bool_] = some[np.minimum(np.searchsorted(some, ids), len(some) - 1)] == ids
    return found


def light(columns: Columns, numbers: I64) -> Columns:
    """What the lines of statsd's sets need of rows, in memory of its own: 20 bytes a counter or gauge.

    Instead of keys and ids there are the numbers of the series.
    """
    rows = len(columns)
    rich = bool(((columns.kinds == Kind.TIMER) | (columns.kinds == Kind.SET)).any())

    def copied(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A column whose values are all the same costs nothing."""
        same = not rows or bool((values == values[0]).all())
        return np.broadcast_to(values[:1].copy(), rows) if same and rows else values.copy()

    def ragged(values: Ragged) -> Ragged:
        return Ragged(values.ends.copy(), values.flat.copy())

    nothing = np.broadcast_to(np.float64(0), rows)
    return Columns(
        keys=Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8)),
        ids=numbers.astype(np.uint64),
        kinds=copied(columns.kinds),
        times=copied(columns.times),
        periods=copied(columns.periods),
        counts=copied(columns.counts) if rich else np.broadcast_to(np.uint32(0), rows),
        n=columns.n.copy(),
        d=copied(columns.d) if rich else nothing,
        low=copied(columns.low) if rich else nothing,
        high=copied(columns.high) if rich else nothing,
        squares=copied(columns.squares) if rich else nothing,
        samples=ragged(columns.samples),
        weights=ragged(columns.weights),
        bins=ragged(columns.bins),
        bin_counts=ragged(columns.bin_counts),
        hashes=ragged(columns.hashes),
        registers=ragged(columns.registers),
    )
