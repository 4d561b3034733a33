"""The running totals of one stream: what its series have come to, in arrays.

Prometheus wants counters that only go up, for as long as a series is there.  So totals are
kept apart from what brings them, and survive a restart: an image of them is written together
with the position of the journal up to which everything is in them, and the next run goes on
from both (``image.py``).  A series is known by what Prometheus knows it by, so it goes on whatever
rule it comes from after the restart.

A series has a **place**, a small number that is given again when the series has left, and its
cells lie side by side (``exposed.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.fold.index import grown
from metronome.gateway.beside import Spread
from metronome.gateway.exposed import Exposed, Names, unpacked
from metronome.model import F64, I64, U8

_FEW = 64


class Image(NamedTuple):
    """The totals of a stream as bytes and arrays, one row for each series."""

    series: list[bytes]
    """As :meth:`Exposed.packed` gives them."""
    widths: I64
    """How many cells each has."""
    seen: I64
    born: I64
    patience: I64
    cells: F64
    """Of one series after the other."""
    native_rows: I64
    """Of each native bucket which of the series has it."""
    native_codes: I64
    native_counts: F64


class Totals:
    """Series and their cells.  The arrays are read by everybody and written by ``Adding``."""

    def __init__(self, names: Names):
        """``names`` are shared by all streams of an output."""
        self.names = names
        self.values: F64 = np.zeros(_FEW)
        """The cells."""
        self.codes: U8 = np.zeros(_FEW, np.uint8)
        """What is in each cell."""
        self.first: I64 = np.zeros(_FEW, np.int64)
        """The first cell of each place."""
        self.widths: I64 = np.zeros(_FEW, np.int64)
        """And how many they are."""
        self.seen: I64 = np.zeros(_FEW, np.int64)
        """When a series was last heard of, ms."""
        self.born: I64 = np.zeros(_FEW, np.int64)
        """When it began to count, ms."""
        self.patience: I64 = np.zeros(_FEW, np.int64)
        """How long it stays when it is not heard of, ms."""
        self.spread = Spread()
        """The native buckets of those places that have any."""
        self._packed: list[bytes] = []
        self._owned: npt.NDArray[np.bool_] = np.zeros(_FEW, bool)
        self._places: dict[bytes, int] = {}
        self._free: list[int] = []
        self._free_cells: dict[int, list[int]] = {}
        self._cells = 0
        self._joined: Callable[[int], None] = _nobody
        self._left: Callable[[int], None] = _nobody

    def __len__(self) -> int:
        return len(self._places)

    def watch(self, joined: Callable[[int], None], left: Callable[[int], None]) -> None:
        """Have somebody told of each new place, and of each that is about to be free."""
        self._joined, self._left = joined, left

    def series(self, place: int) -> Exposed:
        """What has a place."""
        return unpacked(self._packed[place])

    def size(self, place: int) -> int:
        """How long the texts of what has a place are, about."""
        return len(self._packed[place])

    def places(self) -> I64:
        """All places that somebody has, in the order in which they were taken."""
        return np.fromiter(self._places.values(), np.int64, len(self._places))

    def join(self, exposed: Exposed, meaning: str, now: int, born: int, patience: int) -> int:
        """The place of a series that somebody is to write from now on; -1 when somebody else does
        already, or has its name.  A series of a former run goes on with what it has."""
        packed = exposed.packed()
        place = self._places.get(packed)
        if place is None:
            if not self.names.enter(exposed.base, exposed.type, meaning):
                return -1
            place = self._place(exposed, packed)
            self.born[place] = born
        elif self._owned[place]:
            return -1
        self._owned[place] = True
        self.seen[place] = now
        self.patience[place] = patience
        return place

    def disown(self, places: list[int]) -> None:
        """Nobody writes these series now; who does so next goes on with what they have."""
        self._owned[places] = False

    def leave(self, place: int) -> None:
        """A series ends."""
        self._left(place)
        exposed = self.series(place)
        if exposed.native:
            self.spread.remove(np.array([place]))
        self.names.leave(exposed.base)
        del self._places[self._packed[place]]
        self._packed[place] = b""
        self._owned[place] = False
        self._free.append(place)
        self._free_cells.setdefault(int(self.widths[place]), []).append(int(self.first[place]))

    def idle(self, now: int) -> list[int]:
        """Places of series that were not heard of for too long."""
        places = self.places()
        found: list[int] = places[now - self.seen[places] >= self.patience[places]].tolist()
        return found

    def image(self) -> Image:
        """Everything as it is now, not shared with what comes."""
        places = self.places()
        widths = self.widths[places]
        begins = np.repeat(self.first[places] - np.cumsum(widths) + widths, widths)
        cells = self.values[begins + np.arange(len(begins))]
        times = self.seen[places], self.born[places], self.patience[places]
        return Image(list(self._places), widths, *times, cells, *self.spread.of(places))

    def restore(self, image: Image, meanings: Mapping[str, str]) -> None:
        """Begin with what an image has, and what is told of its families; nobody writes these
        series yet."""
        end = 0
        at = np.full(len(image.series), -1)
        for row, packed in enumerate(image.series):
            exposed = unpacked(packed)
            begin, end = end, end + int(image.widths[row])
            if self.names.enter(exposed.base, exposed.type, meanings.get(exposed.base, "")):
                at[row] = place = self._place(exposed, packed)
                self.values[self.first[place] : self.first[place] + end - begin] = image.cells[begin:end]
                self.seen[place] = image.seen[row]
                self.born[place] = image.born[row]
                self.patience[place] = image.patience[row]
        mine = at[image.native_rows] >= 0
        places = at[image.native_rows[mine]]
        self.spread.add(places, image.native_codes[mine], image.native_counts[mine])

    def _place(self, exposed: Exposed, packed: bytes) -> int:
        if not self._free:
            self._free.append(len(self._packed))
            self._packed.append(b"")
        place = self._free.pop()
        if place >= len(self.first):
            for name in ("first", "widths", "seen", "born", "patience", "_owned"):
                setattr(self, name, grown(getattr(self, name), place + 1))
        self._packed[place] = packed
        self._places[packed] = place
        codes = exposed.codes
        self.first[place], self.widths[place] = self._new_cells(codes), len(codes)
        self._joined(place)
        return place

    def _new_cells(self, codes: list[int]) -> int:
        free = self._free_cells.get(len(codes))
        if free:
            first = free.pop()
        else:
            first, self._cells = self._cells, self._cells + len(codes)
            if self._cells > len(self.values):
                self.values = grown(self.values, self._cells)
                self.codes = grown(self.codes, self._cells)
        self.values[first : first + len(codes)] = 0
        self.codes[first : first + len(codes)] = codes
        return first


def _nobody(place: int) -> None:
    """Told of a place, and does nothing."""
