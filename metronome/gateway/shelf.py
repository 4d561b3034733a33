"""Rollup rules whose periods have one length: their groups, and the piles of their periods.

The rules are asked once for a series.  What is learnt of it is one number (``fold/known.py``):
that of its only group, -1 for none, -2 and less for several.  Numbers of groups are given
again once nothing speaks of them any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.fold.cells import Cells, Header, cells_of
from metronome.fold.columns import take
from metronome.fold.known import Known
from metronome.fold.piles import Closed, Gauges, Pile
from metronome.fold.ranks import timer_values
from metronome.fold.rules import Rule, Slot
from metronome.fold.sketch import Flat, flat
from metronome.limits import LATE_CELLS, LATE_PERIODS, LATE_SECONDS, PILE_GROUPS, ROLLUP_IDLE, TICK_FUTURE
from metronome.model import I64, Columns, Kind, Ragged, Series, parse_key, series_key

KINDS: Final = len(Kind)
LONG_AGO: Final = -(1 << 62)
"""Before any time."""
_SLOT_BYTES: Final = 4


class Group(NamedTuple):
    """A group, and what the output made of it."""

    slot: int
    packed: bytes
    """Its slot and header as bytes: what tells it from others."""
    out: object
    """Whatever the output keeps of it: paths, a place on a page."""

    @property
    def header(self) -> Header:
        """What it is called."""
        name, labels, kind = parse_key(self.packed[_SLOT_BYTES:])
        return Header(labels, kind, name)


class Ended(NamedTuple):
    """Groups of one rule and kind, and their values in one period."""

    slot: Slot
    start: int
    """Of the period, ms; with ``arrivals`` that of the flush that ended it."""
    end: int
    outs: list[Any]
    """What the output keeps of each group."""
    packed: list[bytes]
    """What tells each from others."""
    values: Closed
    """One value for each group, in the same order."""

    @property
    def groups(self) -> list[Group]:
        """The groups."""
        number = self.values.owner // KINDS
        return [Group(number, *one) for one in zip(self.packed, self.outs, strict=True)]


Make = Callable[[Slot, Header], object]
"""Asked once for each new group: what the output keeps of it; None when it has no place for it."""
Gone = Callable[[Slot, Group], None]
"""Told when a group is there no longer."""
Count = Callable[[str, int], None]
"""Told how many rows were ``late`` or ``early``, and how many series ``over_limit``."""


class Shelf:
    """Rules with one length of period."""

    def __init__(
        self, every: int, make: Make, gone: Gone, arrivals: bool, series: int, cells: int = LATE_CELLS
    ):
        """``every`` in ms; ``series`` are remembered at most, and ``cells`` of ended periods kept."""
        self._every = every
        self._make = make
        self._gone = gone
        self._arrivals = arrivals
        self._known = Known(series)
        self._most_cells = cells
        self._slots: list[Slot | None] = []
        self._since: list[int] = []
        self._asked: list[tuple[Rule, list[int]]] = []
        self._headers: list[Header] = []
        self._piles: dict[tuple[int, int], Pile] = {}
        """By the start of the period and a share of the groups: a pile is brought together, and
        given out, in one turn of the reactor."""
        self._packed: list[bytes] = []
        """By number; empty for those that are free."""
        self._outs: list[object] = []
        self._numbers: dict[bytes, int] = {}
        self._kept: list[int] = []
        self._free: list[int] = []
        self._owners: I64 = np.empty(0, np.int64)
        self._heard: I64 = np.empty(0, np.int64)
        self._several: list[tuple[int, ...]] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._over_limit = 0
        self._now = LONG_AGO
        self._last = LONG_AGO
        self._tidied = LONG_AGO
        self._overs: list[str] = []
        self._sketched = np.empty(0, bool)
        self._bucketed: list[int] = []

    @property
    def used(self) -> bool:
        """Whether any rule is left."""
        return any(self._slots)

    @property
    def groups(self) -> int:
        return len(self._numbers)

    def oldest(self, now: int) -> int:
        """Start of the oldest period that is kept."""
        if not self._every or self._arrivals:
            return now
        keep = min(LATE_PERIODS * self._every, LATE_SECONDS * 1000)
        return (now - keep) // self._every * self._every

    def use(self, slots: Sequence[Slot], rules: tuple[Rule, ...], now: int) -> None:
        """Go by these slots; equal ones stay what they are."""
        for number, slot in enumerate(self._slots):
            if slot is not None and slot not in slots:
                self._drop(number)
        for new in slots:
            if new not in self._slots:
                self._slots.append(new)
                self._since.append(now)
                self._kept.append(0)
                self._headers += [Header((), kind) for kind in Kind]
        places: dict[Rule, list[int]] = {}
        for number, slot in enumerate(self._slots):
            if slot is not None:
                places.setdefault(slot.rule, []).append(number)
        self._asked = [(rule, places.get(rule, [])) for rule in rules if rule.drop or rule in places]
        self._overs = ["sum" if slot is None else slot.rule.over for slot in self._slots for _ in Kind]
        wants = [slot is not None and slot.sketches for slot in self._slots]
        self._sketched = np.repeat(np.array(wants, bool), KINDS)
        self._bucketed = [number for number, slot in enumerate(self._slots) if slot and slot.buckets]
        self._forget()

    def ask_again(self) -> None:
        """Other rules stand: there may be a place now for groups that had none."""
        for number in [number for number in self._numbers.values() if self._outs[number] is None]:
            group = self._group(number)
            slot = self._slots[group.slot]
            if slot is not None:
                self._outs[number] = self._make(slot, group.header)

    def _drop(self, number: int) -> None:
        for place in np.flatnonzero(self._owners // KINDS == number).tolist():
            if place < len(self._packed) and self._packed[place]:
                self._leave(place)
        self._slots[number] = None

    # --- rows ----------------------------------------------------------------------------

    def add(self, columns: Columns, now: int) -> dict[str, int]:
        """Put rows on their piles; how many were left out, by reason."""
        self._now, self._over_limit = now, 0
        rows, groups = self._pairs(self._known.find(columns, self._learn))
        left = {"over_limit": self._over_limit} if self._over_limit else {}
        if not len(rows):
            return left
        nothing = Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8))
        columns = take(replace(columns, keys=nothing), rows)
        self._heard[groups] = now
        if self._arrivals:
            self._put(columns, groups, 0)
            return left
        starts = columns.times // self._every * self._every
        late = starts < self.oldest(now)
        early = starts > now + self._every + TICK_FUTURE * 1000
        for reason, out in (("late", late), ("early", early)):
            if out.any():
                left[reason] = int(out.sum())
        for start in np.unique(starts[~(late | early)]).tolist():
            here = np.flatnonzero(starts == start)
            self._put(take(columns, here), groups[here], start)
        return left

    def _put(self, columns: Columns, groups: I64, start: int) -> None:
        shares = groups // PILE_GROUPS
        if (shares == shares[0]).all():
            self._put_share(columns, groups, self._piles.setdefault((start, int(shares[0])), Pile()))
            return
        for share in np.unique(shares).tolist():
            here = np.flatnonzero(shares == share)
            pile = self._piles.setdefault((start, share), Pile())
            self._put_share(take(columns, here), groups[here], pile)

    def _put_share(self, columns: Columns, groups: I64, pile: Pile) -> None:
        owners = self._owners[groups]
        gauges = columns.kinds == Kind.GAUGE
        if not gauges.any():
            pile.add(self._cells(columns, owners, groups), None)
            return
        rows, rest = np.flatnonzero(gauges), np.flatnonzero(~gauges)
        single = Gauges(
            owners[rows],
            groups[rows],
            columns.ids[rows],
            columns.times[rows],
            columns.n[rows],
            columns.counts[rows].astype(np.float64),
            columns.low[rows],
            columns.high[rows],
        )
        pile.add(self._cells(take(columns, rest), owners[rest], groups[rest]), single)

    def _cells(self, columns: Columns, owners: I64, groups: I64) -> Cells:
        cells = cells_of(columns, owners, groups, sketches=bool(self._sketched[owners].any()))
        wanted = self._sketched[owners[cells.sketches.owners]]
        if wanted.all() and not self._bucketed:
            return cells
        # Where a rule has buckets, the number of the bucket stands in place of the bin.
        wanted &= ~np.isin(owners[cells.sketches.owners] // KINDS, self._bucketed)
        bins: list[Any] = [column[wanted] for column in cells.sketches]
        pieces = [Flat(*bins), *(self._buckets(number, columns, owners) for number in self._bucketed)]
        joined: list[Any] = [np.concatenate(column) for column in zip(*pieces, strict=True)]
        return replace(cells, sketches=flat(*joined))

    def _buckets(self, number: int, columns: Columns, owners: I64) -> Flat:
        slot = self._slots[number]
        assert slot is not None
        of_row, values, weights = timer_values(columns)
        here = np.flatnonzero(owners[of_row] // KINDS == number)
        buckets = np.searchsorted(np.array(slot.buckets), values[here])
        return Flat(of_row[here], buckets.astype(np.int16), weights[here])

    def _pairs(self, numbers: I64) -> tuple[I64, I64]:
        """Rows, and the group that each is to go to."""
        several = np.flatnonzero(numbers < -1)
        single = np.flatnonzero(numbers >= 0)
        if not len(several):
            return single, numbers[single]
        lists = [self._several[-2 - number] for number in numbers[several].tolist()]
        lengths = [len(one) for one in lists]
        rows = np.concatenate((single, np.repeat(several, lengths)))
        return rows, np.concatenate((numbers[single], np.array([one for many in lists for one in many])))

    # --- groups --------------------------------------------------------------------------

    def _learn(self, key: bytes) -> int:
        """Ask the rules for a series."""
        series = parse_key(key)
        found: list[int] = []
        for rule, numbers in self._asked:
            if rule.takes(series):
                if rule.drop:
                    break
                for number in numbers:
                    slot = self._slots[number]
                    if slot is not None and series.kind in slot.kinds:
                        found.append(self._number(number, slot, slot.header(series)))
        if len(found) < 2:
            return found[0] if found else -1
        groups = tuple(found)
        place = self._places.setdefault(groups, len(self._several))
        if place == len(self._several):
            self._several.append(groups)
        return -2 - place

    def _number(self, slot_number: int, slot: Slot, header: Header) -> int:
        known = self._numbers.get(_packed(slot_number, header))
        if known is not None:
            return known
        if self._kept[slot_number] >= slot.rule.limit:
            other = slot.other(header)
            self._over_limit += 1
            if other != header:
                known = self._numbers.get(_packed(slot_number, other))
                return self._join(slot_number, slot, other) if known is None else known
        return self._join(slot_number, slot, header)

    def _join(self, slot_number: int, slot: Slot, header: Header) -> int:
        packed, out = _packed(slot_number, header), self._make(slot, header)
        if self._free:
            number = self._free.pop()
            self._packed[number], self._outs[number] = packed, out
        else:
            number = len(self._packed)
            self._packed.append(packed)
            self._outs.append(out)
        self._numbers[packed] = number
        self._kept[slot_number] += 1
        if number >= len(self._owners):
            more = np.zeros(max(len(self._owners), 64), np.int64)
            self._owners = np.concatenate((self._owners, more))
            self._heard = np.concatenate((self._heard, more))
        self._owners[number] = slot_number * KINDS + header.kind
        self._heard[number] = self._now
        return number

    def _leave(self, number: int) -> None:
        group = self._group(number)
        del self._numbers[group.packed]
        self._packed[number], self._outs[number] = b"", None
        self._kept[group.slot] -= 1
        self._free.append(number)
        slot = self._slots[group.slot]
        if slot is not None:
            self._gone(slot, group)

    def _group(self, number: int) -> Group:
        return Group(int(self._owners[number]) // KINDS, self._packed[number], self._outs[number])

    def _forget(self) -> None:
        """Have the rules asked again for every series."""
        self._known.forget()
        self._several, self._places = [], {}

    # --- periods -------------------------------------------------------------------------

    def ended(self, now: int, since: int) -> Iterator[Ended | None]:
        """What has ended by now and was not given out as it is."""
        if self._arrivals:
            crossed = not self._every or now // self._every > self._last // self._every
            if crossed:
                piles, self._piles, self._last = self._piles, {}, now
                for pile in piles.values():
                    yield from self._ended(pile, now - self._every, now, LONG_AGO)
            return
        for start, share in sorted(self._piles):
            pile = self._piles[start, share]
            if start + self._every <= now and pile.changed:
                yield from self._ended(pile, start, start + self._every, since)

    def _ended(self, pile: Pile, start: int, end: int, since: int) -> Iterator[Ended | None]:
        for closed in pile.closed(self._headers, self._overs):
            number = closed.owner // KINDS
            slot = self._slots[number]
            whole = self._arrivals or start >= max(since, self._since[number])
            if slot is not None and whole:
                groups = closed.folded.times.tolist()
                outs = [self._outs[group] for group in groups]
                yield Ended(slot, start, end, outs, [self._packed[group] for group in groups], closed)
            yield None
        pile.sent()

    def tidy(self, now: int) -> None:
        """Let go of periods that nothing amends any more, and sometimes of idle groups."""
        if not self._arrivals:
            oldest = self.oldest(now)
            for place in [place for place in self._piles if place[0] < oldest]:
                del self._piles[place]
            self._bound(now)
        if now - self._tidied >= ROLLUP_IDLE * 1000 // 10:
            self._tidied = now
            self._leave_idle(now)

    def _bound(self, now: int) -> None:
        ended = sorted(place for place in self._piles if place[0] + self._every <= now)
        cells = sum(self._piles[place].size for place in ended)
        for place in ended:
            if cells <= self._most_cells:
                break
            cells -= self._piles.pop(place).size

    def _leave_idle(self, now: int) -> None:
        """Idle groups go when they are many or stand in the way: every series is asked for again."""
        # Longer idle than any period is kept, so that no pile speaks of them.
        most = ROLLUP_IDLE * 1000 + 2 * self._every + 2 * TICK_FUTURE * 1000
        places = np.flatnonzero(self._heard < now - most).tolist()
        idle = [number for number in places if number < len(self._packed) and self._packed[number]]
        limits = [slot.rule.limit if slot else 1 << 62 for slot in self._slots]
        full = any(kept >= limit for kept, limit in zip(self._kept, limits, strict=True))
        if idle and (full or len(idle) * 4 >= self.groups):
            for number in idle:
                self._leave(number)
            self._forget()


def _packed(slot: int, header: Header) -> bytes:
    """A group's slot and header as bytes: they take a third of what objects would."""
    return slot.to_bytes(_SLOT_BYTES, "big") + series_key(Series(header.name, header.labels, header.kind))
