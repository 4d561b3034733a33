"""One length of period: numbers of groups, and what is bounded."""

from __future__ import annotations

from collections.abc import Iterable

from metronome.fold.rules import graphite_slots
from metronome.gateway.shelf import Ended, Shelf
from metronome.kernel import hash64
from metronome.limits import PILE_GROUPS
from metronome.model import Columns, Kind, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.gateway.rule_kit import rules

RULES = (
    '[[rollup]]\nmatch = "*"\nby = ["i"]\ngraphite = "x.{i}"\n[[rollup]]\nmatch = "a*"\ngraphite = "all"\n'
)


def made(toml: str = RULES, series: int = 1000, cells: int = 1000) -> Shelf:
    one = Shelf(10_000, lambda slot, header: None, lambda slot, group: None, False, series, cells)
    found = rules(toml)
    one.use(graphite_slots(found, lambda rule: lambda name, value: value), found, 0)
    return one


def counters(numbers: Iterable[int], time: int = 0, name: str = "a") -> Columns:
    keys = [series_key(Series(name, (("i", str(number)),), Kind.COUNTER)) for number in numbers]
    return columns_of([Row(key, hash64(key), Kind.COUNTER, time, 10.0, 1, 1, 1, 1, 1, 0, ()) for key in keys])


def sums(given: Iterable[Ended | None]) -> dict[str, float]:
    return {
        "/".join(value for _, value in group.header.labels): n
        for ended in given
        if ended
        for group, n in zip(ended.groups, ended.values.folded.n.tolist(), strict=True)
    }


def test_a_series_feeds_several_groups() -> None:
    """One of each rule that takes it; one that no rule takes feeds none."""
    one = made()
    one.add(counters([1, 2]), 10_000)
    one.add(counters([1], name="b"), 10_000)
    assert sums(one.ended(10_000, 0)) == {"1": 2, "2": 1, "": 2}
    assert one.add(counters([7], name="c"), 10_000) == {}
    assert one.groups == 4


def test_many_groups_come_in_portions() -> None:
    """Nothing that is given out at once has more groups than a turn of the reactor may take."""
    one = made(series=100_000)
    number = PILE_GROUPS + 10
    one.add(counters(range(number)), 10_000)
    given = [ended for ended in one.ended(10_000, 0) if ended]
    assert sum(len(ended.groups) for ended in given) == number + 1
    assert max(len(ended.groups) for ended in given) <= PILE_GROUPS


def test_forgetting_series_changes_no_sums() -> None:
    """More series than are remembered are only asked for again."""
    one = made(series=3)
    for _ in range(3):
        for number in range(6):
            one.add(counters([number]), 10_000)
    assert sums(one.ended(10_000, 0)) == {**{str(number): 3 for number in range(6)}, "": 18}


def test_abandoned_portions_come_again() -> None:
    """What was not taken to its end is given out once more, as a whole."""
    one = made()
    one.add(counters([1]), 10_000)
    given = one.ended(10_000, 0)
    next(given)
    given.close()
    assert sums(one.ended(10_000, 0)) == {"1": 1, "": 1}
    assert sums(one.ended(10_000, 0)) == {}


def test_ended_periods_are_bounded_by_their_cells() -> None:
    """When they hold too much, the oldest goes before its time; late parts then find it new."""
    one = made(cells=15)
    for period in range(4):
        one.add(counters(range(5), period * 10_000), (period + 1) * 10_000)
        sums(one.ended((period + 1) * 10_000, 0))
        one.tidy((period + 1) * 10_000)
    one.add(counters([0], 30_000), 40_000)
    assert sums(one.ended(40_000, 0)) == {"0": 2, "": 6}
