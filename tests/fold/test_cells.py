"""The algebra of cells: associative, commutative, with an identity; and its speed."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.cells import (
    Cells,
    Header,
    cells_of,
    cells_of_folded,
    folded_of,
    numbered,
    settled,
    targets,
    together,
)
from metronome.fold.rollup import compact, fold_parts
from metronome.kernel import hash64
from metronome.model import Folded, Kind, Selection, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.fold.oracle import Answer, Part, columns, differs, plain

HEADERS = [Header((("owner", str(number)),), Kind(number % 4)) for number in range(8)]
PARTS = st.builds(
    lambda number, time, samples, members, large: (
        number,
        Part(Series("s", (), Kind(number % 4)), time, samples, members, large),
    ),
    number=st.integers(0, 7),
    time=st.sampled_from([0, 10, 20]),
    samples=st.lists(
        st.tuples(st.integers(-9, 99).map(float), st.sampled_from([1.0, 10.0])), min_size=1, max_size=3
    ).map(tuple),
    members=st.frozensets(st.integers(0, 20), min_size=1, max_size=4),
    large=st.booleans(),
)
PIECES = st.lists(PARTS, max_size=5)


def cells(parts: list[tuple[int, Part]]) -> Cells:
    made = columns([part for _, part in parts])
    return cells_of(made, np.array([owner for owner, _ in parts], np.int64), made.times, sketches=True)


def answer(one: Cells) -> list[Folded]:
    return folded_of(one, HEADERS, sketches=True, members=True)


def bring(*pieces: list[Folded], same: bool) -> list[Folded]:
    """Bring answers together; an owner is found by its header."""
    groups = [group for piece in pieces for group in piece]
    if not groups:
        return []
    owners = np.array([HEADERS.index(Header(group.labels, group.kind)) for group in groups], np.int64)
    return answer(together(cells_of_folded(groups, owners), same=same))


def shown(groups: list[Folded], gauges: bool = True) -> Answer:
    return plain([group for group in groups if gauges or group.kind is not Kind.GAUGE])


@given(PIECES, PIECES, PIECES, st.booleans())
def test_cells_are_an_algebra(
    one: list[tuple[int, Part]], two: list[tuple[int, Part]], three: list[tuple[int, Part]], same: bool
) -> None:
    """For every kind, of one series and of several: any grouping gives the same, nothing
    changes nothing, and any order does too (of gauges that override, the order decides)."""
    a, b, c = (answer(together(cells(piece), same=same)) for piece in (one, two, three))
    whole = shown(bring(a, b, c, same=same))
    assert not differs(shown(bring(bring(a, b, same=same), c, same=same)), whole)
    assert not differs(shown(bring(a, bring(b, c, same=same), same=same)), whole)
    assert not differs(shown(bring(a, [], same=same)), shown(a))
    gauges = not same
    assert not differs(shown(bring(c, a, b, same=same), gauges), shown(bring(a, b, c, same=same), gauges))
    assert not differs(
        shown(answer(together(cells(one + two + three), same=same)), gauges),
        shown(bring(a, b, c, same=same), gauges),
    )


def test_targets_number_pairs() -> None:
    """Pairs of owner and time are numbered ascending; items say which pair they are of."""
    owners, times, target = targets(np.array([2, 0, 2, 0]), np.array([50, 70, 50, 10]))
    assert list(zip(owners.tolist(), times.tolist(), strict=True)) == [(0, 10), (0, 70), (2, 50)]
    assert target.tolist() == [2, 1, 2, 0]


def test_settled_counts_members_once() -> None:
    """A set's n is its members' number; a set that has none keeps the number it came with."""
    made = cells([(3, Part(Series("s", (), Kind.SET), 0, ((1.0, 1.0),), frozenset({1, 2}), large=False))] * 2)
    united = settled(together(made, same=True))
    assert (united.n.tolist(), united.low.tolist(), united.high.tolist()) == ([2.0], [2.0], [2.0])
    key = series_key(Series("s", (), Kind.SET))
    rows = [Row(key, hash64(key), Kind.SET, 0, 10.0, 1, n, 1.0, n, n, 0.0, ()) for n in (3.0, 5.0)]
    bare = columns_of(rows)
    kept = settled(together(cells_of(bare, np.zeros(2, np.int64), bare.times, sketches=False), same=True))
    assert kept.n.tolist() == [5.0]


@pytest.mark.parametrize("kind", [Kind.COUNTER, Kind.GAUGE, Kind.TIMER])
def test_a_hundred_thousand_rows_take_no_loop(kind: Kind) -> None:
    """100,000 rows of 1,000 series fold in a fraction of what a loop over them would take
    (tens of milliseconds of this process's time; the bound is wide)."""
    keys = [series_key(Series("s", (("host", str(number)),), kind)) for number in range(1000)]
    samples = (1.0,) if kind is Kind.TIMER else ()
    rows = [
        Row(key, number, kind, step * 10_000, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 1.0, samples)
        for step in range(100)
        for number, key in enumerate(keys)
    ]
    source = ("g", 0, columns_of(rows))
    begin = process_time()
    groups = fold_parts([source], Selection("s", "*"), 60_000, ("host",), sketches=True)
    compacted = compact([source], 60_000)
    taken = process_time() - begin
    assert len(groups) == 1000
    assert len(compacted) == 17_000
    assert taken < 0.5


@given(st.lists(st.one_of(st.integers(-5, 40), st.sampled_from([-(1 << 61), 1 << 61])), max_size=30))
def test_numbering_is_that_of_sorting(values: list[int]) -> None:
    """Whether values lie close together, and are counted, or far apart."""
    given_values = np.array(values, np.int64)
    unique, inverse = np.unique(given_values, return_inverse=True)
    found, number = numbered(given_values)
    assert (found.tolist(), number.tolist()) == (unique.tolist(), inverse.tolist())
