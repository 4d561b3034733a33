"""statsd's numbers for timers where its own cases do not reach, one by one and many at once."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.columns import join
from metronome.fold.rollup import compact
from metronome.fold.sketch import sketch_of
from metronome.fold.statsd_timers import (
    SketchedTimer,
    columns_of_timers,
    is_wanted,
    per_second,
    sketched_timer_stats,
    timer_stats,
)
from metronome.kernel import hash64
from metronome.model import F64, Columns, Kind
from metronome.wire.records import Row, columns_of

THRESHOLDS = (50, 90, 99.9, -10, -0.5, 100, -100)


def values(seed: int, number: int) -> F64:
    return np.random.default_rng(seed).lognormal(4, 1, number)


def sketched(samples: F64, rate: float = 1.0) -> SketchedTimer:
    """The timer that these samples make when they are more than are kept."""
    weight = 1 / rate
    return SketchedTimer(
        *sketch_of(samples, np.full(len(samples), weight)),
        number=len(samples),
        n=float(samples.sum()) * weight,
        d=len(samples) * weight,
        low=float(samples.min()),
        high=float(samples.max()),
        squares=float((samples * samples).sum()) * weight,
    )


@pytest.mark.parametrize("rate", [1.0, 0.1])
@pytest.mark.parametrize("number", [1, 2, 7, 5000])
def test_sketched_timer_is_near_the_exact_one(number: int, rate: float) -> None:
    """A timer beyond the samples kept has the same numbers within the sketch's error; what
    needs no order is exact."""
    samples = values(number, number)
    limits = (20, 100, inf)
    exact = timer_stats(samples, number / rate, 10, THRESHOLDS, limits)
    near = sketched_timer_stats(sketched(samples, rate), 10, THRESHOLDS, limits)
    assert set(near) == set(exact)
    for name, value in near.items():
        if "histogram" in name:
            assert value == pytest.approx(exact[name], abs=0.02 * number)
        elif name in ("lower", "upper", "count", "count_ps", "sum", "sum_squares", "mean", "std"):
            assert value == pytest.approx(exact[name], rel=1e-6, abs=1e-6)
        else:
            # A median of two samples is between them; a sketch gives one of them.
            error = 0.5 if number == 2 and name == "median" else 0.021
            assert value == pytest.approx(exact[name], rel=error), name


def test_every_sample_from_the_top() -> None:
    """The highest 100 percent are all samples, where statsd itself says NaN."""
    numbers = timer_stats(np.array([1.0, 2.0, 3.0]), 3, 10, (-100,))
    assert (numbers["sum_top100"], numbers["mean_top100"], numbers["lower_top100"]) == (6, 2, 1)


def test_threshold_that_takes_nothing_is_left_out() -> None:
    """0.5 percent of six samples rounds to none."""
    assert not [name for name in timer_stats(values(0, 6), 6, 10, (0.5,)) if name.endswith("0_5")]


def test_order_and_input_stay() -> None:
    """Samples may come in any order and are left as they came."""
    samples = np.array([3.0, 1.0, 2.0])
    samples.flags.writeable = False
    assert timer_stats(samples, 3, 10, (90,)) == timer_stats(np.array([1.0, 2.0, 3.0]), 3, 10, (90,))
    assert samples.tolist() == [3.0, 1.0, 2.0]


def test_numbers_that_are_asked_for() -> None:
    """Thresholds that are whole numbers go by one word."""
    names = ["mean", "mean_90", "mean_99_9", "upper_top5", "histogram.bin_5"]
    percents = ("mean_percent", "upper_percent")
    assert [name for name in names if is_wanted(name, percents)] == ["mean_90", "upper_top5"]
    assert [name for name in names if is_wanted(name, ("mean", "histogram"))] == ["mean", "histogram.bin_5"]
    assert all(is_wanted(name, ()) for name in names)


def test_rates() -> None:
    """A period without length has none."""
    rates = per_second(np.array([20.0, 1.0]), np.array([10.0, 0.0]))
    assert rates[0] == 2
    assert isnan(rates[1])


def timers(*rows: list[float]) -> Columns:
    """Timers of these samples, each of a series of its own."""
    return columns_of(
        [
            Row(b"tx%d" % number, hash64(b"tx%d" % number), Kind.TIMER, 0, 10.0, len(row), sum(row),
                float(len(row)), min(row, default=0.0), max(row, default=0.0), 0.0, row)
            for number, row in enumerate(rows)
        ]
    )  # fmt: skip


@given(
    st.lists(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12), min_size=1, max_size=12),
    st.lists(st.sampled_from(THRESHOLDS), unique=True),
)
def test_many_at_once(rows: list[list[float]], thresholds: list[float]) -> None:
    """Every timer has the numbers that it has by itself, to the last digit."""
    limits = (-5.0, 100.0, inf)
    found = columns_of_timers(timers(*rows), thresholds, limits)
    for place, row in enumerate(rows):
        mine = {name: float(column[place]) for name, column in found.items() if not isnan(column[place])}
        assert mine == timer_stats(np.array(row), len(row), 10.0, thresholds, limits)


def test_more_samples_than_are_worked_out_at_once() -> None:
    """Many long timers of one length."""
    rows = np.random.default_rng(3).lognormal(4, 1, (150, 900))
    found = columns_of_timers(timers(*rows.tolist()), (90,), ())
    for place in (0, 71, 72, 149):
        assert found["sum_90"][place] == timer_stats(rows[place], 900, 10.0, (90,))["sum_90"]


def test_sketched_ones_among_others() -> None:
    """Rows in bins have the numbers of their sketch; a row that has nothing has its counts only."""
    samples = values(1, 3000)
    dense = compact([("g", 0, timers(samples.tolist()))], 0)
    columns = join([timers([1.0, 3.0]), replace(dense, counts=np.array([3000], np.uint32))])
    columns = replace(columns, d=np.array([2.0, 3000.0]), n=np.array([4.0, samples.sum()]))
    found = columns_of_timers(columns, (90,), ())
    assert found["mean"].tolist() == [2.0, samples.sum() / 3000]
    assert found["upper_90"][1] == pytest.approx(np.sort(samples)[2699], rel=0.01)
    assert found["count_ps"].tolist() == [0.2, 300.0]
    empty = columns_of_timers(join([timers([1.0]), compact([("g", 0, timers([]))], 0)]), (90,), ())
    assert [name for name, column in empty.items() if not isnan(column[1])] == ["count", "count_ps"]
