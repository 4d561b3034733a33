"""Moving rows of columns about."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold import columns as moving
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
