"""statsd's Graphite names, and the numbers that stand under them."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from metronome.fold.columns import join
from metronome.fold.distinct import registers_of
from metronome.fold.rollup import compact
from metronome.fold.statsd import HistogramRule, Namer, Naming
from metronome.kernel import hash64
from metronome.model import F64, Columns, Kind, Labels, Ragged, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.fold.hashing import hash_numbers


def row(name: str, kind: Kind, n: float = 0.0, labels: Labels = (), samples: tuple[float, ...] = ()) -> Row:
    key = series_key(Series(name, labels, kind))
    d = float(len(samples)) if kind is Kind.TIMER else 1.0
    low, high = (min(samples), max(samples)) if samples else (n, n)
    squares = sum(value * value for value in samples)
    members = [hash64(bytes([number])) for number in range(int(n))] if kind is Kind.SET else []
    n = sum(samples) if samples else n
    return Row(key, hash64(key), kind, 0, 10.0, 1, n, d, low, high, squares, samples, members)


def values(seed: int, number: int) -> F64:
    return np.random.default_rng(seed).lognormal(4, 1, number)


FLUSH = columns_of(
    [
        row("hits", Kind.COUNTER, 20),
        row("load", Kind.GAUGE, 0.5),
        row("users", Kind.SET, 3),
        row("time", Kind.TIMER, samples=(2.0, 4.0)),
    ]
)


@pytest.mark.parametrize(
    ("naming", "lines"),
    [
        (
            Naming(thresholds=(), calculated=("mean", "count")),
            {
                "stats.counters.hits.rate": 2.0,
                "stats.counters.hits.count": 20.0,
                "stats.gauges.load": 0.5,
                "stats.sets.users.count": 3.0,
                "stats.timers.time.count": 2.0,
                "stats.timers.time.mean": 3.0,
            },
        ),
        (
            Naming(legacy=True, global_prefix="x", prefix_timer="y", calculated=("mean",)),
            {
                "stats.hits": 2.0,
                "stats_counts.hits": 20.0,
                "stats.gauges.load": 0.5,
                "stats.sets.users.count": 3.0,
                "stats.timers.time.mean": 3.0,
            },
        ),
        (
            Naming(
                global_prefix="",
                prefix_counter="",
                prefix_gauge="g",
                prefix_set="s.t",
                prefix_timer="t",
                global_suffix="host1",
                flush_counts=False,
                calculated=("mean",),
            ),
            {
                "hits.rate.host1": 2.0,
                "g.load.host1": 0.5,
                "s.t.users.count.host1": 3.0,
                "t.time.mean.host1": 3.0,
            },
        ),
        (
            Naming(legacy=True, global_suffix="host1", calculated=("mean",)),
            {
                "stats.hits.host1": 2.0,
                "stats_counts.hits.host1": 20.0,
                "stats.gauges.load.host1": 0.5,
                "stats.sets.users.count.host1": 3.0,
                "stats.timers.time.mean.host1": 3.0,
            },
        ),
    ],
    ids=["modern", "legacy", "own prefixes", "legacy with suffix"],
)
def test_names(naming: Naming, lines: dict[str, float]) -> None:
    """Paths are those of statsd's Graphite backend with the same options."""
    assert dict(Namer(naming).lines(FLUSH)) == lines


def test_default_timer_names() -> None:
    """A timer has statsd's default numbers: those of all samples and of the lowest 90 percent."""
    stats = {path.rsplit(".", 1)[1] for path, _ in Namer(Naming()).lines(FLUSH) if ".timers." in path}
    plain = {"count", "count_ps", "lower", "upper", "mean", "median", "std", "sum", "sum_squares"}
    assert stats == plain | {f"{name}_90" for name in ("count", "mean", "upper", "sum", "sum_squares")}


def test_number_of_series() -> None:
    """``numStats`` has its place in each namespace."""
    assert Namer(Naming()).number_of_series(4) == ("stats.statsd.numStats", 4)
    assert Namer(Naming(legacy=True, prefix_stats="sd")).number_of_series(4) == ("sd.numStats", 4)
    assert Namer(Naming(global_prefix="", global_suffix="h")).number_of_series(0) == ("statsd.numStats.h", 0)


@pytest.mark.parametrize(
    ("sanitize", "labels", "tags"),
    [
        (True, (("host", "a/b c"), ("zone", "eu-1")), ";host=a-b_c;zone=eu-1"),
        (True, (("path", "/x;y"),), ";path=-x_y"),
        (True, (("flag", ""),), ";flag=_"),
        (False, (("path", "/x;y z\u00e9"),), ";path=/x_y_z\u00e9"),
    ],
)
def test_labels_are_tags_behind_the_path(sanitize: bool, labels: Labels, tags: str) -> None:
    """Labels follow the whole path, suffix included, as Graphite tags that cannot break it."""
    columns = columns_of([row("hits", Kind.GAUGE, 1, labels)])
    lines = Namer(Naming(global_suffix="sfx", sanitize=sanitize)).lines(columns)
    assert list(lines) == [(f"stats.gauges.hits.sfx{tags}", 1.0)]


def test_histogram_rule_is_the_first_that_fits() -> None:
    """The first rule whose text is in the name or the tags gives the bins."""
    rules = (
        HistogramRule("other", (1.0,)),
        HistogramRule("host=a", (2.5, inf)),
        HistogramRule("", (9.0,)),
    )
    columns = columns_of(
        [
            row("t", Kind.TIMER, labels=(("host", "a"),), samples=(1.0, 2.0, 30.0)),
            row("u", Kind.TIMER, samples=(1.0, 9.0)),
        ]
    )
    lines = dict(Namer(Naming(histogram=rules, calculated=("histogram",))).lines(columns))
    assert lines == {
        "stats.timers.t.histogram.bin_2_5;host=a": 2,
        "stats.timers.t.histogram.bin_inf;host=a": 1,
        "stats.timers.u.histogram.bin_9": 1,
    }


def test_rates_of_samples_scale_the_count_alone() -> None:
    """Sampled timers count what they stand for; their mean and percentiles are of what came."""
    columns = columns_of([row("t", Kind.TIMER, samples=(2.0, 4.0))])
    weighted = replace(
        columns, weights=Ragged(columns.samples.ends, np.array([10.0, 1.0])), d=np.array([11.0])
    )
    lines = dict(Namer(Naming()).lines(weighted))
    assert lines["stats.timers.t.count"] == 11
    assert lines["stats.timers.t.count_ps"] == pytest.approx(1.1)
    assert lines["stats.timers.t.mean"] == 3
    assert lines["stats.timers.t.sum"] == 6


def large_rows() -> Columns:
    """A timer in bins and a set in registers."""
    samples = tuple(values(1, 3000).tolist())
    registers = registers_of(hash_numbers(np.arange(50_000, dtype=np.uint64)))
    ends = np.array([len(registers)], np.uint32)
    large_set = replace(
        columns_of([row("users", Kind.SET)]), registers=Ragged(ends, registers), hashes=Ragged(ends[:0], ends)
    )
    return join([compact([("g", 0, columns_of([row("t", Kind.TIMER, samples=samples)]))], 0), large_set])


def test_rows_with_bins_and_registers() -> None:
    """Rows that have outgrown exactness give lines all the same."""
    columns = replace(large_rows(), counts=np.array([3000, 1], np.uint32))
    lines = dict(Namer(Naming()).lines(columns))
    assert lines["stats.sets.users.count"] == pytest.approx(50_000, rel=0.05)
    exact = np.sort(values(1, 3000))
    assert lines["stats.timers.t.upper_90"] == pytest.approx(exact[2699], rel=0.01)
    assert lines["stats.timers.t.sum_90"] == pytest.approx(exact[:2700].sum(), rel=0.01)
    assert lines["stats.timers.t.count_90"] == 2700


def test_idle_series() -> None:
    """What got nothing is repeated as statsd does: zeros, and a gauge's last value."""
    kinds = np.array([Kind.COUNTER, Kind.TIMER, Kind.SET, Kind.GAUGE, Kind.COUNTER], np.uint8)
    idle = {
        (head + b"*" + tail).decode(): (block.rows.tolist(), column.tolist())
        for block in Namer(Naming()).idle(kinds, np.full(5, 7.5))
        for head, tail, column in zip(block.form.heads, block.form.tails, block.values.T, strict=True)
    }
    assert idle == {
        "stats.counters.*.rate": ([0, 4], [0, 0]),
        "stats.counters.*.count": ([0, 4], [0, 0]),
        "stats.timers.*.count": ([1], [0]),
        "stats.timers.*.count_ps": ([1], [0]),
        "stats.sets.*.count": ([2], [0]),
        "stats.gauges.*": ([3], [7.5]),
    }


def test_what_graphite_cannot_take_is_not_sent() -> None:
    """Numbers without end and names of which nothing is left give no line."""
    columns = columns_of(
        [
            row("c", Kind.COUNTER, 3)._replace(period=0.0),
            row("\u00e9", Kind.GAUGE, 1),
            row("g", Kind.GAUGE, inf),
        ]
    )
    assert list(Namer(Naming()).lines(columns)) == [("stats.counters.c.count", 3.0)]
