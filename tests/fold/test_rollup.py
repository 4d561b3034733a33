"""Folding, merging, regrouping and compacting parts, against an oracle and against each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.rollup import compact, fold_parts, merge_folded, regroup
from metronome.fold.select import Source
from metronome.fold.stat import evaluate, parse_stat
from metronome.kernel import hash64
from metronome.model import Columns, Folded, Kind, Selection, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.fold import oracle
from tests.fold.hashing import hash_numbers
from tests.fold.oracle import RECORDS, SELECTION, Part, Record, differs, plain

STEPS = st.sampled_from([0, 5000, 10_000, 20_000])
BY = st.sampled_from([None, (), ("host",), ("status", "host"), ("missing",)])
SELECTIONS = st.builds(
    Selection,
    st.just("main"),
    st.sampled_from(["*", "a.*", "a.b", "*.c", "nothing"]),
    st.sampled_from([(), (("host", "*"),), (("status", "5*"),), (("host", "{x,y}"), ("status", "200"))]),
    st.sampled_from([None, *Kind]),
    st.sampled_from([0, 15_000]),
    st.sampled_from([20_000, 1 << 62]),
)
"""Selections that take all, some or nothing of the records."""


def fold(records: list[Record], selection: Selection, step: int, by: tuple[str, ...] | None) -> list[Folded]:
    sources = [record.source() for record in records]
    return fold_parts(sources, selection, step, by, sketches=True, members=True)


@given(RECORDS, SELECTIONS, STEPS, BY)
def test_fold_is_the_oracles(
    records: list[Record], selection: Selection, step: int, by: tuple[str, ...] | None
) -> None:
    """The vectorised fold gives what folding row by row gives, in the same order."""
    assert not differs(plain(fold(records, selection, step, by)), oracle.fold(records, selection, step, by))


@given(RECORDS, STEPS, BY, st.randoms(use_true_random=False))
def test_order_of_records_makes_no_difference(
    records: list[Record], step: int, by: tuple[str, ...] | None, random: Any
) -> None:
    """Records of any gateways may be handed over in any order."""
    shuffled = list(records)
    random.shuffle(shuffled)
    assert not differs(plain(fold(records, SELECTION, step, by)), plain(fold(shuffled, SELECTION, step, by)))


@given(RECORDS, STEPS, BY)
def test_regroup_is_grouping_at_once(records: list[Record], step: int, by: tuple[str, ...] | None) -> None:
    """Keeping series apart and grouping them afterwards is the same as grouping at once."""
    apart = fold(records, SELECTION, step, None)
    assert not differs(plain(regroup(apart, by)), plain(fold(records, SELECTION, step, by)))


def in_order_of_age(records: list[Record], cuts: list[int]) -> list[list[Record]]:
    """Records cut into consecutive pieces; later pieces hold later times only."""
    parts = sorted((part for record in records for part in record.parts), key=lambda part: part.time)
    bounds = [0, *sorted(min(cut, len(parts)) for cut in cuts), len(parts)]
    return [[Record("g", number, parts[begin:end])] for number, (begin, end) in enumerate(pairwise(bounds))]


@given(RECORDS, STEPS, st.lists(st.integers(0, 20), min_size=2, max_size=2))
def test_merged_answers_are_the_answer_to_all(records: list[Record], step: int, cuts: list[int]) -> None:
    """Answers over parts, merged in order of age, are the answer over the whole; in any
    grouping, and with empty answers among them."""
    pieces = in_order_of_age(records, cuts)
    whole = plain(fold([record for piece in pieces for record in piece], SELECTION, step, None))
    one, two, three = (fold(piece, SELECTION, step, None) for piece in pieces)
    assert not differs(plain(merge_folded([one, two, three])), whole)
    assert not differs(plain(merge_folded([merge_folded([one, two]), three])), whole)
    assert not differs(plain(merge_folded([one, merge_folded([two, three])])), whole)
    assert not differs(plain(merge_folded([[], one, two, [], three, []])), whole)


@given(RECORDS, RECORDS, STEPS, BY)
def test_merging_commutes_but_for_gauges(
    first: list[Record], second: list[Record], step: int, by: tuple[str, ...] | None
) -> None:
    """Counters, timers and sets merge in either order, grouped or apart."""
    answers = [
        [group for group in fold(records, SELECTION, step, by) if group.kind is not Kind.GAUGE]
        for records in (first, second)
    ]
    assert not differs(plain(merge_folded(answers)), plain(merge_folded(answers[::-1])))


@given(RECORDS, st.sampled_from([0, 5000, 10_000]), st.sampled_from([1, 2, 6]), BY)
def test_compaction_changes_no_answer(
    records: list[Record], step: int, coarser: int, by: tuple[str, ...] | None
) -> None:
    """Whatever is asked in steps at least as long, compacted parts answer as the parts did,
    to the last field; compacting what was compacted already changes nothing either."""
    once = compacted(records, step)
    wide = max(step, 5000) * coarser
    expected = plain(fold(records, SELECTION, wide, by))
    for sources in (once, [("store", 0, compact(once, wide))]):
        answer = fold_parts(sources, SELECTION, wide, by, sketches=True, members=True)
        assert not differs(plain(answer), expected)


def compacted(records: list[Record], step: int) -> list[Source]:
    return [("store", 0, compact([record.source() for record in records], step))]


@given(RECORDS, st.sampled_from([0, 10_000]))
def test_compacted_rows(records: list[Record], step: int) -> None:
    """There is one row for each series and step, at least as long as the step, in order."""
    columns = compacted(records, step)[0][2]
    pairs = list(zip(columns.ids.tolist(), columns.times.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(time % (step or 1) == 0 for _, time in pairs)
    assert set(columns.periods.tolist()) <= {10.0 if step else 5.0}
    assert not len(columns.samples.flat)


def gauge(time: int, value: float, host: str = "x") -> Part:
    series = Series("g", (("host", host),), Kind.GAUGE)
    return Part(series, time, ((value, 1.0),), frozenset(), large=False)


def only(groups: list[Folded]) -> Folded:
    (group,) = groups
    return group


@pytest.mark.parametrize(
    ("records", "stands"),
    [
        ([Record("a", 9, [gauge(2000, 1.0)]), Record("b", 9, [gauge(1000, 2.0)])], 1.0),
        ([Record("b", 1, [gauge(1000, 1.0)]), Record("a", 9, [gauge(1000, 2.0)])], 1.0),
        ([Record("a", 10, [gauge(1000, 1.0)]), Record("a", 9, [gauge(1000, 2.0)])], 1.0),
        ([Record("a", 9, [gauge(1000, 2.0), gauge(1000, 1.0)])], 1.0),
        ([Record("a", 9, [gauge(2000, 1.0), gauge(1000, 2.0)])], 1.0),
    ],
    ids=["time", "gateway", "position", "row", "time before row"],
)
def test_which_gauge_stands(records: list[Record], stands: float) -> None:
    """The latest value stands; of equal times the greatest gateway, position, row decides."""
    for given_order in (records, records[::-1]):
        group = only(fold(given_order, SELECTION, 10_000, None))
        assert group.n.tolist() == [stands]
        assert (group.low.tolist(), group.high.tolist()) == ([1.0], [2.0])


def test_gauges_of_several_series_add_up() -> None:
    """A group of gauges is the sum of the latest values; sources counts its series."""
    parts = [gauge(0, 5.0), gauge(5000, 7.0), gauge(2000, 10.0, "y"), gauge(10_000, 1.0, "y")]
    group = only(fold([Record("a", 0, parts)], SELECTION, 10_000, ()))
    assert group.times.tolist() == [0, 10_000]
    assert group.n.tolist() == [17.0, 1.0]
    assert group.sources.tolist() == [2.0, 1.0]
    assert group.d.tolist() == [1.0, 1.0]
    assert (group.low.tolist(), group.high.tolist()) == ([5.0, 1.0], [10.0, 1.0])


def test_later_answer_overrides_a_gauge() -> None:
    """Of a gauge in two answers the later answer's value stands, the extremes go over both."""
    stored = fold([Record("a", 0, [gauge(0, 5.0), gauge(10_000, 6.0)])], SELECTION, 10_000, None)
    waiting = fold([Record("a", 1, [gauge(10_000, 2.0)])], SELECTION, 10_000, None)
    group = only(merge_folded([stored, waiting]))
    assert group.n.tolist() == [5.0, 2.0]
    assert (group.low.tolist(), group.high.tolist()) == ([5.0, 2.0], [5.0, 6.0])
    assert group.sources.tolist() == [1.0, 1.0]


def test_series_that_differ_in_name_only_stay_apart() -> None:
    """With ``by=None`` two names with the same labels are two groups that say their names."""
    other = gauge(0, 6.0)._replace(series=Series("h", (("host", "x"),), Kind.GAUGE))
    apart = fold([Record("a", 0, [gauge(0, 5.0), other])], SELECTION, 10_000, None)
    assert [(group.name, group.n.tolist()) for group in apart] == [("g", [5.0]), ("h", [6.0])]
    assert [group.n.tolist() for group in merge_folded([apart, apart])] == [[5.0], [6.0]]
    assert only(regroup(apart, ("host",))).name == ""


def numbered_set(first: int, last: int) -> Columns:
    """One part of a set with these members."""
    series = Series("visitors", (), Kind.SET)
    key = series_key(series)
    hashes = hash_numbers(np.arange(first, last, dtype=np.uint64)).tolist()
    return columns_of([Row(key, hash64(key), Kind.SET, 0, 10.0, 1, 0.0, 1.0, 0.0, 0.0, 0.0, (), hashes)])


def test_distinct_counts_over_parts() -> None:
    """Overlapping parts of a set are exact to 4,096 members and within some percent beyond,
    also when the union is made in two stages."""
    sources: list[Source] = [
        ("g", number, numbered_set(1000 * number, 1000 * number + 2000)) for number in range(9)
    ]
    exact = only(fold_parts(sources[:3], SELECTION, 0, None))
    assert (exact.n.tolist(), exact.members) == ([4000.0], [])
    answers = [fold_parts(half, SELECTION, 0, None, members=True) for half in (sources[:5], sources[5:])]
    united = only(merge_folded(answers))
    at_once = only(fold_parts(sources, SELECTION, 0, None))
    assert united.n[0] == at_once.n[0] == pytest.approx(10_000, rel=0.05)
    assert only(fold_parts([("s", 0, compact(sources, 10_000))], SELECTION, 0, None)).n[0] == at_once.n[0]


def test_answers_without_their_extras() -> None:
    """Sets without members merge to the greatest count, timers without sketches to no sketch."""
    sets = [fold_parts([("g", 0, numbered_set(*ends))], SELECTION, 0, None) for ends in ((0, 30), (20, 60))]
    assert only(merge_folded(sets)).n.tolist() == [40.0]
    part = Part(Series("t", (), Kind.TIMER), 0, ((5.0, 1.0),), frozenset(), large=False)
    source = Record("g", 0, [part]).source()
    timers = [fold_parts([source], SELECTION, 0, None, sketches=asked) for asked in (True, False)]
    merged = only(merge_folded(timers))
    assert (merged.n.tolist(), merged.sketches) == ([10.0], [])


def test_rates_means_and_percentiles_survive_the_ladder() -> None:
    """Ten minutes of 10 s parts, compacted to 60 s and then to 600 s: rate, mean, standard
    deviation and percentiles over ten minutes are what they were."""
    random = np.random.default_rng(3)
    timer, counter = Series("t", (), Kind.TIMER), Series("c", (), Kind.COUNTER)
    parts = []
    for time in range(0, 600_000, 10_000):
        samples = tuple((value, 1.0) for value in random.lognormal(3, 1, 50).tolist())
        parts += [Part(series, time, samples, frozenset(), large=False) for series in (timer, counter)]
    sources = [Record("g", 0, parts).source()]
    ladder: list[Source] = [("store", 0, compact([("store", 0, compact(sources, 60_000))], 600_000))]
    exact = np.concatenate([[value for value, _ in part.samples] for part in parts[::2]])
    for text, value in (
        ("rate", len(exact) / 600),
        ("mean", exact.mean()),
        ("std", exact.std()),
        ("p95", np.quantile(exact, 0.95, method="lower")),
        ("max", exact.max()),
    ):
        for one in (sources, ladder):
            selection = SELECTION._replace(kind=Kind.TIMER)
            group = only(fold_parts(one, selection, 600_000, None, sketches=True))
            error = 0.01 if text == "p95" else 1e-9
            assert evaluate(parse_stat(text), group, 600_000) == pytest.approx(value, rel=error)
    for one in (sources, ladder):
        group = only(fold_parts(one, SELECTION._replace(kind=Kind.COUNTER), 600_000, None))
        assert evaluate(parse_stat("rate"), group, 600_000) == pytest.approx(exact.sum() / 600)
    assert ladder[0][2].periods.tolist() == [600.0, 600.0]


def test_nothing_folds_to_nothing() -> None:
    """No records, no rows, no answers: no groups, and no error."""
    assert fold_parts([], SELECTION, 10_000, ("host",)) == []
    assert fold_parts([("g", 0, columns_of([]))], SELECTION, 10_000, None, sketches=True) == []
    assert merge_folded([]) == merge_folded([[], []]) == regroup([], ("host",)) == []
    assert len(compact([], 10_000)) == 0
