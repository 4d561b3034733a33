"""What is repeated while nothing is heard of it, by numbers."""

from __future__ import annotations

import numpy as np

from metronome.fold.mapping import load
from metronome.fold.roster import Roster
from metronome.fold.shapes import Shapes
from metronome.gateway.idle import Idle, Spans
from metronome.kernel import hash64
from metronome.limits import IDLE_SECONDS
from metronome.model import I64, KIND_CODES, Kind
from metronome.wire.records import Row, columns_of
from tests.gateway.test_gathering import parts


class World:
    """A roster with series, one letter each, and who of them is idle."""

    def __init__(self, most: int = 100, spans: Spans | None = None):
        self.roster = Roster()
        self.idle = Idle(self.roster, most, spans or Spans())
        self.now = 1_700_000_000_000

    def come(self, names: str) -> I64:
        numbers = self.roster.numbers(parts(*names))
        self.idle.hold(numbers)
        return numbers

    def come_as(self, keys: tuple[bytes, ...]) -> I64:
        rows = [
            Row(key, hash64(key), Kind(KIND_CODES.index(key[0])), 0, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 0.0, ())
            for key in keys
        ]
        numbers = self.roster.numbers(columns_of(rows))
        self.idle.hold(numbers)
        return numbers

    def flush(self, names: str) -> str:
        """A flush with these; what is silent."""
        self.now += 10_000
        if names:
            self.idle.hear(self.come(names), self.now)
        silent = self.names(self.idle.silent(self.now))
        self.idle.settle()
        return silent

    def names(self, numbers: I64) -> str:
        return "".join(self.roster.key(number)[1:].decode() for number in numbers.tolist())


def test_what_was_heard_of_is_repeated() -> None:
    """Until it is heard of again."""
    world = World()
    assert world.flush("abc") == ""
    assert world.flush("b") == "ac"
    assert world.flush("") == "abc"
    assert world.idle.series() == [(b"ca", 0.0), (b"cb", 0.0), (b"cc", 0.0)]
    assert world.flush("a") == "bc"
    assert len(world.roster) == 3


def test_gauges_keep_their_values() -> None:
    """The last one of each; who has its number later begins without."""
    world = World()
    numbers = world.come_as((b"ca", b"gb", b"gc", b"td"))
    world.idle.hear(numbers, world.now)
    world.idle.keep(numbers[1:3], np.array([2.0, 3.0]))
    world.idle.keep(numbers[1:2], np.array([2.5]))
    assert world.idle.values(numbers).tolist() == [0.0, 2.5, 3.0, 0.0]
    world.idle.forget(np.array([hash64(b"gb")], np.uint64))
    world.idle.settle()
    assert world.idle.series() == [(b"ca", 0.0), (b"gc", 3.0), (b"td", 0.0)]
    again = world.come_as((b"cx",))
    assert again.tolist() == numbers[1:2].tolist()
    assert world.idle.values(again).tolist() == [0.0]


def test_the_longest_silent_go_first() -> None:
    """When there are more than may be, and when it has been a day; nobody holds them then."""
    world = World(most=2)
    for name in "dcba":
        world.flush(name)
    assert world.flush("") == "ba"
    assert len(world.roster) == 2
    world.now += (IDLE_SECONDS - 30) * 1000
    assert world.flush("") == "a"
    assert world.flush("") == ""
    assert (len(world.roster), world.idle.series()) == (0, [])


def test_nothing_is_repeated() -> None:
    """Then what was not in the last flush is let go."""
    world = World(spans=Spans(0, 0, 0, 0))
    world.flush("ab")
    assert world.flush("bc") == ""
    assert len(world.roster) == 2
    assert world.idle.series() == []


def test_each_kind_has_a_span_of_its_own() -> None:
    """What goes after three flushes is repeated twice."""
    world = World(spans=Spans(counters=0, gauges=30, timers=20, sets=0.5))
    world.now += 10_000
    world.idle.hear(world.come_as((b"ca", b"gb", b"tc", b"sd")), world.now)
    world.idle.settle()
    assert [key for key, _ in world.idle.series()] == [b"gb", b"tc", b"sd"]
    assert [world.flush("") for _ in range(3)] == ["bc", "b", ""]
    assert len(world.roster) == 0


def test_mapping_rules_have_a_word() -> None:
    """Their ttl stands before what is usual, from the next time on that the series is heard of."""
    rule = "mappings: [{match: x, name: b, ttl: 30s}, {match: y, name: c, ttl: 1ms}, {match: z, name: d}]"
    world = World()
    world.flush("b")
    world.idle.use(Shapes(load(rule)))
    assert world.flush("acd") == "b"
    assert [world.flush("") for _ in range(3)] == ["bad", "bad", "bad"]
    assert world.flush("b") == "ad"
    assert [world.flush("") for _ in range(3)] == ["bad", "bad", "ad"]
    world.idle.use(Shapes(load("defaults: {ttl: 20s}")))
    assert world.flush("e") == "ad"
    assert [world.flush("") for _ in range(2)] == ["ead", "ad"]
    world.idle.use(Shapes(load(rule.replace("ttl", "help"))))
    world.flush("b")
    assert world.flush("") == "bad"
    assert world.idle.memory == 4 * len(world.idle._seen)


def test_somebody_says_that_it_is_to_be_forgotten() -> None:
    """At once, and what was about to be repeated is not; it comes back when it is heard of."""
    world = World()
    world.flush("abc")
    world.now += 10_000
    silent = world.idle.silent(world.now)
    world.idle.forget(np.array([hash64(b"cb"), hash64(b"cx")], np.uint64))
    assert world.names(world.idle.among(silent)) == "ac"
    assert [key for key, _ in world.idle.series()] == [b"ca", b"cc"]
    world.idle.settle()
    assert len(world.roster) == 2
    assert world.flush("b") == "ac"
    assert len(world.idle.series()) == 3


def test_what_waits_for_its_flush_is_not_let_go() -> None:
    """Not even when it is forgotten meanwhile, nor when the flush is begun anew."""
    world = World()
    waiting = world.come("ab")
    world.idle.forget(np.array([hash64(b"ca")], np.uint64))
    for _ in range(2):
        world.idle.hear(waiting[:1], world.now)
        assert world.names(world.idle.silent(world.now)) == ""
        assert world.names(waiting) == "ab"
    world.idle.settle()
    assert len(world.roster) == 1
    assert world.come("a").tolist() == waiting[:1].tolist()


def test_it_costs_little() -> None:
    """A counter is one number; only gauges have another."""
    world = World()
    numbers = world.roster.numbers(parts(*map(str, range(1000))))
    world.idle.hold(numbers)
    assert world.idle.memory == 4 * 1000
    world.idle.keep(numbers[:1], np.ones(1))
    assert world.idle.memory == 12 * 1000
