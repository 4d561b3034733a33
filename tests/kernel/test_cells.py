"""Folding, sketch bins and HyperLogLog registers."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import cells
from metronome.kernel.cells import LARGEST, estimate, register_of, sketch_bin, within
from metronome.kernel.hash64 import hash64
from tests.kernel.helpers import UNION, rows


def folded(kernel: ModuleType, *blocks: str, **bounds: int) -> dict[str, Any]:
    """The one row that the blocks make."""
    table = kernel.Table(**bounds)
    for block in blocks:
        table.feed_statsd(block.encode(), UNION)
    (row,) = rows(table.flush(0, 10.0))
    return row


def test_a_counter_adds_values_and_weights(kernel: ModuleType) -> None:
    """n is the sum of value/rate, d of 1/rate; low and high are n."""
    row = folded(kernel, "a:3|c\na:4|c|@0.5\na:-1|c")
    assert (row["n"], row["d"], row["low"], row["high"], row["squares"]) == (10.0, 4.0, 10.0, 10.0, 0.0)
    assert (row["counts"], row["kinds"]) == (3, 0)


def test_a_running_total_grows_a_counter(kernel: ModuleType) -> None:
    """The first total is where it starts; then differences count, and all of one that began anew."""
    table = kernel.Table()
    table.feed_statsd(b"a:100|C\na:130|C\na:5|c", UNION)
    (row,) = rows(table.flush(0, 10.0))
    assert (row["n"], row["d"], row["counts"], row["low"]) == (35.0, 3.0, 3, 35.0)
    table.feed_statsd(b"a:150:20:20|C\nb:0|C\nb:7|C|@0.5\nb:8|C|@0.5|T100", UNION)
    first, second = rows(table.flush(10000, 10.0))
    assert (first["n"], first["d"]) == (40.0, 3.0)
    assert (second["n"], second["d"], second["counts"]) == (16.0, 5.0, 3)
    table.feed_statsd(b"c:5|c", UNION)
    assert [row["n"] for row in rows(table.flush(20000, 10.0))] == [5.0]


def test_a_forgotten_counter_forgets_its_total(kernel: ModuleType) -> None:
    """What comes next is a first total again; so it is when an idle one was pruned."""
    table = kernel.Table()
    for forget in (lambda: table.forget([b"ca"]), lambda: (table.flush(0, 1.0), table.prune(0))):
        table.feed_statsd(b"a:100|C", UNION)
        forget()
        table.feed_statsd(b"a:130|C\na:131|C", UNION)
        assert [row["n"] for row in rows(table.flush(0, 10.0))] == [1.0]
        table.forget([b"ca"])


def test_totals_of_many_add_nothing(kernel: ModuleType) -> None:
    """In the series that takes what finds no room, nobody knows whose total it is."""
    table = kernel.Table(series_limit=1)
    table.feed_statsd(b"a:1|c\nb:100|C\nc:7|C\nb:101|C\nd:2|c", UNION)
    assert [(row["series"][0], row["n"], row["counts"]) for row in rows(table.flush(0, 10.0))] == [
        ("a", 1.0, 1),
        ("_other_", 2.0, 4),
    ]


def test_a_timer_keeps_sums_extremes_and_samples(kernel: ModuleType) -> None:
    """Samples stand as sent, with weights as soon as one is not 1."""
    row = folded(kernel, "a:10|ms\na:20|ms\na:6|ms")
    assert (row["n"], row["d"], row["low"], row["high"], row["squares"]) == (36.0, 3.0, 6.0, 20.0, 536.0)
    assert row["samples"] == [10.0, 20.0, 6.0]
    assert "weights" not in row
    row = folded(kernel, "a:10|ms\na:20|ms|@0.1")
    assert (row["n"], row["d"], row["squares"]) == (210.0, 11.0, 4100.0)
    assert (row["samples"], row["weights"]) == ([10.0, 20.0], [1.0, 10.0])


def test_weights_are_given_for_all_rows_or_none(kernel: ModuleType) -> None:
    """One weighted timer gives every timer its weights."""
    table = kernel.Table()
    table.feed_statsd(b"a:1|ms\nb:2|ms|@0.5\na:3|ms\nc:1|c", UNION)
    columns = table.flush(0, 10.0)
    assert columns.weights.ends.tolist() == columns.samples.ends.tolist() == [2, 3, 3]
    assert columns.weights.flat.tolist() == [1.0, 1.0, 2.0]


def test_a_timer_turns_to_bins(kernel: ModuleType) -> None:
    """One sample beyond the bound and all of them are sketch bins, ascending, with weights."""
    row = folded(kernel, "a:0:-5:100:100|ms", "a:7|ms|@0.5", timer_samples=4)
    assert "samples" not in row
    bins = {sketch_bin(0.0): 1.0, sketch_bin(-5.0): 1.0, sketch_bin(100.0): 2.0, sketch_bin(7.0): 2.0}
    assert dict(zip(row["bins"], row["bin_counts"], strict=True)) == bins
    assert row["bins"] == sorted(row["bins"])
    assert (row["n"], row["d"], row["low"], row["high"]) == (209.0, 6.0, -5.0, 100.0)
    assert folded(kernel, "a:1:2:3:4|ms", timer_samples=4)["samples"] == [1.0, 2.0, 3.0, 4.0]


def test_the_next_period_is_exact_again(kernel: ModuleType) -> None:
    """Bins last until the flush."""
    table = kernel.Table(timer_samples=2)
    table.feed_statsd(b"a:1:2:3|ms", UNION)
    assert "bins" in rows(table.flush(0, 10.0))[0]
    table.feed_statsd(b"a:4|ms|@0.5", UNION)
    (row,) = rows(table.flush(10000, 10.0))
    assert (row["samples"], row["weights"], row["low"], row["squares"]) == ([4.0], [2.0], 4.0, 32.0)


def test_a_gauge_is_set_and_changed(kernel: ModuleType) -> None:
    """n is the last value; low and high are the extremes of the period; deltas begin at 0."""
    row = folded(kernel, "a:+5|g\na:-7|g\na:3|g\na:=-1|g")
    assert (row["n"], row["d"], row["low"], row["high"], row["counts"]) == (-1.0, 1.0, -2.0, 5.0, 4)


def test_a_simple_value_sets_a_gauge(kernel: ModuleType) -> None:
    """statsite's kv has no changes: its sign is a sign."""
    row = folded(kernel, "a:+5|kv\na:-7|kv\na:+2|g")
    assert (row["kinds"], row["n"], row["low"], row["high"], row["counts"]) == (1, -5.0, -7.0, 5.0, 3)


def test_a_gauge_outlives_the_flush(kernel: ModuleType) -> None:
    """Its value stays for deltas, its extremes do not; idle gauges are not flushed."""
    table = kernel.Table()
    table.feed_statsd(b"a:10|g", UNION)
    assert len(table.flush(0, 10.0)) == 1
    assert len(table.flush(0, 10.0)) == 0
    table.feed_statsd(b"a:-4|g", UNION)
    (row,) = rows(table.flush(0, 10.0))
    assert (row["n"], row["low"], row["high"], row["counts"]) == (6.0, 6.0, 6.0, 1)


def test_a_set_counts_members(kernel: ModuleType) -> None:
    """n is the distinct count, the hashes go along, ascending."""
    row = folded(kernel, "a:x|s\na:y|s\na:x|s\na:y:1|s")
    assert (row["n"], row["d"], row["counts"]) == (3.0, 1.0, 4)
    assert row["hashes"] == sorted(hash64(member) for member in (b"x", b"y", b"y:1"))
    assert "registers" not in row


@pytest.mark.parametrize("extra", [0, 1, 5000])
def test_a_set_turns_to_registers(kernel: ModuleType, extra: int) -> None:
    """Beyond the bound it is HyperLogLog, whose estimate is n; at the bound still exact."""
    members = [f"user{number}" for number in range(500 + extra)]
    row = folded(kernel, *(f"a:{member}|s" for member in members), set_members=500)
    if not extra:
        assert (row["n"], len(row["hashes"])) == (500.0, 500)
        return
    registers = bytearray(4096)
    for member in members:
        index, rank = register_of(hash64(member.encode()))
        registers[index] = max(registers[index], rank)
    assert row["registers"] == list(registers)
    assert row["n"] == estimate(registers)
    assert abs(row["n"] / len(members) - 1) < 0.06


def test_sums_stay_finite(kernel: ModuleType) -> None:
    """What would overflow stays at the largest double."""
    row = folded(kernel, "a:1e308|c\na:1e308|c")
    assert row["n"] == LARGEST
    row = folded(kernel, "a:1e200|ms\na:-1e308|ms\na:-1e308|ms")
    assert (row["squares"], row["n"], row["low"]) == (LARGEST, -LARGEST, -1e308)
    row = folded(kernel, "a:1e308|g\na:+1e308|g")
    assert row["n"] == row["high"] == LARGEST
    assert within(float("-inf")) == -LARGEST


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, 0), (1e-10, 0), (-1e-10, 0), (1.0, 2000), (-1.0, -2000), (1e300, sketch_bin(1e21)), (1e-9, 964)],
)
def test_sketch_bins_have_an_order_and_an_end(value: float, expected: int) -> None:
    """The sign of a bin is that of its values; tiny values share bin 0, huge ones the last."""
    assert sketch_bin(value) == expected


@given(st.floats(1e-9, 1e21))
def test_a_bin_is_within_one_per_cent(value: float) -> None:
    """The middle of a value's bin is at most 1 % away from it."""
    gamma = math.exp(cells.LN_GAMMA)
    middle = 2 * gamma ** (sketch_bin(value) - 2000) / (gamma + 1)
    assert abs(middle / value - 1) <= 0.01 + 1e-9


def test_registers_read_the_hash_from_the_top() -> None:
    """Twelve bits choose the register, the zeros behind them make the rank."""
    assert register_of(0) == (0, 53)
    assert register_of((1 << 64) - 1) == (4095, 1)
    assert register_of(1 << 51) == (0, 1)
    assert register_of(1) == (0, 52)
