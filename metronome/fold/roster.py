"""The series that consumers of the journal know, each by a small number.

Whatever a consumer keeps of a series lies in arrays by its number, and its key stands here
once for all of them, in one buffer.  So a series costs its key and about 30 bytes: where the key
begins and how long it is (6), its id and the slot by which that is found (14 to 20), and how
many hold it (2).

A **hold** keeps a number.  ``numbers`` gives one to a series that nobody holds yet, and takes it
back at its next call unless somebody has taken hold of it by then; so whoever keeps anything by
a number holds it first, once, in the same turn.  A number that nobody holds any more is given
to another series, some time: what is kept by it is to be cleared when it is let go.

Series of different streams may have equal keys, so each stream has a roster of its own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import Rows, pieces
from metronome.fold.index import Index, grown
from metronome.kernel import copied
from metronome.kernel.writing import Texts
from metronome.model import I64, KIND_CODES, U8, U64, Columns, Kind, Ragged

U16 = npt.NDArray[np.uint16]

_WASTE: Final = 1 << 16
"""Bytes of keys that nobody needs for which the buffer is not worth copying."""
_NEAR: Final = 1 << 32
"""How far 32 bits say where a key begins."""
_KINDS: Final = np.full(256, len(Kind), np.uint8)
_KINDS[np.frombuffer(KIND_CODES, np.uint8)] = np.arange(len(Kind))


class Roster:
    """The known series of one stream."""

    def __init__(self) -> None:
        self._index = Index()
        self._keys: U8 = np.zeros(0, np.uint8)
        self._end = 0
        self._waste = 0
        self._begins: npt.NDArray[np.unsignedinteger] = np.zeros(0, np.uint32)
        self._lengths: U16 = np.zeros(0, np.uint16)
        self._holds: U16 = np.zeros(0, np.uint16)
        self._fresh: I64 = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def room(self) -> int:
        """Above the highest number that was ever given: how long arrays by number must be."""
        return self._index.room

    @property
    def memory(self) -> int:
        """Bytes that all this takes."""
        arrays = (self._keys, self._begins, self._lengths, self._holds)
        return self._index.memory + sum(array.nbytes for array in arrays)

    def numbers(self, columns: Columns) -> I64:
        """The number of each row's series; those that are new are to be held before the next call."""
        self._drop(self._fresh)
        numbers, fresh = self._index.numbers(columns.ids)
        self._fresh = numbers[fresh]
        if len(fresh):
            self._learn(pieces(columns.keys, fresh), self._fresh)
        return numbers

    def find(self, ids: U64) -> I64:
        """The numbers of series, -1 for those that nobody knows."""
        return self._index.find(ids)

    def ids(self, numbers: Rows) -> U64:
        """The ids of these series."""
        return self._index.ids[numbers]

    def hold(self, numbers: I64) -> None:
        """Keep these numbers, each given once."""
        self._holds[numbers] += 1

    def release(self, numbers: I64) -> None:
        """Hold these no longer, each given once; what nobody holds is forgotten."""
        self._holds[numbers] -= 1
        self._drop(numbers)

    def key(self, number: int) -> bytes:
        """The key of one series."""
        begin = int(self._begins[number])
        return self._keys[begin : begin + int(self._lengths[number])].tobytes()

    def keys(self, numbers: Rows) -> Ragged:
        """The keys of these series."""
        texts = self.texts(numbers)
        return Ragged(np.cumsum(texts.ends - texts.begins).astype(np.uint32), copied(texts))

    def texts(self, numbers: Rows) -> Texts:
        """The same, where they stand; they stay there whatever comes and goes."""
        begins = self._begins[numbers].astype(np.int64)
        return Texts(self._keys, begins, begins + self._lengths[numbers])

    def kinds(self, numbers: Rows) -> U8:
        """The kinds of these series."""
        kinds: U8 = _KINDS[self._keys[self._begins[numbers]]]
        return kinds

    def _learn(self, texts: Texts, numbers: I64) -> None:
        """Write the keys of new numbers behind those that are there."""
        if self.room > len(self._begins):
            self._begins = grown(self._begins, self.room)
            self._lengths = grown(self._lengths, self.room)
            self._holds = grown(self._holds, self.room)
        more = int((texts.ends - texts.begins).sum())
        if self._end + more > len(self._keys):
            self._compact(more)
        self._write(texts, numbers)

    def _drop(self, numbers: I64) -> None:
        """Forget those of these that nobody holds and that are not forgotten yet."""
        gone = numbers[(self._holds[numbers] == 0) & (self._lengths[numbers] > 0)]
        self._index.remove(gone)
        self._waste += int(self._lengths[gone].sum())
        self._lengths[gone] = 0

    def _compact(self, more: int) -> None:
        """Make room for so many bytes more: where much is waste by leaving that out."""
        if self._waste < _WASTE or self._waste * 2 < self._end:
            self._keys = grown(self._keys, self._end + more)
            return
        live = np.flatnonzero(self._lengths)
        texts = self.texts(live)
        self._end, self._waste = 0, 0
        self._keys = grown(self._keys[:0], int(self._lengths.sum(dtype=np.int64)) * 3 // 2 + more)
        self._begins = np.zeros(len(self._begins), np.uint32)
        if len(live):
            self._write(texts, live)

    def _write(self, texts: Texts, numbers: I64) -> None:
        """Put keys behind those that are there, where there is room for them."""
        lengths = texts.ends - texts.begins
        ends = self._end + np.cumsum(lengths)
        if ends[-1] > _NEAR:
            self._begins = self._begins.astype(np.uint64)
        self._keys[self._end : ends[-1]] = copied(texts)
        self._begins[numbers] = ends - lengths
        self._lengths[numbers] = lengths
        self._end = int(ends[-1])


class Rosters:
    """The roster of each stream."""

    def __init__(self) -> None:
        self._rosters: dict[str, Roster] = {}

    def of(self, stream: str) -> Roster:
        """That of one stream, from the first time that somebody asks for it."""
        return self._rosters.setdefault(stream, Roster())
