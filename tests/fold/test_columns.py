"""Moving rows of columns about."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold import columns as moving
from metronome.kernel import pack
from metronome.model import Columns, Kind, Ragged, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.fold.oracle import PARTS, columns


def as_rows(one: Columns) -> list[list[Any]]:
    """Each row as a list of plain values."""
    return [
        [
            value.row(index).tolist() if isinstance(value, Ragged) else value[index].item()
            for value in (getattr(one, field.name) for field in fields(one))
        ]
        for index in range(len(one))
    ]


MANY = st.lists(PARTS, max_size=6).map(columns)


@given(MANY, st.data())
def test_take_is_indexing(one: Columns, data: st.DataObject) -> None:
    """Rows come in the order asked for, as often as asked for."""
    rows = data.draw(st.lists(st.integers(0, len(one) - 1), max_size=8)) if len(one) else []
    taken = moving.take(one, np.array(rows, np.int64))
    everything = as_rows(one)
    assert as_rows(taken) == [everything[row] for row in rows]
    assert moving.keys_of(one, np.array(rows, np.int64)) == [one.key(row) for row in rows]


def test_all_rows_are_not_copied() -> None:
    """Taking every row in order is free."""
    one = columns_of([Row(b"ca", 1, Kind.COUNTER, 0, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 0.0, ())] * 3)
    assert moving.take(one, np.arange(3)) is one


@given(st.lists(MANY, max_size=4))
def test_join_is_concatenation(pieces: list[Columns]) -> None:
    """Joined columns have the rows of all pieces one after the other; weights of 1 are
    written out only where another piece has other ones."""
    joined = moving.join(pieces)
    expected = [row for piece in pieces for row in as_rows(piece)]
    place = [field.name for field in fields(Columns)].index("weights")
    if len(joined.weights.ends):
        for row in expected:
            row[place] = row[place] or [1.0] * len(row[place - 1])
    assert as_rows(joined) == expected


@given(st.lists(st.integers(0, 3), max_size=6))
def test_ragged_and_owners_are_the_same(lengths: list[int]) -> None:
    """A flat array with owners becomes a ragged one and back."""
    owners = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    ragged = moving.ragged_of(owners, np.arange(len(owners)), len(lengths))
    assert [len(ragged.row(index)) for index in range(len(lengths))] == lengths
    assert moving.owners_of(ragged, len(lengths)).tolist() == owners.tolist()
    assert moving.lengths_of(ragged, len(lengths)).tolist() == lengths


def test_no_rows_has_every_column() -> None:
    """Columns without rows are those of no rows to encode."""
    ours, theirs = moving.no_rows(), columns_of([])
    for field in fields(Columns):
        one, two = getattr(ours, field.name), getattr(theirs, field.name)
        one, two = (value.flat if isinstance(value, Ragged) else value for value in (one, two))
        assert (len(one), one.dtype) == (0, two.dtype)


def test_weights_join_samples_without_weights() -> None:
    """A piece whose samples all count 1 says so once it stands beside weighted ones."""
    key = series_key(Series("t", (), Kind.TIMER))
    plain = columns_of([Row(key, 1, Kind.TIMER, 0, 10.0, 2, 3.0, 2.0, 1.0, 2.0, 5.0, [1.0, 2.0])])
    weighted = replace(plain, weights=Ragged(plain.samples.ends, np.array([10.0, 4.0])))
    assert moving.join([plain, weighted]).weights.flat.tolist() == [1.0, 1.0, 10.0, 4.0]


def packed(*bunches: list[tuple[int, float]]) -> Columns:
    """A gauge for each bunch of points, packed but for single ones; the last of them named again."""
    rows = []
    for number, bunch in enumerate(bunches):
        key = series_key(Series(f"g{number}", (), Kind.GAUGE))
        values = [value for _, value in bunch]
        time, n = bunch[-1]
        rows.append(
            Row(key, number, Kind.GAUGE, time, 0.0, len(bunch), n, 1.0, min(values), max(values), 0.0, ())
        )
    several = [bunch if len(bunch) > 1 else [] for bunch in bunches]
    points = [point for bunch in several for point in bunch]
    packs = pack(list(map(len, several)), [time for time, _ in points], [value for _, value in points])
    return replace(columns_of(rows), packs=packs)


MIXED = packed([(1, 1.0), (5, 3.0), (5, 2.0)], [(4, 7.0)], [(2, 0.5), (9, 0.25)])


def points_of(one: Columns) -> list[tuple[int, int, float, int]]:
    """Series, time, value and number of points of each row."""
    columns = (one.ids, one.times, one.n, one.counts)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_packs_are_taken_apart_where_they_stand() -> None:
    """All of them, or the chosen ones; a row's own numbers become those of its points."""
    apart = moving.expanded(MIXED)
    assert points_of(apart) == [
        (0, 1, 1.0, 1),
        (0, 5, 3.0, 1),
        (0, 5, 2.0, 1),
        (1, 4, 7.0, 1),
        (2, 2, 0.5, 1),
        (2, 9, 0.25, 1),
    ]
    assert apart.low.tolist() == apart.high.tolist() == apart.n.tolist()
    assert [apart.key(row) for row in range(6)] == [b"gg0"] * 3 + [b"gg1"] + [b"gg2"] * 2
    assert not len(apart.packs.ends)
    some = moving.expanded(MIXED, np.array([False, True, True]))
    assert points_of(some) == [(0, 5, 2.0, 3), (1, 4, 7.0, 1), (2, 2, 0.5, 1), (2, 9, 0.25, 1)]
    assert points_of(moving.expanded(some)) == points_of(apart)
    assert moving.expanded(MIXED, np.zeros(3, bool)) is MIXED
    assert points_of(moving.unpacked(MIXED)) == points_of(MIXED)
    assert moving.expanded(moving.unpacked(MIXED)).counts.tolist() == [3, 1, 2]


def test_pieces_of_points_are_bounded() -> None:
    """By the points that they become; a row's points stay together."""
    for most, sizes in ((1, [3, 1, 2]), (4, [4, 2]), (100, [6])):
        pieces = list(moving.expanded_pieces(MIXED, most))
        assert [len(piece) for piece in pieces] == sizes
        assert points_of(moving.join(pieces)) == points_of(moving.expanded(MIXED))
    assert [len(piece) for piece in moving.expanded_pieces(moving.unpacked(MIXED), 2)] == [2, 1]
    assert list(moving.expanded_pieces(moving.no_rows(), 5)) == []


def test_a_time_takes_whole_packs_and_parts_of_others() -> None:
    """So nothing of what is left lies outside."""
    assert moving.first_times(MIXED).tolist() == [1, 4, 2]
    assert moving.first_times(moving.unpacked(MIXED)).tolist() == [5, 4, 9]
    assert points_of(moving.within(MIXED, 1, 6)) == [(0, 5, 2.0, 3), (1, 4, 7.0, 1), (2, 2, 0.5, 1)]
    assert points_of(moving.within(MIXED, 2, 10)) == [
        (0, 5, 3.0, 1),
        (0, 5, 2.0, 1),
        (1, 4, 7.0, 1),
        (2, 9, 0.25, 2),
    ]
    assert points_of(moving.within(MIXED, 6, 9)) == []


def test_packs_are_joined_and_cut_with_their_rows() -> None:
    """As every other column."""
    joined = moving.join([MIXED, moving.unpacked(MIXED).cut(1, 2), MIXED])
    assert points_of(moving.expanded(joined)) == [
        *points_of(moving.expanded(MIXED)),
        (1, 4, 7.0, 1),
        *points_of(moving.expanded(MIXED)),
    ]
    assert points_of(moving.expanded(joined.cut(4, 6))) == points_of(moving.expanded(MIXED.cut(0, 2)))
