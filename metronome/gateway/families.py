"""Who has which name on ``/metrics``: families and their series, by the hashes of their names.

A family takes its own name and those of its samples (``SUFFIXES`` of ``prometheus_text.py``).  No name
may be two families', and no series stand there twice; the first stays as long as it is shown, and
whoever comes later is refused.  So the page is always valid.

Names that a family takes are not kept one by one: only a family whose name is the newcomer's with
a suffix, or without the one that it ends in, can have one of them, and those are looked up.  Of a
family with one series that one is remembered; only those of larger families are in a table.  So
a name costs about 30 bytes, and a series beside others 17.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.fold.index import Index, grown
from metronome.kernel.families import SPELLING, STEM, SUFFIXES, PageIds
from metronome.kernel.samples import TYPES
from metronome.model import I64, U8, U64
from metronome.wire.prometheus_text import SUFFIXES as TAKES

REFUSED: Final = -1
"""Instead of the number of a family: somebody else has the name."""
_TAKES: Final = np.array([[suffix in TAKES[kind] for suffix in SUFFIXES] for kind in TYPES])


class Families:
    """The families on the page, each by a number, and the series of each."""

    def __init__(self, own: PageIds, types: U8):
        """``own`` are families that stand there by themselves, for ever; they take nobody in."""
        self._index = Index()
        self._series = Index()
        self._own = 0
        self.types: U8 = np.zeros(0, np.uint8)
        """Of each family: which of ``TYPES`` it is."""
        self._counts: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._spellings: U64 = np.zeros(0, np.uint64)
        self.mixed: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        """Of each family: whether series of other names are, or were, in it that are one with underscores."""
        self._single: U64 = np.zeros(0, np.uint64)
        self._many: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        """Whether a family has, or had, more than one series: then all of them are in the table."""
        self._endings: set[int] = set()
        """The suffixes that names of families end in, or have ended in."""
        self._make(own, types)
        self._own = len(self._index)

    def __len__(self) -> int:
        return len(self._index) - self._own

    @property
    def memory(self) -> int:
        """Bytes that all this takes."""
        arrays = (self.types, self._counts, self._single, self._many, self._spellings, self.mixed)
        return self._index.memory + self._series.memory + sum(array.nbytes for array in arrays)

    def admit(self, names: PageIds, types: U8, series: U64) -> I64:
        """The family that each series goes to, in their order, or ``REFUSED``.

        ``series`` are the hashes by which they are told apart.
        """
        found: I64 = np.full(len(types), REFUSED, np.int64)
        rest = np.arange(len(types))
        while len(rest):
            some = PageIds(names.ids[rest], names.endings[rest])
            now = ~self._later(some)
            rows = rest[now]
            found[rows] = self._enter(PageIds(some.ids[now], some.endings[now]), types[rows], series[rows])
            rest = rest[~now]
        return found

    def leave(self, families: I64, series: U64) -> None:
        """Take series out of their families; a family without any is there no longer."""
        np.subtract.at(self._counts, families, 1)
        self._series.remove(self._series.find(series[self._many[families]]))
        families = np.unique(families)
        gone = families[self._counts[families] == 0]
        self._index.remove(gone)
        self._many[gone] = False

    def _later(self, names: PageIds) -> npt.NDArray[np.bool_]:
        """Which rows have to wait for another one before them, because their names are related."""
        later = np.zeros(len(names.ids), np.bool_)
        new = np.flatnonzero(self._index.find(names.ids[:, 0]) < 0)
        ids, ending = names.ids[new], names.endings[new] > 0
        if not np.isin(ids[ending, STEM], ids[:, 0]).any():
            return later
        bases, first = np.unique(ids[:, 0], return_index=True)
        related = ids[:, 1 : STEM + 1]
        places = np.minimum(np.searchsorted(bases, related), len(bases) - 1)
        others = (bases[places] == related) & (related != ids[:, :1])
        later[new] = (others & (first[places] < np.arange(len(new))[:, None])).any(axis=1)
        return later

    def _enter(self, names: PageIds, types: U8, series: U64) -> I64:
        """The same of rows whose names have nothing to do with each other, unless they are equal."""
        families = self._index.find(names.ids[:, 0])
        new = np.flatnonzero(families < 0)
        free = new[self._is_free(PageIds(names.ids[new], names.endings[new]), types[new])]
        families[free] = self._make(PageIds(names.ids[free], names.endings[free]), types[free])
        mine = families >= self._own
        mine[mine] = self.types[families[mine]] == types[mine]
        rows = np.flatnonzero(mine)
        joined = rows[self._join(families[rows], series[rows])]
        answer: I64 = np.full(len(types), REFUSED, np.int64)
        answer[joined] = families[joined]
        others = self._spellings[families[joined]] != names.ids[joined, SPELLING]
        self.mixed[families[joined[others]]] = True
        return answer

    def _is_free(self, names: PageIds, types: U8) -> npt.NDArray[np.bool_]:
        """Whether nobody has a name that new families would take."""
        taken = np.zeros(len(types), np.bool_)
        for suffix in self._endings:  # only a family whose name ends so can be called so
            rows = np.flatnonzero(_TAKES[types, suffix])
            taken[rows] |= self._index.find(names.ids[rows, suffix]) >= 0
        rows = np.flatnonzero(names.endings)
        stems = self._index.find(names.ids[rows, STEM])
        taken[rows] |= (stems >= 0) & _TAKES[self.types[stems], names.endings[rows]]
        free: npt.NDArray[np.bool_] = ~taken
        return free

    def _make(self, names: PageIds, types: U8) -> I64:
        """Families of these names, of the type of the first of each."""
        self._endings |= set(np.unique(names.endings[names.endings > 0]).tolist())
        numbers, fresh = self._index.numbers(names.ids[:, 0])
        if self._index.room > len(self.types):
            room = self._index.room
            self.types, self._counts = grown(self.types, room), grown(self._counts, room)
            self._single, self._many = grown(self._single, room), grown(self._many, room)
            self._spellings, self.mixed = grown(self._spellings, room), grown(self.mixed, room)
        self.types[numbers[fresh]] = types[fresh]
        self._counts[numbers[fresh]] = 0
        self._spellings[numbers[fresh]] = names.ids[fresh, SPELLING]
        self.mixed[numbers[fresh]] = False
        return numbers

    def _join(self, families: I64, series: U64) -> I64:
        """Which of these rows come in: those whose series is not there yet, the first of each."""
        _, first = np.unique(series, return_index=True)
        rows = np.sort(first)
        families, series = families[rows], series[rows]
        alone = (self._counts[families] > 0) & ~self._many[families]
        there = np.where(alone, self._single[families] == series, self._series.find(series) >= 0)
        rows, families, series = rows[~there], families[~there], series[~there]
        touched = np.unique(families)
        alone = self._counts[touched] > 0
        np.add.at(self._counts, families, 1)
        crowded = (self._counts[touched] > 1) & ~self._many[touched]
        self._series.numbers(self._single[touched[crowded & alone]])
        self._many[touched[crowded]] = True
        many = self._many[families]
        self._series.numbers(series[many])
        self._single[families[~many]] = series[~many]
        return rows
