"""Stats as they are asked for, and their values for each kind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metronome.fold.sketch import sketch_of
from metronome.fold.stat import Stat, default_stat, evaluate, needs_members, needs_sketches, parse_stat
from metronome.model import Folded, Kind

NAN = math.nan


def folded(kind: Kind) -> Folded:
    """Two steps: 1, 2, 3, 4 and 10 as a timer; other kinds have what fits them."""
    timer = kind is Kind.TIMER
    return Folded(
        labels=(),
        kind=kind,
        times=np.array([0, 10_000]),
        n=np.array([10.0, 10.0]),
        d=np.array([4.0, 1.0]) if kind in (Kind.TIMER, Kind.COUNTER) else np.ones(2),
        counts=np.array([4.0, 1.0]),
        sources=np.array([2.0, 1.0]),
        low=np.array([1.0, 10.0]),
        high=np.array([4.0, 10.0]),
        squares=np.array([30.0, 100.0]),
        sketches=[sketch_of(np.array([1.0, 2.0, 3.0, 4.0])), sketch_of(np.array([10.0]))] if timer else [],
        members=[],
    )


@pytest.mark.parametrize(
    ("text", "counter", "gauge", "timer", "set_"),
    [
        ("n", (10, 10), (10, 10), (10, 10), (10, 10)),
        ("d", (4, 1), (1, 1), (4, 1), (1, 1)),
        ("count", (10, 10), (NAN, NAN), (4, 1), (10, 10)),
        ("rate", (1, 1), (NAN, NAN), (0.4, 0.1), (NAN, NAN)),
        ("mean", (2.5, 10), (5, 10), (2.5, 10), (NAN, NAN)),
        ("last", (NAN, NAN), (10, 10), (NAN, NAN), (NAN, NAN)),
        ("min", (1, 10), (1, 10), (1, 10), (NAN, NAN)),
        ("max", (4, 10), (4, 10), (4, 10), (NAN, NAN)),
        ("sum", (10, 10), (10, 10), (10, 10), (NAN, NAN)),
        ("std", (NAN, NAN), (NAN, NAN), (math.sqrt(1.25), 0), (NAN, NAN)),
        ("median", (NAN, NAN), (NAN, NAN), (2, 10), (NAN, NAN)),
        ("p0", (NAN, NAN), (NAN, NAN), (1, 10), (NAN, NAN)),
        ("p100", (NAN, NAN), (NAN, NAN), (4, 10), (NAN, NAN)),
        ("p66.7", (NAN, NAN), (NAN, NAN), (3, 10), (NAN, NAN)),
        ("distinct", (NAN, NAN), (NAN, NAN), (NAN, NAN), (10, 10)),
    ],
)
def test_values(
    text: str, counter: list[float], gauge: list[float], timer: list[float], set_: list[float]
) -> None:
    """Each stat of each kind has its value, or NaN where it means nothing."""
    expected = {Kind.COUNTER: counter, Kind.GAUGE: gauge, Kind.TIMER: timer, Kind.SET: set_}
    for kind in Kind:
        values = evaluate(parse_stat(text), folded(kind), 10_000).tolist()
        assert values == pytest.approx(expected[kind], rel=0.01, nan_ok=True), kind


@pytest.mark.parametrize("text", ["", "p", "p101", "p-1", "p9999", "p99.", "pNN", "P95", "avg", "95", "p1e1"])
def test_unknown_stats_say_what_is_right(text: str) -> None:
    """A wrong stat is refused by name, with the names that would be right."""
    with pytest.raises(ValueError, match=r"unknown stat .* mean, .*pNN"):
        parse_stat(text)


@pytest.mark.parametrize(
    ("text", "quantile"), [("p95", 0.95), ("p99.9", 0.999), ("p5", 0.05), ("median", 0.5), ("p99.99", 0.9999)]
)
def test_percentiles(text: str, quantile: float) -> None:
    """Percentiles carry their quantile and keep the name they were asked by."""
    stat = parse_stat(text)
    assert stat.name == text
    assert stat.quantile == pytest.approx(quantile)
    assert needs_sketches(stat)
    assert not needs_members(stat)


@pytest.mark.parametrize("kind", Kind)
def test_default_stat_has_a_value(kind: Kind) -> None:
    """What is shown unasked has a value and costs no sketch."""
    stat = default_stat(kind)
    assert not needs_sketches(stat)
    assert not np.isnan(evaluate(stat, folded(kind), 10_000)).any()


def test_what_needs_members() -> None:
    """Stats that read a set's n need its members when sets are merged again."""
    assert [name for name in ("n", "d", "count", "distinct", "mean") if needs_members(Stat(name))] == [
        "n",
        "count",
        "distinct",
    ]


def test_no_value_without_weight_step_or_sketch() -> None:
    """A mean over nothing, a rate over no time and a percentile without sketch are NaN."""
    nothing = replace(folded(Kind.TIMER), d=np.zeros(2), sketches=[])
    for text in ("mean", "std", "p95"):
        assert np.isnan(evaluate(parse_stat(text), nothing, 10_000)).all()
    assert np.isnan(evaluate(parse_stat("rate"), folded(Kind.COUNTER), 0)).all()


def test_std_of_equal_values_is_no_rounding_error() -> None:
    """Where squares cancel, the deviation is 0 and never NaN."""
    value, d = 0.1 + 0.2, np.full(2, 3.0)
    short = 1 - 1e-15
    equal = replace(folded(Kind.TIMER), n=value * d, d=d, squares=value * value * d * short)
    assert evaluate(parse_stat("std"), equal, 10_000) == pytest.approx(np.zeros(2), abs=1e-7)
