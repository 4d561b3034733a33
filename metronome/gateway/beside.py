"""What stands beside the value of a series on ``/metrics``, and how it is shown.

Quantiles and classic buckets are a row of as many numbers as the manner says, for each series that
has them.  Native histograms have as many buckets as their values need: counts are found by
series and bucket in one table, 26 bytes each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.fold.index import Index, grown
from metronome.kernel import samples as lines
from metronome.limits import NATIVE_BUCKETS
from metronome.model import F64, I64, U64

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
COUNTER, GAUGE, SUMMARY, HISTOGRAM = range(len(lines.TYPES))
CLASSIC: Final = -128
"""The schema of histograms that have no native buckets."""

I16 = npt.NDArray[np.int16]
_LOW, _HIGH = np.iinfo(np.int16).min, np.iinfo(np.int16).max


class Manner(NamedTuple):
    """How some series are shown."""

    type: int
    """Which of ``kernel.samples.TYPES``."""
    meaning: str = ""
    """HELP; nothing: that is the name of the first series."""
    quantiles: tuple[float, ...] = QUANTILES
    buckets: tuple[float, ...] = ()
    schema: int = CLASSIC
    """Of native buckets."""
    most: int = NATIVE_BUCKETS
    """So many of them are shown; more become coarser."""
    ttl: float = 0.0
    """For how many seconds a series is shown that is not heard of; 0: as usual."""
    max_age: float = 0.0
    """Quantiles are of what came in so many seconds; 0: in the last period that brought anything."""
    ages: int = 0
    """In how many steps what is too old leaves."""
    older: float = 0.0
    """By how many seconds quantiles may be older than usual."""

    @property
    def width(self) -> int:
        """How many numbers stand beside the value: quantiles and a count, or each classic bucket."""
        if self.type == SUMMARY:
            return len(self.quantiles) + 1
        return len(self.buckets) + 1 if self.type == HISTOGRAM else 0

    @property
    def native(self) -> bool:
        """Whether there are native buckets."""
        return self.schema != CLASSIC


PLAIN: Final = tuple(Manner(kind) for kind in range(len(lines.TYPES)))
"""How a series by itself is shown, by its type."""


class Beside:
    """Some numbers in a row, for each of those series that have them."""

    def __init__(self, width: int):
        self.values: F64 = np.zeros((0, width))
        self._free: I64 = np.zeros(0, np.int64)
        self._used = 0

    def take(self, number: int) -> I64:
        """So many rows of zeros."""
        again, self._free = self._free[:number], self._free[number:]
        fresh = np.arange(self._used, self._used + number - len(again))
        self._used += len(fresh)
        if self._used > len(self.values):
            self.values = grown(self.values, self._used)
        return np.concatenate((again, fresh))

    def give_back(self, rows: I64) -> None:
        """Let go of rows."""
        self.values[rows] = 0
        self._free = np.concatenate((self._free, rows))


class Spread:
    """Counts by series and native bucket (``fold/native.py``)."""

    def __init__(self) -> None:
        self._index = Index()
        self._counts: F64 = np.zeros(0)
        self._least: I16 = np.zeros(0, np.int16)
        self._greatest: I16 = np.zeros(0, np.int16)

    @property
    def memory(self) -> int:
        """Bytes that all this takes."""
        arrays = (self._counts, self._least, self._greatest)
        return self._index.memory + sum(array.nbytes for array in arrays)

    def add(self, numbers: I64, codes: I64, counts: F64) -> None:
        """Count so much in buckets of series; each pair any number of times."""
        if not len(numbers):
            return
        room = int(numbers.max()) + 1
        if room > len(self._least):
            before = len(self._least)
            self._least, self._greatest = grown(self._least, room), grown(self._greatest, room)
            self._least[before:], self._greatest[before:] = _HIGH, _LOW
        np.minimum.at(self._least, numbers, codes.astype(np.int16))
        np.maximum.at(self._greatest, numbers, codes.astype(np.int16))
        places, fresh = self._index.numbers(_ids(numbers, codes))
        if self._index.room > len(self._counts):
            self._counts = grown(self._counts, self._index.room)
        self._counts[places[fresh]] = 0
        np.add.at(self._counts, places, counts)

    def of(self, numbers: I64) -> tuple[I64, I64, F64]:
        """The buckets of series that have any: which of these series, the bucket, and its count."""
        rows, codes, places = self._places(numbers)
        return rows, codes, self._counts[places]

    def remove(self, numbers: I64) -> None:
        """Forget what was counted of series, each given once."""
        _, _, places = self._places(numbers)
        self._index.remove(places)
        numbers = numbers[numbers < len(self._least)]
        self._least[numbers], self._greatest[numbers] = _HIGH, _LOW

    def _places(self, numbers: I64) -> tuple[I64, I64, I64]:
        """Every bucket between the first and the last of a series is looked for."""
        rows = np.flatnonzero(numbers < len(self._least))
        least = self._least[numbers[rows]].astype(np.int64)
        spans = np.maximum(self._greatest[numbers[rows]] - least + 1, 0)
        owners = np.repeat(np.arange(len(rows)), spans)
        codes = np.arange(len(owners)) - np.repeat(np.cumsum(spans) - spans - least, spans)
        places = self._index.find(_ids(numbers[rows[owners]], codes))
        there = np.flatnonzero(places >= 0)
        return rows[owners[there]], codes[there], places[there]


def _ids(numbers: I64, codes: I64) -> U64:
    """A hash of each pair (the finaliser of MurmurHash3, which no two pairs share)."""
    ids = (numbers << 16 | codes & 0xFFFF).astype(np.uint64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        ids = (ids ^ ids >> np.uint64(33)) * np.uint64(factor)
    return ids ^ ids >> np.uint64(33)
