"""Several tables fold as one: what they give out, merged, is what one table would have folded."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metronome.fold.columns import take
from metronome.kernel.interface import Table
from metronome.kernel.merging import check
from metronome.kernel.packs import pack
from metronome.model import Columns, Kind, Ragged
from metronome.wire import records
from tests.kernel.conftest import twin
from tests.kernel.helpers import UNION, dumped, rows

SMALL = {"timer_samples": 5, "set_members": 4}
"""So that a few lines pass the bounds."""

WILD = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.1, 1e300, -1.7e308, 4.9e-324])
)
EXACT = st.integers(-8000, 8000).map(lambda eighths: eighths / 8)
"""Numbers whose sums and squares are exact in any order, as long as rates are powers of 2."""
POSITIVE = st.floats(1e-6, 1e6)
"""Numbers whose sums lose no more than a rounding: nothing cancels."""


@st.composite
def lines(draw: st.DrawFn, numbers: st.SearchStrategy[float], rates: tuple[str, ...]) -> bytes:
    """A block of good lines over few names, all kinds, some with labels or a time."""
    found = []
    for _ in range(draw(st.integers(0, 25))):
        name = draw(st.sampled_from(["a", "b", "c.d"]))
        kind = draw(st.sampled_from(["c", "ms", "g", "s"]))
        value = draw(st.sampled_from("pqrstuvw")) if kind == "s" else repr(draw(numbers))
        if kind == "g":
            value = draw(st.sampled_from(["", "=", "+"])) + value
            value = value.replace("+-", "-")
        tail = draw(st.sampled_from(rates)) if kind in ("c", "ms") else ""
        tail += draw(st.sampled_from(["", "", "|#k:v", "|T100"]))
        found.append(f"{name}:{value}|{kind}{tail}")
    return "\n".join(found).encode()


def blocks_of(numbers: st.SearchStrategy[float], *rates: str) -> st.SearchStrategy[list[bytes]]:
    """What each of several tables gets."""
    return st.lists(lines(numbers, ("", *rates)), min_size=1, max_size=4)


def through(kernel: ModuleType, table: Table, block: bytes) -> None:
    """Fold a block in a table of its own, give it out, carry it over the wire, and merge it."""
    part = kernel.Table(relative_gauges=True, **SMALL)
    part.feed_statsd(block, UNION)
    for columns in (part.flush(0, 1.0), part.flush_points()):
        content = records.decode(records.KIND_PARTS, records.encode_parts("main", columns))
        table.merge(content.columns)
    assert not part.waiting


def plain(columns: Columns) -> dict[Any, dict[str, Any]]:
    """Rows by series, kind and time; points of one moment in the order in which they came."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows(columns):
        place = (row["series"], row["kinds"], row["times"])
        while place in found:
            place = (*place, "again")
        if row["kinds"] == Kind.GAUGE:
            del row["low"], row["high"]  # the cases below have these
        if "samples" in row:
            weights = row.pop("weights", [1.0] * len(row["samples"]))
            row["samples"] = sorted(zip(row["samples"], weights, strict=True))
        found[place] = row
    return found


def both(kernel: ModuleType, blocks: list[bytes]) -> list[dict[Any, dict[str, Any]]]:
    """Two periods, once through one table and once through one for each block; then points."""
    one, merged = kernel.Table(**SMALL), kernel.Table(**SMALL)
    found: list[dict[Any, dict[str, Any]]] = []
    for _ in range(2):
        for block in blocks:
            one.feed_statsd(block, UNION)
            through(kernel, merged, block)
        assert merged.waiting == one.waiting
        assert merged.counts()["samples"] == one.counts()["samples"]
        found += [plain(table.flush(0, 1.0)) for table in (one, merged)]
        found += [plain(table.flush_points()) for table in (one, merged)]
    return found


@given(blocks_of(EXACT, "|@0.5", "|@0.25"))
@settings(max_examples=100)
@pytest.mark.parametrize("name", ["pure", "native"])
def test_merged_tables_are_one_table(name: str, blocks: list[bytes]) -> None:
    """Sums, exact samples and bins, members and registers, kept gauges and points: the same."""
    found = both(twin(name), blocks)
    assert found[0::2] == found[1::2]


@given(blocks_of(POSITIVE, "|@0.1", "|@0.7"))
@settings(max_examples=50)
def test_sums_differ_by_their_rounding_only(blocks: list[bytes]) -> None:
    """Adding in another order costs 1e-12 at most."""
    found = both(twin("pure"), blocks)
    for one, merged in zip(found[0::2], found[1::2], strict=True):
        assert one.keys() == merged.keys()
        for place, row in one.items():
            for column, value in row.items():
                if isinstance(value, float):
                    assert value == pytest.approx(merged[place][column], rel=1e-12, abs=0)
                elif column != "bin_counts":
                    assert value == merged[place][column]


@given(blocks_of(WILD, "|@0.5", "|@0.1", "|@3e-5"), st.booleans(), st.integers(1, 30))
@settings(max_examples=150)
def test_the_twins_merge_alike(blocks: list[bytes], relative: bool, limit: int) -> None:
    """Bit by bit, refused series too, and into a table that is merged itself."""
    pure, native = (
        twin(name).Table(relative_gauges=relative, series_limit=limit, **SMALL) for name in ("pure", "native")
    )
    for block in blocks:
        parts = [twin(name).Table(relative_gauges=True, **SMALL) for name in ("pure", "native")]
        for part in parts:
            part.feed_statsd(block, UNION)
        for of_pure, of_native in zip(
            *[(part.flush(0, 1.0), part.flush_points()) for part in parts], strict=True
        ):
            assert dumped(of_pure) == dumped(of_native)
            assert pure.merge(of_pure) == native.merge(of_native)
    assert pure.rejects() == native.rejects()
    assert pure.counts() == {**native.counts(), "lines": 0, "bytes": 0}
    assert dumped(pure.flush(0, 1.0)) == dumped(native.flush(0, 1.0))
    assert dumped(pure.flush_points()) == dumped(native.flush_points())


GAUGES = [
    # what the table kept, what came elsewhere, then the row: n, low, high
    pytest.param(b"g:10|g", b"g:+3|g\ng:-5|g", (8.0, 8.0, 13.0), id="changes go on from the kept value"),
    pytest.param(b"g:10|g", b"g:3|g\ng:+4|g", (7.0, 3.0, 7.0), id="changes of a value"),
    pytest.param(b"g:10|g", b"g:+3|g\ng:7|g", (7.0, 7.0, 7.0), id="a value ends the changes before it"),
    pytest.param(b"", b"g:-4|g", (-4.0, -4.0, -4.0), id="changes of nothing begin at 0"),
]


@pytest.mark.parametrize(("before", "elsewhere", "wanted"), GAUGES)
def test_gauges_go_on_from_the_value_that_is_kept(
    kernel: ModuleType, before: bytes, elsewhere: bytes, wanted: tuple[float, float, float]
) -> None:
    """A table with relative gauges tells changes from values; the other one has the value."""
    table = kernel.Table()
    table.feed_statsd(before, UNION)
    table.flush(0, 1.0)
    through(kernel, table, elsewhere)
    row = rows(table.flush(0, 1.0))[0]
    assert (row["n"], row["low"], row["high"]) == wanted
    assert (row["d"], row["counts"]) == (1.0, len(elsewhere.splitlines()))


def test_a_relative_gauge_begins_each_period_from_nothing(kernel: ModuleType) -> None:
    """What was given out is not given out again with the next change."""
    part = kernel.Table(relative_gauges=True)
    part.feed_statsd(b"g:5|g", UNION)
    assert [(row["n"], row["d"]) for row in rows(part.flush(0, 1.0))] == [(5.0, 1.0)]
    part.feed_statsd(b"g:+2|g\ng:+1|g", UNION)
    assert [(row["n"], row["d"]) for row in rows(part.flush(0, 1.0))] == [(3.0, 0.0)]


def test_what_finds_no_room_shares_a_series(kernel: ModuleType) -> None:
    """With all its samples; a point, which says nothing among others, is refused."""
    table = kernel.Table(series_limit=1)
    part = kernel.Table()
    part.feed_statsd(b"a:1|c\nb:1|c\nb:1|c\nb:1|c", UNION)
    part.feed_graphite(b"p 1 2", 0.0, UNION)
    assert table.merge(part.flush(0, 1.0)) == 4
    assert table.merge(part.flush_points()) == 0
    counts = table.counts()
    assert (counts["overflowed"], counts["rejected:too_many_series"]) == (3, 1)
    assert [reject[:2] for reject in table.rejects()] == [("too_many_series", b"gp")]
    assert [(row["series"], row["n"]) for row in rows(table.flush(0, 1.0))] == [
        (("a", ()), 1.0),
        (("_other_", (("_other_", "true"),)), 3.0),
    ]


def test_a_late_part_that_is_too_late_is_refused(kernel: ModuleType) -> None:
    """The table that gave it out may not know the time."""
    table, part = kernel.Table(), kernel.Table(relative_gauges=True)
    table.begin(10_000_000)
    part.feed_statsd(b"a:1|c|T9000\na:2|c|T9000\na:4|c|T5000", UNION)
    assert table.merge(part.flush_points()) == 2
    assert table.counts()["rejected:bad_time"] == 1
    assert [(row["times"], row["n"], row["counts"]) for row in rows(table.flush_points())] == [
        (9_000_000, 3.0, 2)
    ]


def test_points_in_packs_are_points(kernel: ModuleType) -> None:
    """Taken apart they are kept as they came; what finds no room counts one by one."""
    table, part = kernel.Table(series_limit=2), kernel.Table()
    part.feed_graphite(b"a 1 3\na 2 1\na 3 3\nb 5 5\nc 1 1\nc 1 2\n", 1.0, UNION)
    columns = part.flush_points()
    assert table.merge(columns) == 4
    assert table.counts()["rejected:too_many_series"] == 2
    assert dumped(table.flush_points()) == dumped(take(columns, np.array([0, 1])))


def test_nothing_merges_to_nothing(kernel: ModuleType) -> None:
    """Columns without rows are no mistake."""
    table = kernel.Table()
    assert table.merge(kernel.Table().flush(0, 1.0)) == 0
    assert table.waiting == 0


PACK = pack([1], [0], [1.0])


def damaged(name: str, columns: Columns) -> Columns:
    """The columns of one counter and one set, with one thing wrong."""
    ends = columns.keys.ends
    whole = {
        "no key": {"keys": Ragged(np.array([0, ends[1]], np.uint32), columns.keys.flat)},
        "no kind": {"keys": Ragged(ends, np.full_like(columns.keys.flat, ord("x")))},
        "no samples": {"counts": np.zeros_like(columns.counts)},
        "some registers": {"registers": Ragged(np.array([0, 7], np.uint32), np.zeros(7, np.uint8))},
        "points": {"packs": Ragged(np.full(2, len(PACK.flat), np.uint32), PACK.flat)},
    }
    return replace(columns, **whole[name])


@pytest.mark.parametrize("wrong", ["no key", "no kind", "no samples", "some registers", "points"])
def test_rows_that_no_table_gives_are_refused(kernel: ModuleType, wrong: str) -> None:
    """``ValueError``, and nothing of it is taken in."""
    part, table = kernel.Table(), kernel.Table()
    part.feed_statsd(b"a:1|c\nb:x|s", UNION)
    columns = part.flush(0, 1.0)
    check(columns)
    with pytest.raises(ValueError, match=r"a (row|series key|set|pack) has"):
        table.merge(damaged(wrong, columns))
    assert table.waiting == 0
