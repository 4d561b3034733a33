"""What flushes bring, on the page: every series."""

from __future__ import annotations

import pytest

from metronome.fold.roster import Rosters
from metronome.gateway.shown_series import ShownSeries
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import hash64
from metronome.model import Columns, Flushed, Kind, Parts
from metronome.wire.records import Row, columns_of
from tests.gateway.page_kit import Shown, key
from tests.gateway.rule_kit import book


class World(Shown):
    """The series of all streams."""

    def __init__(self, toml: str = "", *sets: str) -> None:
        super().__init__()
        self.telemetry = Telemetry()
        self.rosters = Rosters()
        self.series = ShownSeries(self.board, self.rosters, self.telemetry)
        self.series.use(book(toml, *sets))
        self.now = 100.0

    def keep(self, *rows: tuple[str, Kind, int, float], stream: str = "main") -> None:
        self.series.keep(Parts(stream, columns(*rows)), self.now)

    def end(self) -> None:
        for _ in self.series.end(Flushed("main", int(self.now * 1000), 10.0), self.now):
            assert self.page()
        self.now += 10

    def told(self, name: str) -> float:
        return self.telemetry.value(name)


def columns(*rows: tuple[str, Kind, int, float]) -> Columns:
    """Name, kind, time and value of each."""
    found = []
    for name, kind, time, n in rows:
        one = key(name, kind)
        samples = [n] if kind is Kind.TIMER else []
        found.append(Row(one, hash64(one), kind, time, 10.0, 1, n, 1.0, n, n, 0.0, samples))
    return columns_of(found)


C, G, T = Kind.COUNTER, Kind.GAUGE, Kind.TIMER


def test_parts_of_a_flush_add_up() -> None:
    """What is negative is judged when all of it is there; nothing shows before."""
    world = World()
    world.keep(("a", C, 0, 5.0), ("a", C, 0, -2.0), ("b", C, 0, 1.0), ("down", C, 0, 1.0))
    world.keep(("a", C, 0, -2.0), ("down", C, 0, -2.0))
    assert world.lines() == []
    world.end()
    assert world.lines() == ["a_total 1", "b_total 1", "down_total 0"]
    world.keep(("a", C, 0, 1.0))
    world.end()
    assert world.lines()[0] == "a_total 2"
    assert world.told("metronome_metrics_negative_total") == 1


def test_what_comes_while_a_flush_is_brought_in_is_of_the_next() -> None:
    """The room that a flush had is given back only when nothing waits in it."""
    world = World()
    world.keep(("a", C, 0, 5.0), ("g", G, 0, 1.0))
    steps = world.series.end(Flushed("main", 100_000, 10.0), world.now)
    next(steps)
    world.keep(("a", C, 0, 2.0))
    for _ in steps:
        pass
    assert world.lines() == ["a_total 5", "g 1"]
    world.end()
    assert world.lines() == ["a_total 7", "g 1"]
    world.keep(("b", C, 0, 1.0), ("g", G, 0, 3.0))
    world.end()
    assert world.lines() == ["a_total 7", "g 3", "b_total 1"]


@pytest.mark.parametrize("pieces", [1, 2])
def test_gauges_have_the_latest_value(pieces: int) -> None:
    """By their times; of equally late ones the last that came."""
    world = World()
    rows = [("g", G, 20, 1.0), ("g", G, 30, 2.0), ("g", G, 30, 3.0), ("g", G, 10, 4.0)]
    if pieces == 1:
        world.keep(*rows)
    else:
        for row in rows:
            world.keep(row)
    world.end()
    assert world.lines() == ["g 3"]
    world.keep(("g", G, 5, 9.0))
    world.end()
    assert world.lines() == ["g 9"], "of another flush"


def test_parts_of_a_timer_are_one() -> None:
    """Its quantiles are of all samples of the flush, its sums of all flushes."""
    world = World()
    for n in (10.0, 30.0, 20.0):
        world.keep(("t", T, 0, n))
    world.end()
    assert world.lines() == [
        't{quantile="0.5"} 20',
        't{quantile="0.9"} 20',
        't{quantile="0.95"} 20',
        't{quantile="0.99"} 20',
        "t_sum 60",
        "t_count 3",
    ]


def test_their_beginning() -> None:
    """That of the flush in which they came."""
    world = World()
    world.end()
    world.keep(("a", C, 0, 1.0))
    world.end()
    assert world.board.sheets[0].born[0] == 110


def test_clashes_are_told() -> None:
    """How many series wait."""
    world = World()
    world.keep(("a", G, 0, 1.0))
    world.end()
    world.keep(("a", C, 0, 1.0), ("a", T, 0, 1.0))
    world.end()
    assert world.told("metronome_metrics_clashes_total") == 2


DROP = '[[rollup]]\nmatch = "debug.*"\ndrop = true\n'


def test_rules_drop_series() -> None:
    """Those that are shown leave with the next part of theirs, and come back with other rules."""
    world = World()
    world.keep(("debug.a", C, 0, 1.0), ("b", C, 0, 1.0), ("debug.t", T, 0, 1.0))
    world.end()
    world.series.use(book(DROP))
    for _ in range(2):
        world.keep(("debug.a", C, 0, 1.0), ("debug.t", T, 0, 1.0), ("b", C, 0, 1.0), ("debug.new", C, 0, 1.0))
        world.end()
        assert len(world.board) == 1
    assert world.lines() == ["b_total 3"]
    world.series.use(book(DROP.replace("debug", "b")))
    world.keep(("debug.a", C, 0, 4.0), ("b", C, 0, 1.0))
    world.end()
    assert "debug_a_total 4" in world.lines()
    world.series.use(book(""))
    world.keep(("debug.new", C, 0, 5.0))
    world.end()
    assert "debug_new_total 5" in world.lines()


def test_other_rules_in_the_middle_of_a_flush() -> None:
    """What leaves the page then is not brought back by the rest of the flush."""
    world = World()
    world.keep(("a", C, 0, 1.0), ("t", T, 0, 1.0))
    steps = world.series.end(Flushed("main", 0, 10.0), world.now)
    next(steps)
    world.series.use(book('[[rollup]]\nmatch = "x"\nprometheus = "x"\n'))
    list(steps)
    assert (world.lines(), len(world.rosters.of("main"))) == ([], 0)
    world.series.use(book(""))
    world.keep(("a", C, 0, 2.0))
    world.end()
    assert world.lines() == ["a_total 2"]
