"""What a flush brings, added to totals."""

from __future__ import annotations

from collections import Counter

import pytest

from metronome.fold.columns import join as joined
from metronome.fold.mapping import load
from metronome.fold.shapes import Shapes
from metronome.fold.united import united
from metronome.gateway.adding import Adding
from metronome.gateway.exposed import Names
from metronome.gateway.totals import Totals
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Labels
from tests.gateway.rule_kit import book

NOW, PERIOD, TTL = 1_000_000, 10_000, 300.0


class World:
    """The totals of one stream."""

    def __init__(self, rules: str = "", *sets: str, labels: Labels = ()) -> None:
        self.told: Counter[str] = Counter()
        self.totals = Totals(Names())
        self.adding = Adding("main", self.totals, TTL, self._count, labels=labels)
        self.adding.use(book(rules, *sets))
        self.table = Table()
        self.now = NOW

    def _count(self, reason: str, number: float) -> None:
        self.told[reason] += int(number)

    def send(self, lines: str) -> None:
        self.table.feed_statsd(lines.encode(), Dialect())
        columns = united(*(lambda found: (found, found.times * 0))(joined([self.table.flush(0, 10.0)])))
        self.now += PERIOD
        self.adding.series(columns, self.now, PERIOD)

    def cells(self) -> dict[str, list[float]]:
        found = {}
        for place in self.totals.places().tolist():
            first, width = int(self.totals.first[place]), int(self.totals.widths[place])
            found[self.totals.series(place).base] = self.totals.values[first : first + width].tolist()
        return found


def test_kinds_add_up_or_stand() -> None:
    """Counters and timers go on; gauges and sets are what they were last."""
    world = World()
    world.send("a:3|c\nb:4|g\nc:x|s\nc:y|s\nd:10|ms\nd:20|ms|@0.5")
    world.send("a:2|c\nb:7|g\nc:x|s\nd:30|ms")
    assert world.cells() == {"a": [5], "b": [7], "c": [1], "d": [30, 30, 30, 30, 80, 4]}


def test_mapping_rules_shape_timers() -> None:
    """Histograms add up, summaries have their rule's quantiles; a series may leave sooner than others."""
    world = World()
    rules = """
mappings:
- {match: x, name: h, observer_type: histogram, histogram_options: {buckets: [1, 5]}}
- {match: y, name: s, ttl: 5s, summary_options: {quantiles: [{quantile: 1, error: 0}]}}
"""
    world.adding.use(book("")._replace(shapes=Shapes(load(rules))))
    world.send("h:1:3:9|ms\ns:4:2|ms\nt:7|ms")
    world.send("h:5|ms\ns:1|ms")
    assert world.cells() == {"h": [1, 3, 4, 18], "s": [1, 7, 3], "t": [7, 7, 7, 7, 7, 1]}
    assert sorted(world.totals.series(place).base for place in world.totals.idle(world.now + 5000)) == ["s"]


def test_labels_of_every_series() -> None:
    """What is put on every series stands behind its own; two that become one are two no longer."""
    world = World(labels=(("at", "here"), ("job", "x")))
    world.send("a:1|c\nb:1|c|#at:there")
    found = {
        series.base: series.labels for series in map(world.totals.series, world.totals.places().tolist())
    }
    assert found == {"a": (("at", "here"), ("job", "x")), "b": (("at", "there"), ("job", "x"))}
    world.send("a:1|c|#at:here")
    assert world.told == {"clash": 1}


def test_a_counter_that_goes_down() -> None:
    """What is taken away is left out and counted; others go on."""
    world = World()
    world.send("a:3|c\nb:3|c")
    world.send("a:-2|c\nb:2|c")
    assert world.cells() == {"a": [3], "b": [5]}
    assert world.told == {"negative": 1}


def test_clashes_are_counted_once_and_tried_again() -> None:
    """A series without a place gets one when the name is free."""
    world = World()
    world.send("a:3|c")
    for _ in range(3):
        world.send("a:4|g")
    assert world.cells() == {"a": [3]}
    assert world.told == {"clash": 1}
    world.adding.leave(int(world.totals.places()[0]))
    world.send("a:4|g")
    assert world.cells() == {"a": [4]}


def test_rules_that_drop() -> None:
    """A series that a rule drops is not there; without the rule it is."""
    world = World('[[rollup]]\nmatch = "debug.*"\ndrop = true')
    world.send("debug.a:1|c\na:1|c")
    assert world.cells() == {"a": [1]}
    world.adding.use(book(""))
    world.send("debug.a:1|c\na:1|c")
    assert world.cells() == {"a": [2], "debug_a": [1]}


def test_a_shape_that_changes() -> None:
    """A timer that becomes a histogram ends as a summary and begins anew."""
    world = World()
    world.send("w:3|ms\na:1|c")
    rules = "mappings:\n- {match: w, name: w, observer_type: histogram, histogram_options: {buckets: [5]}}"
    world.adding.use(book("")._replace(shapes=Shapes(load(rules))))
    world.send("w:3|ms\na:1|c")
    assert world.cells() == {"a": [2], "w": [1, 1, 3]}
    assert world.told == {}


def test_a_rule_that_begins_to_drop() -> None:
    """A series that is not wanted any more ends when it is heard of."""
    world = World()
    world.send("debug.a:1|c\na:1|c")
    world.adding.use(book('[[rollup]]\nmatch = "debug.*"\ndrop = true'))
    world.send("debug.a:1|c\na:1|c")
    assert world.cells() == {"a": [2]}


def test_no_series_as_they_are() -> None:
    """Where rules are for Prometheus the rest leaves, unless it is asked for."""
    rules = '[[rollup]]\nmatch = "x"\nprometheus = "x"'
    world = World()
    world.send("a:1|c")
    world.adding.use(book(rules, "prometheus"))
    assert world.cells() == {"a": [1]}
    world.adding.use(book(rules))
    assert world.cells() == {}


def test_a_series_that_left_begins_anew() -> None:
    """Once it has ended nothing of it is left."""
    world = World()
    world.send("a:3|c")
    for place in world.totals.idle(world.now + round(TTL * 1000)):
        world.adding.leave(place)
    assert world.cells() == {}
    world.send("a:1|c")
    assert world.cells() == {"a": [1]}


@pytest.mark.parametrize("count", [1, 3000])
def test_many_series(count: int) -> None:
    """Any number of series, known and new ones together."""
    world = World()
    world.send("\n".join(f"n{number}:1|c" for number in range(0, count, 2)))
    world.send("\n".join(f"n{number}:1|c" for number in range(count)))
    assert len(world.totals) == count
    assert sum(value for (value,) in world.cells().values()) == count + (count + 1) // 2
