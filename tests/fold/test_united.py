"""Rows of one flush united: the same as if one table had folded all samples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.columns import join, no_rows
from metronome.fold.united import united
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Columns, Kind, parse_key

START_MS = 1_700_000_000_000


def folded(*lines: str, timer_samples: int = 1000, set_members: int = 4096) -> Columns:
    """What one table makes of some lines."""
    table = Table(timer_samples=timer_samples, set_members=set_members)
    for line in lines:
        table.feed_statsd(line.encode(), Dialect())
    return table.flush(START_MS, 10.0)


def unite(*pieces: Columns) -> dict[str, tuple[Columns, int]]:
    """Name to where its row is."""
    columns = join(pieces)
    rows = united(columns, columns.times)
    return {parse_key(rows.key(place)).name: (rows, place) for place in range(len(rows))}


def numbers(rows: Columns, place: int) -> tuple[float, ...]:
    return tuple(float(column[place]) for column in (rows.n, rows.d, rows.low, rows.high, rows.squares))


SAMPLES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.sampled_from(["c", "ms", "s", "ms|@0.5"])),
    max_size=30,
)


def lines_of(samples: list[tuple[str, int, str]]) -> Iterator[str]:
    return (f"{name}{kind[0]}:{value}|{kind}" for name, value, kind in samples)


@given(st.lists(SAMPLES, min_size=1, max_size=4), st.sampled_from([1000, 3]), st.sampled_from([4096, 2]))
def test_as_if_folded_in_one_table(parts: list[list[tuple[str, int, str]]], kept: int, members: int) -> None:
    """However samples are spread over tables, the united rows are those of one table."""
    limits = {"timer_samples": kept, "set_members": members}
    one = unite(folded(*(line for part in parts for line in lines_of(part))))
    many = unite(*(folded(*lines_of(part), **limits) for part in parts))
    assert many.keys() == one.keys()
    for name, (rows, place) in many.items():
        whole, there = one[name]
        if rows.kinds[place] == Kind.SET:
            assert rows.n[place] == pytest.approx(whole.n[there], rel=0.1)
            continue
        if rows.kinds[place] == Kind.COUNTER:
            assert numbers(rows, place)[:2] == numbers(whole, there)[:2]
            continue
        assert numbers(rows, place) == pytest.approx(numbers(whole, there))
        if len(rows.samples.row(place)):
            assert sorted(rows.samples.row(place)) == sorted(whole.samples.row(there))
            assert not len(rows.bins.row(place))
        elif rows.kinds[place] == Kind.TIMER:
            assert rows.bin_counts.row(place).sum() == pytest.approx(float(rows.d[place]))
            assert (np.diff(rows.bins.row(place)) > 0).all()


def test_latest_gauge_stands() -> None:
    """Of a gauge the latest row stands, and its extremes are of all."""
    rows, place = unite(folded("g:5|g"), folded("g:9|g"), folded("g:2|g"))["g"]
    assert numbers(rows, place) == (2, 1, 2, 9, 0)


def test_members_are_counted_once() -> None:
    """Exact sets unite exactly."""
    rows, place = unite(folded("s:a|s", "s:b|s"), folded("s:b|s", "s:c|s"))["s"]
    assert rows.n[place] == 3
    assert len(rows.hashes.row(place)) == 3


def test_stamps_keep_rows_apart() -> None:
    """Rows of one series at different stamps stay apart, ordered by stamp."""
    columns = join([folded("a:1|c", "b:1|c"), folded("a:2|c"), folded("a:4|c")])
    rows = united(columns, np.array([20, 20, 10, 20]))
    found = [
        (int(time), parse_key(rows.key(place)).name, n)
        for place, (time, n) in enumerate(zip(rows.times, rows.n, strict=True))
    ]
    assert found[0] == (10, "a", 2)
    assert sorted(found[1:]) == [(20, "a", 5), (20, "b", 1)]


def test_nothing() -> None:
    """No rows are no rows."""
    assert len(united(no_rows(), np.empty(0, np.int64))) == 0
