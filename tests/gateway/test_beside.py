"""What stands beside the values of series."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.gateway.beside import COUNTER, HISTOGRAM, SUMMARY, Beside, Manner, Spread


def test_widths() -> None:
    """A count and the quantiles; each bucket and what is above them all; nothing."""
    manners = [Manner(SUMMARY, quantiles=(0.5,)), Manner(HISTOGRAM, buckets=(1.0, 2.0)), Manner(COUNTER)]
    assert [manner.width for manner in manners] == [2, 3, 0]
    assert [Manner(HISTOGRAM, schema=schema).native for schema in (-4, 5)] == [True, True]
    assert not manners[1].native


def test_rows_beside_are_used_again() -> None:
    """And are zeros when they are."""
    beside = Beside(2)
    rows = beside.take(3)
    beside.values[rows] = 7
    beside.give_back(rows[1:])
    again = beside.take(3)
    assert sorted(again.tolist()) == [1, 2, 3]
    assert beside.values[again].tolist() == [[0, 0]] * 3
    assert beside.values[0].tolist() == [7, 7]


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-6300, 6300) | st.integers(-2, 2), st.integers(1, 9))
)


@given(st.lists(st.tuples(st.booleans(), ROWS), max_size=6))
def test_counts_by_series_and_bucket(turns: list[tuple[bool, list[tuple[int, int, int]]]]) -> None:
    """As a dictionary has them, in the order of the buckets, until a series is removed."""
    spread, plain = Spread(), dict[tuple[int, int], float]()
    for adding, rows in turns:
        numbers, codes, counts = (np.array([row[at] for row in rows], np.int64) for at in range(3))
        if adding:
            spread.add(numbers, codes, counts.astype(np.float64))
            for number, code, count in rows:
                plain[number, code] = plain.get((number, code), 0) + count
        else:
            gone = np.unique(numbers)
            spread.remove(gone)
            plain = {key: count for key, count in plain.items() if key[0] not in gone.tolist()}
        asked = np.array([5, 3, 0, 1, 9], np.int64)
        owners, found, counted = spread.of(asked)
        expected = [
            (at, code, plain[number, code])
            for at, number in enumerate(asked.tolist())
            for code in sorted(code for one, code in plain if one == number)
        ]
        assert list(zip(owners.tolist(), found.tolist(), counted.tolist(), strict=True)) == expected


def test_what_a_bucket_costs() -> None:
    """30 bytes, and what arrays grow ahead."""
    spread = Spread()
    for begin in range(0, 1000, 100):
        numbers = np.repeat(np.arange(begin, begin + 100), 50)
        spread.add(numbers, np.tile(np.arange(4000, 4050), 100), np.ones(5000))
    assert spread.memory < 50_000 * 30 * 1.5
