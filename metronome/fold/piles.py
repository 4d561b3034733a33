"""What has come together for one period of rollups, group by group, ready to take more.

Rows are put on the pile as they come and brought together once they are many, by the algebra
of ``cells.py``: a cell's owner is the rollup (a slot and a kind), its time the number of the
group.  Gauges wait apart, each series for itself, because a group's value is that of the
latest of each: a late part may be older than what is there.

A pile remembers which groups have changed since they were sent, so that a late part has only
its own group sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from metronome.fold import distinct, sketch
from metronome.fold.cells import Cells, Header, folded_of, together
from metronome.limits import PILE_ROWS
from metronome.model import F64, I64, U64, Folded, Kind


class Gauges(NamedTuple):
    """Values of single series, as arrays of one length."""

    owners: I64
    groups: I64
    ids: U64
    times: I64
    n: F64
    counts: F64
    low: F64
    high: F64


class Closed(NamedTuple):
    """The groups of one owner that have something to say."""

    owner: int
    folded: Folded
    """Its ``times`` are the numbers of the groups."""
    over: F64
    """Of gauges: the value of each group, as its rule wants it; of other kinds empty."""


class Pile:
    """One period."""

    def __init__(self) -> None:
        self._cells: list[Cells] = []
        self._gauges: list[Gauges] = []
        self._rows = 0
        self._settled_rows = 0
        self._changed: list[I64] = []
        self._sent = False

    @property
    def size(self) -> int:
        """How many cells, gauges, bins and members it holds; what memory goes by."""
        cells = sum(
            len(one.owners)
            + len(one.sketches.owners)
            + len(one.members.owners)
            + one.members.registers.size // 64
            for one in self._cells
        )
        return cells + sum(len(one.owners) for one in self._gauges)

    @property
    def changed(self) -> bool:
        """Whether there is something to send."""
        return bool(self._changed)

    def add(self, cells: Cells | None, gauges: Gauges | None) -> None:
        """Put rows on it: ``owners`` of both are the rollups', ``times`` of cells the groups'."""
        if cells is not None and len(cells.owners):
            self._cells.append(cells)
            self._changed.append(cells.times)
            self._rows += len(cells.owners)
        if gauges is not None and len(gauges.owners):
            self._gauges.append(gauges)
            self._changed.append(gauges.groups)
            self._rows += len(gauges.owners)
        if self._rows - self._settled_rows > max(PILE_ROWS, self._settled_rows):
            self.settle()

    def settle(self) -> None:
        """Bring together what came since."""
        if len(self._cells) > 1:
            self._cells = [joined(self._cells)]
        if self._cells:
            self._cells = [together(self._cells[0], same=False)]
        if self._gauges:
            self._gauges = [latest(_chained(self._gauges))]
        if len(self._changed) > 1:
            self._changed = [np.unique(np.concatenate(self._changed))]
        self._rows = self._settled_rows = self.size

    def closed(self, headers: Sequence[Header], overs: Sequence[str]) -> list[Closed]:
        """What has changed since the last ``sent``.  ``headers`` and ``overs`` (how gauges become
        one) go by owner."""
        self.settle()
        found = []
        if self._cells:
            found += _closed(chosen(self._cells[0], self._wanted(self._cells[0].times)), np.empty(0), headers)
        if self._gauges:
            wanted = self._wanted(self._gauges[0].groups)
            if len(wanted):
                found += _closed(*grouped(_picked(self._gauges[0], wanted), overs), headers)
        return found

    def sent(self) -> None:
        """Everything that was closed has been handed on."""
        self._changed = []
        self._sent = True

    def _wanted(self, groups: I64) -> I64:
        if not self._sent:
            return np.arange(len(groups))
        return np.flatnonzero(np.isin(groups, np.concatenate(self._changed)))


def joined(pieces: Sequence[Cells]) -> Cells:
    """Cells one behind the other; at least one piece."""
    starts = np.cumsum([0, *(len(piece.owners) for piece in pieces)])[:-1].tolist()
    moved = list(zip(starts, pieces, strict=True))
    plain = ("owners", "times", "kinds", "n", "d", "counts", "sources", "low", "high", "squares")
    columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in plain}
    return Cells(
        **columns,
        sketches=sketch.Flat(
            np.concatenate([start + piece.sketches.owners for start, piece in moved]),
            np.concatenate([piece.sketches.bins for piece in pieces]),
            np.concatenate([piece.sketches.counts for piece in pieces]),
        ),
        members=distinct.Flat(
            np.concatenate([start + piece.members.owners for start, piece in moved]),
            np.concatenate([piece.members.hashes for piece in pieces]),
            np.concatenate([start + piece.members.register_owners for start, piece in moved]),
            np.concatenate([piece.members.registers for piece in pieces]),
        ),
    )


def chosen(cells: Cells, rows: I64) -> Cells:
    """Some of the cells, by their numbers in ascending order."""
    if len(rows) == len(cells.owners):
        return cells
    plain = ("owners", "times", "kinds", "n", "d", "counts", "sources", "low", "high", "squares")
    place = np.full(len(cells.owners), -1)
    place[rows] = np.arange(len(rows))
    sketches, members = cells.sketches, cells.members
    of_bins = place[sketches.owners] >= 0
    of_hashes, of_registers = place[members.owners] >= 0, place[members.register_owners] >= 0
    return replace(
        cells,
        **{name: getattr(cells, name)[rows] for name in plain},
        sketches=sketch.Flat(
            place[sketches.owners[of_bins]], sketches.bins[of_bins], sketches.counts[of_bins]
        ),
        members=distinct.Flat(
            place[members.owners[of_hashes]],
            members.hashes[of_hashes],
            place[members.register_owners[of_registers]],
            members.registers[of_registers],
        ),
    )


def latest(gauges: Gauges) -> Gauges:
    """The latest value of each series in each group, of equally late ones the last; ordered by
    owner, group and series."""
    order = np.lexsort((gauges.times, gauges.ids, gauges.groups, gauges.owners))
    rows = _picked(gauges, order)
    first = np.ones(len(order), bool)
    for column in (rows.owners, rows.groups, rows.ids):
        first[1:] &= column[1:] == column[:-1]
    first[1:] = ~first[1:]
    begins = np.flatnonzero(first)
    lasts = np.append(begins[1:], len(order)) - 1
    return Gauges(
        owners=rows.owners[lasts],
        groups=rows.groups[lasts],
        ids=rows.ids[lasts],
        times=rows.times[lasts],
        n=rows.n[lasts],
        counts=np.add.reduceat(rows.counts, begins),
        low=np.minimum.reduceat(rows.low, begins),
        high=np.maximum.reduceat(rows.high, begins),
    )


def grouped(gauges: Gauges, overs: Sequence[str]) -> tuple[Cells, F64]:
    """The cells of groups (n is the sum over the series), and each group's value as its rule
    wants it.  The gauges come from :func:`latest`, at least one."""
    first = np.ones(len(gauges.groups), bool)
    first[1:] = (gauges.groups[1:] != gauges.groups[:-1]) | (gauges.owners[1:] != gauges.owners[:-1])
    begins = np.flatnonzero(first)
    sources = np.diff(np.append(begins, len(first))).astype(np.float64)
    total = np.add.reduceat(gauges.n, begins)
    newest = np.lexsort((gauges.times, np.cumsum(first)))[np.append(begins[1:], len(first)) - 1]
    ways = {
        "sum": total,
        "mean": total / sources,
        "min": np.minimum.reduceat(gauges.n, begins),
        "max": np.maximum.reduceat(gauges.n, begins),
        "last": gauges.n[newest],
    }
    owners = gauges.owners[begins]
    over = np.empty(len(begins))
    for owner in np.unique(owners).tolist():
        over[owners == owner] = ways[overs[owner]][owners == owner]
    cells = Cells(
        owners=owners,
        times=gauges.groups[begins],
        kinds=np.full(len(begins), Kind.GAUGE, np.uint8),
        n=total,
        d=np.ones(len(begins)),
        counts=np.add.reduceat(gauges.counts, begins),
        sources=sources,
        low=np.minimum.reduceat(gauges.low, begins),
        high=np.maximum.reduceat(gauges.high, begins),
        squares=np.zeros(len(begins)),
        sketches=sketch.Flat(np.empty(0, np.int64), np.empty(0, np.int16), np.empty(0)),
        members=distinct.no_members(),
    )
    return cells, over


def _closed(cells: Cells, over: F64, headers: Sequence[Header]) -> list[Closed]:
    sketched = bool(len(cells.sketches.owners))
    answer = folded_of(cells, headers, sketches=sketched, members=False)
    ends = np.cumsum([len(folded.times) for folded in answer]).tolist()
    owners = np.unique(cells.owners).tolist()
    return [
        Closed(owner, folded, over[end - len(folded.times) : end])
        for owner, folded, end in zip(owners, answer, ends, strict=True)
    ]


def _picked(gauges: Gauges, rows: I64) -> Gauges:
    columns: list[Any] = [column[rows] for column in gauges]
    return Gauges(*columns)


def _chained(pieces: Sequence[Gauges]) -> Gauges:
    if len(pieces) == 1:
        return pieces[0]
    columns: list[Any] = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    return Gauges(*columns)
