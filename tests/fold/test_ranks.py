"""Quantiles of many rows at once against the one-row sketch and against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold import sketch
from metronome.fold.columns import no_rows
from metronome.fold.ranks import counts_in, quantiles_of
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Columns, parse_key

QUANTILES = (0.0, 0.5, 0.9, 1.0)


def folded(values: dict[str, list[int]], timer_samples: int) -> Columns:
    table = Table(timer_samples=timer_samples)
    for name, samples in values.items():
        for value in samples:
            table.feed_statsd(f"{name}:{value}|ms".encode(), Dialect())
    return table.flush(0, 10.0)


TIMERS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(0, 1000), min_size=1, max_size=30), max_size=4
)


@given(TIMERS)
def test_exact_from_samples(values: dict[str, list[int]]) -> None:
    """The sample at rank q * (n - 1), for each row on its own."""
    columns = folded(values, 1000)
    found = quantiles_of(columns, QUANTILES)
    for row in range(len(columns)):
        samples = sorted(values[parse_key(columns.key(row)).name])
        expected = [samples[math.floor(q * (len(samples) - 1) + 1e-9)] for q in QUANTILES]
        assert found[row].tolist() == expected


@given(TIMERS)
def test_like_the_sketch(values: dict[str, list[int]]) -> None:
    """From bins the same as the sketch of each row says."""
    columns = folded(values, 2)
    found = quantiles_of(columns, QUANTILES)
    for row in range(len(columns)):
        bins, counts = columns.bins.row(row), columns.bin_counts.row(row)
        if not len(bins):
            continue
        low, high = float(columns.low[row]), float(columns.high[row])
        for place, q in enumerate(QUANTILES[1:3], 1):
            assert found[row, place] == pytest.approx(sketch.quantile(bins, counts, q, low, high))


def test_weights() -> None:
    """A sample that stands for many weighs as many."""
    table = Table()
    table.feed_statsd(b"a:1|ms|@0.1\na:100|ms", Dialect())
    assert quantiles_of(table.flush(0, 10.0), (0.5, 0.95, 1.0)).tolist() == [[1.0, 1.0, 100.0]]


def test_rows_without_samples() -> None:
    """Counters have no quantiles, and no rows have none."""
    table = Table()
    table.feed_statsd(b"a:1|c\nb:5|ms", Dialect())
    columns = table.flush(0, 10.0)
    found = dict(
        zip(
            [parse_key(columns.key(row)).name for row in range(2)], quantiles_of(columns, (0.5,)), strict=True
        )
    )
    assert np.isnan(found["a"][0])
    assert found["b"][0] == 5
    assert quantiles_of(no_rows(), (0.5,)).shape == (0, 1)


@given(TIMERS, st.sampled_from([3, 1000]))
def test_buckets_count_everything_once(values: dict[str, list[int]], timer_samples: int) -> None:
    """At or below each limit and above the one before; exact from samples, by their middles from bins."""
    limits = (0.0, 99.5, 100.0, 500.0)
    columns = folded(values, timer_samples)
    found = counts_in(columns, limits)
    for row in range(len(columns)):
        samples = values[parse_key(columns.key(row)).name]
        assert found[row].sum() == len(samples)
        if len(samples) <= timer_samples:
            below = [sum(value <= limit for value in samples) for limit in (*limits, math.inf)]
            assert np.cumsum(found[row]).tolist() == below


def test_buckets_of_weighted_samples() -> None:
    """Each sample counts 1/rate; of no rows there are none."""
    table = Table()
    table.feed_statsd(b"a:1:2|ms|@0.1\na:3|ms\nb:9|c", Dialect())
    assert counts_in(table.flush(0, 10.0), (1.0, 2.5)).tolist() == [[10, 10, 1], [0, 0, 0]]
    assert counts_in(no_rows(), (1.0,)).shape == (0, 2)
