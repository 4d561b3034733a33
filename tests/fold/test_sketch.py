"""Sketches against exact percentiles, against the ddsketch package, and their algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold import sketch
from metronome.limits import SKETCH_ERROR, SKETCH_LARGEST, SKETCH_OFFSET, SKETCH_SMALLEST
from metronome.model import F64

QUANTILES = (0.0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
ROUNDING = 1e-9


def draw(shape: str, seed: int) -> F64:
    """Ten thousand values of a shape."""
    random = np.random.default_rng(seed)
    return {
        "uniform": random.uniform(1, 1000, 10_000),
        "normal": random.normal(50, 10, 10_000),
        "heavy tail": random.pareto(0.8, 10_000) + 1e-3,
        "lognormal": random.lognormal(0, 6, 10_000),
        "negative": -random.exponential(100, 10_000),
        "mixed": random.standard_cauchy(10_000),
        "zeros": random.choice([0.0, 0.0, 3.0, -3.0], 10_000),
        "constant": np.full(10_000, 42.0),
        "integers": random.integers(-5, 6, 10_000).astype(np.float64),
    }[shape]


SHAPES = [
    *("uniform", "normal", "heavy tail", "lognormal"),
    *("negative", "mixed", "zeros", "constant", "integers"),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_within_one_percent(shape: str, seed: int) -> None:
    """Every percentile is within 1 % of the exact one, which numpy takes at the same rank."""
    values = draw(shape, seed)
    bins, counts = sketch.sketch_of(values)
    for q in QUANTILES:
        exact = float(np.quantile(values, q, method="lower"))
        ours = sketch.quantile(bins, counts, q, float(values.min()), float(values.max()))
        assert ours == pytest.approx(exact, rel=SKETCH_ERROR + ROUNDING, abs=SKETCH_SMALLEST)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_answers_as_the_ddsketch_package(shape: str) -> None:
    """Where no bound takes hold, the answers are those of DDSketch's authors."""
    values = draw(shape, 7)
    reference = DDSketch(SKETCH_ERROR)
    for value in values.tolist():
        reference.add(value)
    bins, counts = sketch.sketch_of(values)
    for q in QUANTILES[1:-1]:
        theirs = reference.get_quantile_value(q)
        assert theirs is not None
        ours = sketch.quantile(bins, counts, q, -math.inf, math.inf)
        assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("shape", ["uniform", "heavy tail", "mixed"])
def test_weights_count_as_repeats(shape: str) -> None:
    """A sample of weight 3 is three samples."""
    values = draw(shape, 11)[:2000]
    weights = np.random.default_rng(5).integers(1, 6, len(values)).astype(np.float64)
    weighted = sketch.sketch_of(values, weights)
    repeated = sketch.sketch_of(np.repeat(values, weights.astype(int)))
    assert [array.tolist() for array in weighted] == [array.tolist() for array in repeated]


@given(st.lists(st.floats(-1e18, 1e18), min_size=1, max_size=50))
def test_any_value_is_within_one_percent_of_its_bin(values: list[float]) -> None:
    """Whatever finite value goes in, the middle of its bin is within 1 %."""
    array = np.array(values)
    middles = sketch.values_of(sketch.bins_of(array))
    small = np.abs(array) < SKETCH_SMALLEST
    assert (middles[small] == 0).all()
    assert (np.abs(middles - array) <= np.abs(array) * (SKETCH_ERROR + ROUNDING))[~small].all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=50))
def test_bins_ascend_as_values_do(values: list[float]) -> None:
    """The order of bins is the order of values, over zero and to the ends of the doubles."""
    assert (np.diff(sketch.bins_of(np.sort(np.array(values)))) >= 0).all()


def test_ends_of_the_range() -> None:
    """What is too small is zero; what is too large shares the last bin; signs mirror."""
    values = np.array([0.0, -0.0, 1e-10, SKETCH_LARGEST, 1e300, -1e300, 1.0, -1.0, SKETCH_SMALLEST])
    bins = sketch.bins_of(values)
    assert bins[:3].tolist() == [0, 0, 0]
    assert bins[3] == bins[4] == -bins[5]
    assert bins[6:8].tolist() == [SKETCH_OFFSET, -SKETCH_OFFSET]
    assert bins[8] > 0


def test_nothing_has_no_percentile() -> None:
    """An empty sketch answers NaN, and so does an empty one among others."""
    bins, counts = sketch.merge([])
    assert math.isnan(sketch.quantile(bins, counts, 0.5, 0.0, 0.0))
    assert math.isnan(sketch.quantile(bins, counts, 1.0, 0.0, 0.0))
    one = sketch.sketch_of(np.array([5.0]))
    answers = sketch.quantiles([(bins, counts), one], 0.5, np.zeros(2), np.full(2, 5.0))
    assert math.isnan(answers[0])
    assert answers[1] == 5.0


def test_least_and_greatest_are_exact() -> None:
    """q = 0 and q = 1 are low and high, and nothing in between leaves them."""
    values = np.array([1.003, 77.7, 999.9])
    bins, counts = sketch.sketch_of(values)
    assert sketch.quantile(bins, counts, 0, 1.003, 999.9) == 1.003
    assert sketch.quantile(bins, counts, 1, 1.003, 999.9) == 999.9
    assert sketch.quantile(bins, counts, 0.999, 77.0, 77.5) == pytest.approx(77, rel=0.01)


def test_weight_below_one() -> None:
    """A sketch with less than one sample's weight still has its value."""
    bins, counts = sketch.sketch_of(np.array([3.0]), np.array([0.25]))
    assert sketch.quantile(bins, counts, 0.9, 3.0, 3.0) == 3.0


def test_weights_of_any_size_stand_side_by_side() -> None:
    """A sketch beside one whose weight swallows its own in rounding still has its value."""
    heavy = sketch.sketch_of(np.array([1.0]), np.array([1e18]))
    light = sketch.sketch_of(np.array([5.0, 7.0]))
    answers = sketch.quantiles([heavy, light], 0.9, np.array([1.0, 5.0]), np.array([1.0, 7.0]))
    assert answers[0] == 1.0
    assert 5.0 <= answers[1] <= 7.0


VALUES = st.sampled_from([-50.0, -1.0, 0.0, 1.0, 2.0, 1e6])
WEIGHTS = st.sampled_from([1.0, 2.0, 10.0])
SKETCHES = st.lists(st.tuples(VALUES, WEIGHTS), max_size=8).map(
    lambda pairs: sketch.sketch_of(np.array([v for v, _ in pairs]), np.array([w for _, w in pairs]))
)


def as_dict(one: sketch.Sketch) -> dict[int, float]:
    return dict(zip(one[0].tolist(), one[1].tolist(), strict=True))


@given(SKETCHES, SKETCHES, SKETCHES)
def test_merge_is_an_algebra(one: sketch.Sketch, two: sketch.Sketch, three: sketch.Sketch) -> None:
    """Merging is associative and commutative, and the empty sketch changes nothing."""
    merge = sketch.merge
    together = as_dict(merge([one, two, three]))
    assert as_dict(merge([merge([one, two]), three])) == together
    assert as_dict(merge([one, merge([two, three])])) == together
    assert as_dict(merge([three, one, two])) == together
    assert as_dict(merge([one, merge([])])) == as_dict(one)


@given(st.lists(SKETCHES, min_size=1, max_size=6), st.sampled_from(QUANTILES))
def test_many_at_once_is_each_alone(sketches: list[sketch.Sketch], q: float) -> None:
    """The pass over many sketches answers each as if it were alone."""
    low, high = np.full(len(sketches), -50.0), np.full(len(sketches), 1e6)
    alone = [sketch.quantile(bins, counts, q, -50.0, 1e6) for bins, counts in sketches]
    assert sketch.quantiles(sketches, q, low, high) == pytest.approx(np.array(alone), nan_ok=True)
