"""The groups of rules, on the page."""

from __future__ import annotations

import numpy as np

from metronome.fold.native import codes_of
from metronome.gateway.shown_groups import NATIVE_SCHEMA, ShownGroups
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import hash64
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import Flushed, Kind, Parts
from metronome.wire.records import Row, columns_of
from tests.gateway.page_kit import Shown, key
from tests.gateway.rule_kit import book

RULE = """
[[rollup]]
match = "{match}"
by = ["host"]
prometheus = "{family}"
every = 10
"""


class World(Shown):
    """The groups of all streams."""

    def __init__(self, toml: str) -> None:
        super().__init__()
        self.telemetry = Telemetry()
        self.groups = ShownGroups(self.board, self.telemetry, "metrics")
        self.groups.use(book(toml))
        self.now = 100.0
        self.marks = 0

    def flush(self, *rows: tuple[str, Kind, float, str]) -> None:
        """Name, kind, value and host of each."""
        found = []
        for name, kind, n, host in rows:
            one = key(name, kind, host=host)
            samples = [n] if kind is Kind.TIMER else []
            start = int(self.now * 1000)
            found.append(Row(one, hash64(one), kind, start, 10.0, 1, n, 1.0, n, n, 0.0, samples))
        self.groups.keep(Parts("main", columns_of(found)))
        list(self.groups.end(Flushed("main", int(self.now * 1000), 10.0), self.now, *self.place()))
        self.now += 10

    def place(self) -> tuple[int, int]:
        """Where the next mark stands, and where it ends."""
        self.marks += 1
        return self.marks, self.marks + 1

    def told(self, name: str) -> float:
        return self.telemetry.value(name)


def rule(match: str, family: str, more: str = "") -> str:
    return RULE.format(match=match, family=family) + more


C, G, T = Kind.COUNTER, Kind.GAUGE, Kind.TIMER


def test_two_rules_with_one_family() -> None:
    """Groups of equal labels are two; the first is shown and counts alone, the other waits."""
    world = World(rule("a", "f") + rule("b", "f"))
    world.flush(("a", C, 1, "x"), ("b", C, 10, "x"), ("b", C, 100, "y"))
    assert world.lines() == ['f_total{host="x"} 1', 'f_total{host="y"} 100']
    assert world.told("metronome_metrics_clashes_total") == 1
    assert world.groups.size == 3


def test_kinds_and_help() -> None:
    """Each kind of a rule is a family of its own, if the name is free."""
    world = World(rule("*", "{name}", "buckets = [2]\n"))
    world.flush(("c", C, 1, "x"), ("g", G, 2, "x"), ("t", T, 2, "x"), ("t", T, 3, "x"), ("c", G, 4, "x"))
    assert world.lines() == [
        'c_total{host="x"} 1',
        't_bucket{host="x",le="2.0"} 1',
        't_bucket{host="x",le="+Inf"} 2',
        't_sum{host="x"} 5',
        't_count{host="x"} 2',
        'g{host="x"} 2',
    ]
    assert "# HELP c_total * by host (counter)\n" in world.page()


def test_negative_counts() -> None:
    """They are left out and told."""
    world = World(rule("a", "f"))
    world.flush(("a", C, 1, "x"), ("a", C, -1, "y"))
    assert world.lines() == ['f_total{host="x"} 1', 'f_total{host="y"} 0']
    assert world.told("metronome_metrics_negative_total") == 1


def test_groups_leave_at_once() -> None:
    """With their rule; their places and manners are others' then."""
    world = World(rule("a", "f", "stats = ['p50']\n") + rule("b", "g"))
    world.flush(("a", T, 1, "x"), ("b", C, 2, "x"))
    for turn in range(3):
        world.groups.use(book(rule("a", f"f{turn}", f"stats = ['p{turn + 1}0', 'p90']\n") + rule("b", "g")))
        assert world.lines() == ['g_total{host="x"} ' + str(2 + turn)]
        world.flush(("a", T, 3, "x"), ("b", C, 1, "x"))
    assert [line for line in world.lines() if "quantile" in line] == [
        'f2{host="x",quantile="0.3"} 3',
        'f2{host="x",quantile="0.9"} 3',
    ]
    assert len(world.board.sheets[0].manners) < 5


def test_other_rules_in_the_middle_of_a_flush() -> None:
    """What leaves the page then is not brought back by the rest of the flush."""
    world = World(rule("a", "f"))
    world.flush(("a", C, 1, "first"))
    hosts = [("a", C, 1.0, f"h{at}") for at in range(METRICS_STEP_ROWS + 1)]
    found = []
    for name, kind, n, host in hosts:
        one = key(name, kind, host=host)
        found.append(Row(one, hash64(one), kind, 0, 10.0, 1, n, 1.0, n, n, 0.0, ()))
    world.groups.keep(Parts("main", columns_of(found)))
    steps = world.groups.end(Flushed("main", 0, 10.0), world.now, *world.place())
    while len(world.board) == 1:
        next(steps)
    world.groups.use(book(rule("b", "g")))
    list(steps)
    assert (world.lines(), len(world.board)) == ([], 0)


def test_a_group_that_was_idle_begins_anew() -> None:
    """It has left the page by its time to live, though the rule knows it still."""
    world = World(rule("a", "f"))
    world.flush(("a", C, 1, "x"))
    list(world.board.expire(world.now, 0.0))
    assert world.lines() == []
    world.flush(("a", C, 5, "x"))
    assert world.lines() == ['f_total{host="x"} 5']


def test_native_buckets() -> None:
    """They are of the same groups as the classic ones, and begin and end with them."""
    world = World(rule("t", "f", "buckets = [5]\nnative = true\n"))
    world.flush(("t", T, 3.0, "x"), ("t", T, 3.0, "x"), ("t", T, 0.0, "y"))
    world.flush(("t", T, 100.0, "x"))
    assert world.lines()[1:3] == ['f_bucket{host="x",le="+Inf"} 3', 'f_sum{host="x"} 106']
    sheet = world.board.sheets[0]
    owners, codes, counts = sheet.spread.of(np.array([0, 1]))
    assert (owners.tolist(), counts.tolist()) == ([0, 0, 1], [2, 1, 1])
    assert codes.tolist() == codes_of(np.array([3.0, 100.0, 0.0]), NATIVE_SCHEMA).tolist()
    world.groups.use(book(rule("other", "f")))
    assert len(sheet.spread.of(np.array([0, 1]))[0]) == 0
