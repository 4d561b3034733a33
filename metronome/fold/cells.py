"""The algebra: what lies in one cell, an owner at a time, and how cells come together.

An owner is a series, or a group of series, always of one kind; a cell is an owner and a
time.  When cells come together

- n, d, squares and counts add up, low and high are the extremes, sketches merge and sets
  unite;
- gauges of *one* series do not add: the latest stands, by (time, order of the cells); of
  several series they add up, so ``sources`` counts the series behind a cell.

Each of these is associative and commutative, and no cells at all are the identity; that is
what lets parts be folded in any grouping by gateways, stores and the journal's reader.

A few words on what a result says: d of a gauge and of a set is 1; n, low and high of a set
are the distinct count, which cannot be added and so is worked out by :func:`settled` last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from metronome.fold import distinct, sketch
from metronome.fold.columns import lengths_of, owners_of
from metronome.model import F64, I16, I64, U8, U64, Columns, Folded, Kind, Labels

_SPARSE: Final = 8
"""Room that is looked through for each value, when values are numbered by counting."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells as arrays of one length.

    ``sketches`` and ``members`` are owned by the numbers of the cells.  Pairs of owner and
    time may repeat and stand in any order until the cells have been brought
    :func:`together`.
    """

    owners: I64
    times: I64
    kinds: U8
    n: F64
    d: F64
    counts: F64
    sources: F64
    low: F64
    high: F64
    squares: F64
    sketches: sketch.Flat
    members: distinct.Flat


class Header(NamedTuple):
    """What an owner is called in an answer; answers are ordered by it."""

    labels: Labels
    kind: Kind
    name: str = ""


def cells_of(columns: Columns, owners: I64, times: I64, *, sketches: bool) -> Cells:
    """One cell for each row of columns.  ``sketches`` costs, so it has to be asked for."""
    rows = len(columns)
    return Cells(
        owners=owners,
        times=times,
        kinds=columns.kinds,
        n=columns.n,
        d=columns.d,
        counts=columns.counts.astype(np.float64),
        sources=np.ones(rows),
        low=columns.low,
        high=columns.high,
        squares=columns.squares,
        sketches=_sketches_of(columns) if sketches else no_sketches(),
        members=_members_of(columns),
    )


def no_sketches() -> sketch.Flat:
    """Sketches of nobody."""
    return sketch.Flat(np.empty(0, np.int64), np.empty(0, np.int16), np.empty(0))


def _sketches_of(columns: Columns) -> sketch.Flat:
    rows = len(columns)
    samples: F64 = np.asarray(columns.samples.flat, np.float64)
    bins: I16 = np.asarray(columns.bins.flat, np.int16)
    weights = columns.weights.flat if len(columns.weights.ends) else np.ones(len(samples))
    return sketch.flat(
        np.concatenate((owners_of(columns.samples, rows), owners_of(columns.bins, rows))),
        np.concatenate((sketch.bins_of(samples), bins)),
        np.concatenate((weights, columns.bin_counts.flat)).astype(np.float64),
    )


def _members_of(columns: Columns) -> distinct.Flat:
    rows = len(columns)
    hashes: U64 = np.asarray(columns.hashes.flat, np.uint64)
    registers: U8 = np.asarray(columns.registers.flat, np.uint8)
    return distinct.Flat(
        owners_of(columns.hashes, rows),
        hashes,
        np.flatnonzero(lengths_of(columns.registers, rows)),
        registers.reshape(-1, distinct.REGISTERS),
    )


def targets(owners: I64, times: I64) -> tuple[I64, I64, I64]:
    """Number the distinct pairs of owner and time, ascending.

    Gives the owner and the time of each pair, and for each item the number of its pair.
    """
    present, owner = numbered(owners)
    moments, moment = numbered(times)
    span = max(len(moments), 1)
    codes, target = numbered(owner * span + moment)
    return present[codes // span], moments[codes % span], target


def numbered(values: I64) -> tuple[I64, I64]:
    """The distinct values, ascending, and for each value its number among them.

    ``np.unique`` sorts; where the values lie close together, counting them is ten times as fast.
    """
    if not len(values):
        return values, values
    low = int(values.min())
    room = int(values.max()) - low + 1
    if room > _SPARSE * len(values):
        return np.unique(values, return_inverse=True)
    there = np.zeros(room, bool)
    there[values - low] = True
    number = np.cumsum(there) - 1
    return np.flatnonzero(there) + low, number[values - low]


def together(cells: Cells, *, same: bool, when: I64 | None = None) -> Cells:
    """Bring the cells of one owner and time together; the result is ordered by both.

    ``same``: all cells of an owner are of one series, so the latest gauge stands: the one of
    the greatest ``when``, of equals the last in order.  Else the gauges add up.
    """
    owners, times, target = targets(cells.owners, cells.times)
    size = len(owners)

    def added(values: F64) -> F64:
        return np.bincount(target, weights=values, minlength=size).astype(np.float64)

    def most(values: F64) -> F64:
        out = np.full(size, -np.inf)
        np.maximum.at(out, target, values)
        return out

    kinds = np.zeros(size, np.uint8)
    kinds[target] = cells.kinds
    n = added(cells.n)
    if same:
        latest = _latest(target, np.zeros(len(target), np.int64) if when is None else when, size)
        n = np.where(kinds == Kind.GAUGE, cells.n[latest], n)
    # Sets without members have only a number to offer; of several, the union has at least
    # the greatest.
    n = np.where(kinds == Kind.SET, most(cells.n), n)
    return Cells(
        owners=owners,
        times=times,
        kinds=kinds,
        n=n,
        d=np.where((kinds == Kind.GAUGE) | (kinds == Kind.SET), 1.0, added(cells.d)),
        counts=added(cells.counts),
        sources=most(cells.sources) if same else added(cells.sources),
        low=-most(-cells.low),
        high=most(cells.high),
        squares=added(cells.squares),
        sketches=sketch.flat(target[cells.sketches.owners], cells.sketches.bins, cells.sketches.counts),
        members=distinct.unite(
            cells.members._replace(
                owners=target[cells.members.owners],
                register_owners=target[cells.members.register_owners],
            )
        ),
    )


def _latest(target: I64, when: I64, size: int) -> I64:
    """For each target the number of its latest item; of equally late ones the last."""
    newest = np.full(size, np.iinfo(np.int64).min)
    np.maximum.at(newest, target, when)
    late = np.flatnonzero(when == newest[target])
    latest = np.zeros(size, np.int64)
    np.maximum.at(latest, target[late], late)
    return latest


def settled(cells: Cells) -> Cells:
    """Work out the distinct counts, now that nothing more will be united."""
    sets = cells.kinds == Kind.SET
    if not sets.any():
        return cells
    members = cells.members
    numbers = np.bincount(members.owners, minlength=len(sets)).astype(np.float64)
    nothing = np.empty(0, np.uint64)
    for owner, registers in zip(members.register_owners.tolist(), members.registers, strict=True):
        numbers[owner] = distinct.estimate(nothing, registers)
    n = np.where(sets & (numbers > 0), numbers, cells.n)
    return replace(cells, n=n, low=np.where(sets, n, cells.low), high=np.where(sets, n, cells.high))


def folded_of(cells: Cells, headers: Sequence[Header], *, sketches: bool, members: bool) -> list[Folded]:
    """Cells, ordered by owner and time, as one answer for each owner that has some."""
    cells = settled(cells)
    size = len(cells.owners)
    all_sketches = _sketch_list(cells.sketches, size) if sketches else []
    all_members = _member_list(cells.members, size) if members else []
    present, begins = np.unique(cells.owners, return_index=True)
    ends = np.append(begins, size)[1:]
    answer = []
    for owner, begin, end in zip(present.tolist(), begins.tolist(), ends.tolist(), strict=True):
        header = headers[owner]
        answer.append(
            Folded(
                labels=header.labels,
                kind=header.kind,
                times=cells.times[begin:end],
                n=cells.n[begin:end],
                d=cells.d[begin:end],
                counts=cells.counts[begin:end],
                sources=cells.sources[begin:end],
                low=cells.low[begin:end],
                high=cells.high[begin:end],
                squares=cells.squares[begin:end],
                sketches=all_sketches[begin:end],
                members=all_members[begin:end],
                name=header.name,
            )
        )
    return answer


def _sketch_list(flat: sketch.Flat, size: int) -> list[sketch.Sketch]:
    bounds = np.searchsorted(flat.owners, np.arange(size + 1)).tolist()
    return [(flat.bins[begin:end], flat.counts[begin:end]) for begin, end in pairwise(bounds)]


def _member_list(flat: distinct.Flat, size: int) -> list[distinct.Members]:
    bounds = np.searchsorted(flat.owners, np.arange(size + 1)).tolist()
    nothing = np.empty(0, np.uint8)
    answer = [(flat.hashes[begin:end], nothing) for begin, end in pairwise(bounds)]
    for owner, registers in zip(flat.register_owners.tolist(), flat.registers, strict=True):
        answer[owner] = (np.empty(0, np.uint64), registers)
    return answer


def cells_of_folded(groups: Sequence[Folded], owners: I64) -> Cells:
    """The cells of answers, one owner for each answer; there must be at least one."""
    lengths = [len(group.times) for group in groups]
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    return Cells(
        owners=np.repeat(owners, lengths),
        times=np.concatenate([group.times for group in groups]),
        kinds=np.repeat(np.array([group.kind for group in groups], np.uint8), lengths),
        n=np.concatenate([group.n for group in groups]),
        d=np.concatenate([group.d for group in groups]),
        counts=np.concatenate([group.counts for group in groups]),
        sources=np.concatenate([group.sources for group in groups]),
        low=np.concatenate([group.low for group in groups]),
        high=np.concatenate([group.high for group in groups]),
        squares=np.concatenate([group.squares for group in groups]),
        sketches=_flat_sketches(
            [
                (start + step, one)
                for start, group in zip(starts, groups, strict=True)
                for step, one in enumerate(group.sketches)
            ]
        ),
        members=_flat_members(
            [
                (start + step, one)
                for start, group in zip(starts, groups, strict=True)
                for step, one in enumerate(group.members)
            ]
        ),
    )


def _flat_sketches(sketches: list[tuple[int, sketch.Sketch]]) -> sketch.Flat:
    if not sketches:
        return no_sketches()
    owners = np.array([cell for cell, _ in sketches], np.int64)
    return sketch.Flat(
        np.repeat(owners, [len(bins) for _, (bins, _) in sketches]),
        np.concatenate([bins for _, (bins, _) in sketches]),
        np.concatenate([counts for _, (_, counts) in sketches]),
    )


def _flat_members(members: list[tuple[int, distinct.Members]]) -> distinct.Flat:
    if not members:
        return distinct.no_members()
    full = [(cell, registers) for cell, (_, registers) in members if len(registers)]
    return distinct.Flat(
        np.repeat(np.array([cell for cell, _ in members], np.int64), [len(one) for _, (one, _) in members]),
        np.concatenate([one for _, (one, _) in members]),
        np.array([cell for cell, _ in full], np.int64),
        np.array([registers for _, registers in full], np.uint8).reshape(-1, distinct.REGISTERS),
    )
