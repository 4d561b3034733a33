"""Piles: what is on them is the fold of what came, however often it was brought together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.cells import Cells, Header, cells_of
from metronome.fold.piles import Closed, Gauges, Pile, chosen, grouped, joined, latest
from metronome.model import Kind, Series
from tests.fold.oracle import PARTS, Part, columns

HEADERS = [Header((), kind) for kind in Kind]
OVERS = ["sum"] * 4


def cells(parts: list[Part], groups: list[int]) -> Cells:
    """Cells of parts that are no gauges, each in a group of its kind."""
    made = columns(parts)
    return cells_of(made, made.kinds.astype(np.int64), np.array(groups, np.int64), sketches=True)


def plain(closed: list[Closed]) -> dict[tuple[int, int], tuple[float, ...]]:
    out = {}
    for owner, folded, _ in closed:
        for index, group in enumerate(folded.times.tolist()):
            bins = folded.sketches[index][1].sum() if folded.sketches else 0
            out[owner, group] = (
                folded.n[index],
                folded.d[index],
                folded.low[index],
                folded.high[index],
                bins,
            )
    return out


NO_GAUGES = st.lists(PARTS.filter(lambda part: part.series.kind is not Kind.GAUGE), min_size=1, max_size=8)


@given(NO_GAUGES, st.lists(st.integers(0, 2), min_size=8, max_size=8), st.integers(0, 8))
def test_cuts_make_no_difference(parts: list[Part], groups: list[int], cut: int) -> None:
    """Put on at once, or in two parts with settling in between."""
    groups = [group * 4 + part.series.kind for group, part in zip(groups, parts, strict=False)]
    at_once, in_two = Pile(), Pile()
    at_once.add(cells(parts, groups), None)
    for begin, end in ((0, cut), (cut, len(parts))):
        in_two.add(cells(parts[begin:end], groups[begin:end]), None)
        in_two.settle()
    assert plain(at_once.closed(HEADERS, OVERS)) == plain(in_two.closed(HEADERS, OVERS))
    assert at_once.size == in_two.size


def test_only_what_changed_is_given_out_again() -> None:
    """After it was sent, a group comes again when it has changed, and then as a whole."""
    pile = Pile()
    part = Part(Series("a", (), Kind.COUNTER), 0, ((7.0, 1.0),), frozenset({1}), large=False)
    pile.add(cells([part, part], [0, 1]), None)
    assert sorted(plain(pile.closed(HEADERS, OVERS))) == [(0, 0), (0, 1)]
    assert pile.changed
    pile.sent()
    assert not pile.changed
    pile.add(cells([part], [1]), None)
    assert plain(pile.closed(HEADERS, OVERS)) == {(0, 1): (14.0, 2.0, 7.0, 7.0, 0)}


def gauges(*rows: tuple[int, int, int, float]) -> Gauges:
    """Group, series, time and value."""
    groups, ids, times, n = (np.array(column) for column in zip(*rows, strict=True))
    owners = np.full(len(rows), int(Kind.GAUGE))
    return Gauges(owners, groups, ids.astype(np.uint64), times, n, np.ones(len(rows)), n, n)


def test_the_latest_of_each_series_stands() -> None:
    """By time; of equally late ones the last that came.  Least and greatest are of all."""
    found = latest(gauges((0, 1, 10, 5.0), (0, 1, 5, 9.0), (0, 2, 5, 1.0), (0, 2, 5, 3.0), (1, 1, 0, 4.0)))
    assert found.groups.tolist() == [0, 0, 1]
    assert found.n.tolist() == [5.0, 3.0, 4.0]
    assert found.high.tolist() == [9.0, 3.0, 4.0]
    assert found.counts.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("over", "value"), [("sum", 12.0), ("mean", 4.0), ("min", 1.0), ("max", 8.0), ("last", 3.0)]
)
def test_how_gauges_become_one(over: str, value: float) -> None:
    """As the rule says; n is the sum in any case."""
    made, found = grouped(latest(gauges((0, 1, 10, 8.0), (0, 2, 30, 3.0), (0, 3, 20, 1.0))), [over] * 4)
    assert found.tolist() == [value]
    assert (made.n.tolist(), made.sources.tolist()) == ([12.0], [3.0])


def test_late_gauges_do_not_override() -> None:
    """A part that is older than what is there changes only the least and the greatest."""
    pile = Pile()
    pile.add(None, gauges((0, 1, 10, 5.0)))
    pile.settle()
    pile.add(None, gauges((0, 1, 5, 9.0)))
    (closed,) = pile.closed(HEADERS, OVERS)
    assert closed.over.tolist() == [5.0]
    assert closed.folded.high.tolist() == [9.0]


@given(NO_GAUGES, st.data())
def test_some_of_the_cells(parts: list[Part], data: st.DataObject) -> None:
    """Chosen cells are those that were joined out of them, with their sketches and members."""
    pieces = [cells([part], [place]) for place, part in enumerate(parts)]
    rows = sorted(data.draw(st.sets(st.integers(0, len(parts) - 1), min_size=1)))
    one, two = chosen(joined(pieces), np.array(rows)), joined([pieces[row] for row in rows])
    for name in ("owners", "times", "n", "low"):
        assert getattr(one, name).tolist() == getattr(two, name).tolist()
    for flat in ("sketches", "members"):
        for mine, theirs in zip(getattr(one, flat), getattr(two, flat), strict=True):
            assert mine.tolist() == theirs.tolist()
