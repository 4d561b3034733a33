"""Rollups against folding everything at once, with parts in any order, split and late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.rollup import fold_parts
from metronome.fold.rules import Book, Rule, Slot, graphite_slots, prometheus_slots
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.kernel import hash64
from metronome.limits import LATE_PERIODS, LATE_SECONDS
from metronome.model import Columns, Flushed, Kind, Parts, Selection, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.fold.oracle import PARTS, Record, columns
from tests.gateway.rule_kit import PERIOD, plain, rules

MS = 10_000
FLUSHES = 7

MATCHES = st.sampled_from(["*", "a.*", "a.b", "{a.b,nothing}"])
RECORDS = st.lists(
    st.builds(Record, st.just("g"), st.integers(0, 5), st.lists(PARTS, min_size=3, max_size=8)),
    min_size=2,
    max_size=5,
)
RULES = st.lists(
    st.builds(
        Rule,
        st.just(1),
        MATCHES,
        where=st.sampled_from([(), (), (), (("host", "*"),), (("status", "5*"),)]),
        kind=st.sampled_from([None, None, None, *Kind]),
        drop=st.sampled_from([False] * 7 + [True]),
        by=st.sampled_from([(), ("host",), ("status", "host"), ("missing",)]),
        every=st.sampled_from([10.0, 20.0, 60.0]),
        over=st.sampled_from(["sum", "mean", "min", "max", "last"]),
        graphite=st.just(("x",)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda rule: rule.match,
)
ARRIVALS = st.lists(st.integers(0, FLUSHES - 1), min_size=5, max_size=5).map(sorted)


def bare(rule: Rule) -> Any:
    return lambda name, value: value


def made(found: Sequence[Rule], **options: Any) -> Rollups:
    rollups = Rollups(lambda slot, header: None, **options)
    rollups.use(found, graphite_slots(found, bare))
    return rollups


def flush(rollups: Rollups, number: int, pieces: Sequence[Columns]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the end of a flush gives out."""
    for piece in pieces:
        rollups.keep(piece)
    out: dict[tuple[Any, ...], dict[str, Any]] = {}
    for ended in rollups.end(Flushed("main", number * MS, PERIOD)):
        for key, values in plain(ended):
            assert key not in out, "a group is given out once"
            out[key] = values
    return out


def in_time(rule: Rule, time: int, number: int) -> bool:
    """Whether a part that arrives with a flush may still amend its period."""
    every, now = round(rule.every * 1000), (number + 1) * MS
    keep = min(LATE_PERIODS * every, LATE_SECONDS * 1000)
    return time // every * every >= (now - keep) // every * every


def expected(
    found: Sequence[Rule], flushes: Sequence[Sequence[Record]], now: int
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The groups of all periods that have ended, folded by ``fold_parts`` rule by rule."""
    out: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, rule in enumerate(found):
        if rule.drop:
            continue
        dropping = [one for one in found[:place] if one.drop]
        kept = []
        for number, records in enumerate(flushes):
            for record in records:
                parts = [
                    part
                    for part in record.parts
                    if rule.takes(part.series)
                    and not any(one.takes(part.series) for one in dropping)
                    and in_time(rule, part.time, number)
                ]
                kept.append(("g", len(kept), columns(parts)))
        step = round(rule.every * 1000)
        series = fold_parts(kept, Selection("main", "*"), step, None)
        for group in fold_parts(kept, Selection("main", "*"), step, rule.by, sketches=True):
            for index, start in enumerate(group.times.tolist()):
                if start + step > now:
                    continue
                bins, counts = group.sketches[index]
                over = None
                if group.kind is Kind.GAUGE:
                    over = over_of(rule, kept, series, group.labels, start, step)
                out[rule.match, start, (group.labels, group.kind, "")] = {
                    **{
                        name: float(getattr(group, name)[index])
                        for name in ("n", "d", "counts", "low", "high", "squares")
                    },
                    "over": over,
                    "sketch": dict(zip(bins.tolist(), counts.tolist(), strict=True)),
                }
    return out


def over_of(rule: Rule, kept: Any, series: Any, labels: Any, start: int, step: int) -> float:
    """What a group of gauges comes to, series by series."""
    values = []
    for one in series:
        own = dict(one.labels)
        if one.kind is Kind.GAUGE and all(own.get(name, "") == value for name, value in labels):
            values += [float(n) for n, time in zip(one.n, one.times, strict=True) if time == start]
    if rule.over != "last":
        return {
            "sum": sum(values),
            "mean": sum(values) / len(values),
            "min": min(values),
            "max": max(values),
        }[rule.over]
    latest: list[tuple[int, float]] = []
    for _, _, part in kept:
        for row in range(len(part)):
            own = dict(zip(*[iter(part.key(row)[1:].decode().split("\0")[1:])] * 2, strict=True))
            mine = part.kinds[row] == Kind.GAUGE and part.times[row] // step * step == start
            if mine and all(own.get(name, "") == value for name, value in labels):
                latest.append((int(part.times[row]), float(part.n[row])))
    newest = max(time for time, _ in latest)
    candidates = [value for time, value in latest if time == newest]
    # Series that were set at the same instant: any of them is the last; the test cannot tell.
    return candidates[-1] if len(set(candidates)) == 1 else float("nan")


def differs(one: dict[tuple[Any, ...], Any], two: dict[tuple[Any, ...], Any]) -> list[str]:
    """Where two answers differ; a last gauge that is anybody's guess is left out."""
    found = [f"{key} is only in one" for key in one.keys() ^ two.keys()]
    for key in one.keys() & two.keys():
        for name, value in one[key].items():
            other = two[key][name]
            unsure = isinstance(other, float) and np.isnan(other)
            if value != other and not unsure and value != pytest.approx(other):
                found.append(f"{name} of {key}: {value} and {other}")
    return found


def arranged(records: Sequence[Record], arrivals: Sequence[int]) -> list[list[Record]]:
    """Records by the flush with which they arrive."""
    flushes: list[list[Record]] = [[] for _ in range(FLUSHES)]
    for record, number in zip(records, arrivals, strict=False):
        flushes[number].append(record)
    return flushes


@given(RULES, RECORDS, ARRIVALS)
def test_rollups_are_the_fold_of_all_parts(
    found: list[Rule], records: list[Record], arrivals: list[int]
) -> None:
    """However parts are split and however late they come, what was given out last of each group
    and period is the fold of all its parts."""
    flushes = arranged(records, arrivals)
    rollups = made(found)
    rollups.begin(0)
    given_out: dict[tuple[Any, ...], Any] = {}
    for number, arrived in enumerate(flushes):
        given_out |= flush(rollups, number, [columns(record.parts) for record in arrived])
    assert not differs(given_out, expected(found, flushes, FLUSHES * MS))


@given(RULES, RECORDS, ARRIVALS, st.integers(1, FLUSHES - 1))
def test_a_restart_changes_nothing(
    found: list[Rule], records: list[Record], arrivals: list[int], cut: int
) -> None:
    """A run that begins where the last one may have to begin gives out the same."""
    flushes = arranged(records, arrivals)
    first, second = made(found), made(found)
    first.begin(0)
    out: dict[tuple[Any, ...], Any] = {}
    for number in range(cut):
        out |= flush(first, number, [columns(record.parts) for record in flushes[number]])
    begin = min(max(first.needed, 0) // MS, cut)
    second.begin(begin * MS)
    for number in range(begin, FLUSHES):
        out |= flush(second, number, [columns(record.parts) for record in flushes[number]])
    # What arrived before that place for periods behind it was too early to be seen again.
    early = any(
        part.time >= begin * MS for arrived in flushes[:begin] for one in arrived for part in one.parts
    )
    if not early:
        assert not differs(out, expected(found, flushes, FLUSHES * MS))


@given(RULES, RECORDS, ARRIVALS)
def test_what_counts_by_arrival_only_adds_up(
    found: list[Rule], records: list[Record], arrivals: list[int]
) -> None:
    """With ``arrivals`` everything is given out exactly once, late or not."""
    total = 0.0
    rollups = Rollups(lambda slot, header: None, arrivals=True)
    keeping = [replace(rule, prometheus="x", drop=False) for rule in found]
    rollups.use(keeping, prometheus_slots(keeping))
    flushes = arranged(records, arrivals)
    for number, arrived in enumerate(flushes):
        out = flush(rollups, number, [columns(record.parts) for record in arrived])
        total += sum(values["n"] for (_, _, header), values in out.items() if header.kind is Kind.COUNTER)
    sent = sum(
        value * weight
        for arrived in flushes
        for record in arrived
        for part in record.parts
        for rule in keeping
        if part.series.kind is Kind.COUNTER and rule.takes(part.series)
        for value, weight in part.samples
    )
    assert total == sent


def hits(n: float, time: int = 0, **labels: str) -> Columns:
    key = series_key(Series("hits", tuple(sorted(labels.items())), Kind.COUNTER))
    return columns_of([Row(key, hash64(key), Kind.COUNTER, time, PERIOD, 1, n, 1.0, n, n, 0.0, ())])


HOSTS = '[[rollup]]\nmatch = "hits"\nby = ["host"]\ngraphite = "h.{host}"\n'


def totals(out: dict[tuple[Any, ...], dict[str, Any]]) -> dict[tuple[int, str], float]:
    return {
        (start, dict(header.labels).get("host", "")): values["n"]
        for (_, start, header), values in out.items()
    }


def test_late_parts_amend_their_group_alone() -> None:
    """Only the group that changed is given out again, with all that it has."""
    rollups = made(rules(HOSTS))
    assert totals(flush(rollups, 0, [hits(1, host="a"), hits(2, host="b")])) == {(0, "a"): 1, (0, "b"): 2}
    assert totals(flush(rollups, 1, [hits(5, host="b"), hits(7, 10_000, host="a")])) == {
        (0, "b"): 7,
        (10_000, "a"): 7,
    }
    assert flush(rollups, 2, []) == {}


def test_too_late_and_too_early_are_counted() -> None:
    """Beyond the periods that are kept, and far in the future, rows are left out and told."""
    left: dict[str, int] = {}
    rollups = made(rules(HOSTS), count=lambda reason, number: left.update({reason: number}))
    rollups.begin(0)
    flush(rollups, 0, [])
    assert totals(flush(rollups, LATE_PERIODS, [hits(1)])) == {}
    assert left == {"late": 1}
    flush(rollups, LATE_PERIODS, [hits(1, 10_000_000), hits(1, 9_000_000)])
    assert left == {"late": 1, "early": 2}
    assert totals(flush(rollups, LATE_PERIODS - 1, [hits(1, 10_000)])) == {(10_000, ""): 1}


def test_a_period_that_was_not_seen_whole_is_not_given_out() -> None:
    """Who begins in the middle would overwrite a whole value by a part of it."""
    rollups = made(rules(HOSTS.replace("graphite", "every = 30\ngraphite")))
    flush(rollups, 1, [hits(1, 10_000)])
    assert flush(rollups, 2, [hits(2, 20_000)]) == {}
    for number in (3, 4):
        assert flush(rollups, number, [hits(3, number * MS)]) == {}
    assert totals(flush(rollups, 5, [])) == {(30_000, ""): 6}


def test_limit_folds_the_rest_into_one() -> None:
    """A rule keeps as many groups as it may; the others share one, and lose nothing."""
    left: list[tuple[str, int]] = []
    rollups = made(rules(HOSTS + "limit = 2\n"), count=lambda *told: left.append(told))
    out = totals(flush(rollups, 0, [hits(1, host=host) for host in "abcde"]))
    assert sorted(out.values()) == [1, 1, 3]
    assert out[0, "_other_"] == 3
    assert left == [("over_limit", 3)]


def test_idle_groups_make_room() -> None:
    """When the limit is reached, groups that got nothing for long are forgotten."""
    gone: list[str] = []
    rollups = Rollups(lambda slot, header: None, lambda slot, group: gone.append(group.header.labels[0][1]))
    found = rules(HOSTS + "limit = 2\n")
    rollups.use(found, graphite_slots(found, bare))
    flush(rollups, 0, [hits(1, host="a"), hits(1, host="b")])
    later = 1000
    flush(rollups, later, [hits(1, later * MS, host="b")])
    assert gone == ["a"]
    out = totals(
        flush(rollups, later + 1, [hits(3, later * MS + MS, host="c"), hits(1, later * MS, host="b")])
    )
    assert out == {(later * MS + MS, "c"): 3, (later * MS, "b"): 2}


def test_unchanged_rules_keep_what_they_have() -> None:
    """New rules beside them, or another place in the file, change nothing; a new one begins with
    its first whole period, and one that is gone gives nothing out."""
    slow = '[[rollup]]\nmatch = "hits"\nevery = 30\ngraphite = "slow"\n'
    rollups = made(rules(slow))
    flush(rollups, 0, [hits(1)])
    both = rules('[[rollup]]\nmatch = "h*"\nevery = 30\ngraphite = "new"\n' + slow)
    rollups.use(both, graphite_slots(both, bare))
    flush(rollups, 1, [hits(2, 10_000)])
    out = flush(rollups, 2, [hits(3, 20_000)])
    assert {key[0]: values["n"] for key, values in out.items()} == {"hits": 6}
    for number in (3, 4):
        flush(rollups, number, [hits(1, number * MS)])
    assert {key[0] for key in flush(rollups, 5, [])} == {"hits", "h*"}
    rollups.use((), [])
    assert flush(rollups, 6, [hits(1, 60_000)]) == {}
    assert rollups.groups == 0


def test_streams_keep_apart() -> None:
    """A rule sees its own stream; one without flushes ends with those of main."""
    shop = '[[rollup]]\nmatch = "*"\nstream = "shop"\ngraphite = "shop"\n'
    streams = StreamRollups(
        lambda stream: Rollups(lambda slot, header: None), lambda of: graphite_slots(of, bare)
    )
    streams.use(Book(rules(HOSTS + shop)))
    streams.begin(0)
    streams.keep(Parts("main", hits(1)))
    streams.keep(Parts("shop", hits(2)))
    streams.keep(Parts("unknown", hits(4)))
    out = [found for found in streams.end(Flushed("main", 0, PERIOD), "main") if found]
    assert {stream: next(iter(plain(ended)))[1]["n"] for stream, ended in out} == {"main": 1, "shop": 2}
    streams.keep(Parts("shop", hits(8, 10_000)))
    (found,) = [found for found in streams.end(Flushed("shop", 10_000, PERIOD), "main") if found]
    assert found[0] == "shop"
    assert [found for found in streams.end(Flushed("main", 10_000, PERIOD), "main") if found] == []
    assert streams.groups == 2
    streams.use(Book())
    assert streams.needed is None


def test_needed_is_what_may_still_be_amended() -> None:
    """A restart has to see again what is open, and what late parts could amend."""
    rollups = made(rules(HOSTS + HOSTS.replace("hits", "x").replace("by", "every = 60\nby")))
    rollups.begin(0)
    flush(rollups, 99, [])
    assert rollups.needed == (1_000_000 - 300_000) // 60_000 * 60_000
    slots: list[Slot] = []
    rollups.use((), slots)
    assert rollups.needed == 1_000_000
