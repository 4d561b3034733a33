"""What stands on ``/metrics``: series by number, in arrays, and the families that they are in.

A **sheet** has the series of one stream, or the groups that rules make of them.  By the number that
its roster gives a series it keeps the present value, when the series was last heard of and when it
began; sums and counts that are more than one number stand beside, for those that have some.  A
plain counter costs 20 bytes here, and what ``families.py`` says for its name.

A series is **new** until the end of the flush in which it was first heard of.  Then it is shown, or
it **waits**, because another one has its name or all its labels; the first stays as long as it is
shown.  One that a rule drops is remembered so that the rule is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.fold.index import grown
from metronome.fold.roster import Roster
from metronome.gateway.beside import COUNTER, PLAIN, Beside, Manner, Spread
from metronome.gateway.families import REFUSED, Families
from metronome.kernel import hash64, page_ids
from metronome.kernel import samples as lines
from metronome.kernel.families import SERIES, SPELLING, PageIds
from metronome.kernel.writing import joined
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import F64, I64, U8, U64, Columns, Kind

MAIN: Final = "main"
TYPES: Final = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.TIMER: "summary", Kind.SET: "gauge"}
TYPE_OF_KIND: Final = np.array([lines.TYPES.index(TYPES[kind]) for kind in Kind], np.uint8)

NOBODY: Final = 0
NEW: Final = 1
WAITS: Final = 2
DROPPED: Final = 3
SHOWN: Final = 4
"""What a number is; from here on the family that it is in."""

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]


class Sheet:
    """The series of one stream, or its groups."""

    def __init__(self, roster: Roster, stream: str, manners: tuple[Manner, ...] = PLAIN):
        self.roster = roster
        self.stream = stream
        self.series_hash = np.uint64(0 if stream == MAIN else hash64(stream.encode()))
        """Tells equal series of different streams apart."""
        self.manners = list(manners)
        self.spread = Spread()
        self.state: I32 = np.zeros(0, np.int32)
        self.seen: U32 = np.zeros(0, np.uint32)
        """When it was last heard of, epoch seconds."""
        self.born: U32 = np.zeros(0, np.uint32)
        """When it began to be counted, epoch seconds."""
        self.n: F64 = np.zeros(0)
        self._manner: npt.NDArray[np.uint16] | None = None
        self._rows: I32 = np.zeros(0, np.int32)
        """From 1; 0 for those that have nothing beside."""
        self._beside: dict[int, Beside] = {}

    @property
    def memory(self) -> int:
        """Bytes that the arrays by number take."""
        arrays = (self.state, self.seen, self.born, self.n, self._rows)
        return sum(array.nbytes for array in arrays) + sum(one.values.nbytes for one in self._beside.values())

    def numbers(self, columns: Columns, now: float, began: float) -> tuple[I64, I64]:
        """The number of each row's series; and those that are new, which have begun at ``began``."""
        numbers = self.roster.numbers(columns)
        room = self.roster.room
        if room > len(self.state):
            self.state, self.seen = grown(self.state, room), grown(self.seen, room)
            self.born, self.n = grown(self.born, room), grown(self.n, room)
        new = np.unique(numbers[self.state[numbers] == NOBODY])
        if len(new):
            self.roster.hold(new)
            self.state[new], self.seen[new], self.born[new] = NEW, int(now), int(began)
        return numbers, new

    @property
    def has_manners(self) -> bool:
        """Whether anything was said of how series are shown."""
        return self._manner is not None

    def of_manner(self, numbers: I64, manner: I64 | int | None) -> None:
        """Say how series are shown that are not so by their kind; None: by their kind."""
        if self._manner is None or len(self._manner) < len(self.state):
            before = np.zeros(0, np.uint16) if self._manner is None else self._manner
            self._manner = grown(before, len(self.state))
        self._manner[numbers] = TYPE_OF_KIND[self.roster.kinds(numbers)] if manner is None else manner

    def manner(self, numbers: I64) -> I64:
        """Which of the manners is that of each series."""
        if self._manner is None:
            return TYPE_OF_KIND[self.roster.kinds(numbers)].astype(np.int64)
        return self._manner[numbers].astype(np.int64)

    def types(self, numbers: I64) -> U8:
        """Which of Prometheus' types each series has."""
        return np.array([manner.type for manner in self.manners], np.uint8)[self.manner(numbers)]

    def beside(self, numbers: I64, manner: int) -> tuple[F64, I64]:
        """An array, and which of its rows is that of each series; all of one manner."""
        if len(self._rows) < len(self.state):
            self._rows = grown(self._rows, len(self.state))
        store = self._beside.get(manner)
        if store is None or store.values.shape[1] != self.manners[manner].width:
            store = self._beside[manner] = Beside(self.manners[manner].width)
        without = numbers[self._rows[numbers] == 0]
        self._rows[without] = store.take(len(without)) + 1
        return store.values, self._rows[numbers].astype(np.int64) - 1

    def is_idle(self, numbers: I64, now: float, ttl: float) -> npt.NDArray[np.bool_]:
        """Which series were not heard of for so long, or for as long as their manner says."""
        seen = self.seen[numbers]
        if not any(manner.ttl for manner in self.manners):
            return seen <= now - ttl
        ttls = np.array([manner.ttl or ttl for manner in self.manners])
        return seen <= now - ttls[self.manner(numbers)]

    def kept(self) -> Iterator[I64]:
        """The series that are shown, or wait for it, some thousand at a time."""
        numbers = np.flatnonzero((self.state >= SHOWN) | (self.state == WAITS))
        for begin in range(0, len(numbers), 4 * METRICS_STEP_ROWS):
            yield numbers[begin : begin + 4 * METRICS_STEP_ROWS]

    def clear(self, numbers: I64) -> None:
        """Let go of the values of series, each given once."""
        having = numbers[numbers < len(self._rows)]
        having = having[self._rows[having] > 0]
        if len(having):
            for manner, own in parted(self.manner(having)):
                self._beside[manner].give_back(self._rows[having[own]].astype(np.int64) - 1)
            self._rows[having] = 0
        self.spread.remove(numbers)
        self.n[numbers] = 0


def parted(values: I64) -> Iterator[tuple[int, I64]]:
    """Each value, and the places where it stands."""
    for value in np.unique(values).tolist():
        yield value, np.flatnonzero(values == value)


class Board:
    """All sheets, and the names on the page."""

    def __init__(self, own: Sequence[tuple[str, str]]):
        """``own`` are names and types of families that stand on the page by themselves."""
        types = np.array([lines.TYPES.index(kind) for _, kind in own], np.uint8)
        names = page_ids(
            joined([b"c" + name.encode() for name, _ in own]), (types == COUNTER).astype(np.uint8)
        )
        self.families = Families(names, types)
        self.sheets: list[Sheet] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, roster: Roster, stream: str, manners: tuple[Manner, ...] = PLAIN) -> Sheet:
        """A new sheet."""
        sheet = Sheet(roster, stream, manners)
        self.sheets.append(sheet)
        return sheet

    def hear(self, sheet: Sheet, numbers: I64, now: float) -> int:
        """Series, each given once, were heard of; how many of them are new and have to wait."""
        sheet.seen[numbers] = int(now)
        states = sheet.state[numbers]
        without = numbers[(states == NEW) | (states == WAITS)]
        if not len(without):
            return 0
        names, types, series = self._names(sheet, without)
        found = self.families.admit(names, types, series)
        new = sheet.state[without] == NEW
        sheet.state[without] = np.where(found == REFUSED, WAITS, found + SHOWN)
        self._size += int(new.sum())
        return int((new & (found == REFUSED)).sum())

    def place_again(self, sheet: Sheet, numbers: I64) -> None:
        """Series of a former run, new here, have their places on the page, if they are free."""
        seen = sheet.seen[numbers]
        self.hear(sheet, numbers, 0)
        sheet.seen[numbers] = seen

    def drop(self, sheet: Sheet, numbers: I64) -> None:
        """Take series off that a rule drops from now on, each given once; they stay known."""
        self._take_off(sheet, numbers)
        sheet.clear(numbers)
        sheet.state[numbers] = DROPPED

    def remove(self, sheet: Sheet, numbers: I64) -> None:
        """Show series no longer, each given once."""
        self._take_off(sheet, numbers)
        sheet.clear(numbers)
        sheet.state[numbers] = NOBODY
        sheet.roster.release(numbers)

    def _take_off(self, sheet: Sheet, numbers: I64) -> None:
        states = sheet.state[numbers]
        shown = numbers[states >= SHOWN]
        if len(shown):
            _, _, series = self._names(sheet, shown)
            self.families.leave(sheet.state[shown].astype(np.int64) - SHOWN, series)
        self._size -= len(shown) + int((states == WAITS).sum())

    def expire(self, now: float, ttl: float) -> Iterator[None]:
        """Take off what was not heard of for so long, or for as long as its manner says."""
        for sheet in self.sheets:
            known = np.flatnonzero(sheet.state)
            idle = known[sheet.is_idle(known, now, ttl)]
            for begin in range(0, len(idle), METRICS_STEP_ROWS):
                some = idle[begin : begin + METRICS_STEP_ROWS]
                some = some[sheet.state[some] != NOBODY]  # between two steps it may have been heard of
                self.remove(sheet, some[sheet.is_idle(some, now, ttl)])
                yield

    def shown(self) -> tuple[U16, I32, I32]:
        """Every series on the page by family: its sheet, number and family."""
        pieces = [
            (np.full(len(numbers), at, np.uint16), numbers, self.sheets[at].state[numbers] - SHOWN)
            for at, numbers in enumerate(
                np.flatnonzero(sheet.state >= SHOWN).astype(np.int32) for sheet in self.sheets
            )
        ]
        sheets, numbers, families = (
            np.concatenate([np.zeros(0, kind), *(piece[at] for piece in pieces)])
            for at, kind in enumerate((np.uint16, np.int32, np.int32))
        )
        if (families[1:] >= families[:-1]).all():
            return sheets, numbers, families
        order = np.argsort(families, kind="stable")
        return sheets[order], numbers[order], families[order]

    def spellings(self, sheets: U16, numbers: I32) -> U64:
        """Hashes of the names of series' families as they were sent."""
        found = np.zeros(len(numbers), np.uint64)
        for at, mine in parted(sheets.astype(np.int64)):
            names, _, _ = self._names(self.sheets[at], numbers[mine].astype(np.int64))
            found[mine] = names.ids[:, SPELLING]
        return found

    def _names(self, sheet: Sheet, numbers: I64) -> tuple[PageIds, U8, U64]:
        types = sheet.types(numbers)
        names = page_ids(sheet.roster.texts(numbers), (types == COUNTER).astype(np.uint8))
        return names, types, names.ids[:, SERIES] ^ sheet.series_hash
