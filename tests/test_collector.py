"""When Python looks for garbage that refers to itself."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from metronome.collector import Collector
from metronome.limits import COLLECT_SECONDS, COLLECT_SHARE


class Thing:
    """Something that may refer to itself."""

    me: Thing


class World:
    """A collector whose looks take as long as is said."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.took = 0.0
        self.used = 0.0
        self.looks: list[float] = []
        self.collector = Collector(self.clock, self.look, lambda: self.used)

    def look(self) -> None:
        self.looks.append(self.clock.seconds())
        self.used += self.took


@pytest.fixture
def world() -> Iterator[World]:
    """It is stopped, or it would be the tests' collector as well."""
    before = gc.get_threshold()
    world = World()
    world.collector.start()
    yield world
    world.collector.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    assert world.clock.getDelayedCalls() == []


def test_looks_are_taken_by_the_clock(world: World) -> None:
    """Each in a turn of its own; the longer they take, the fewer they are."""
    assert gc.get_threshold()[2] > 1 << 20
    world.clock.pump([COLLECT_SECONDS] * 3)
    assert world.looks == [COLLECT_SECONDS * number for number in (1, 2, 3)]
    world.took = 0.2
    world.clock.advance(COLLECT_SECONDS)
    world.looks.clear()
    pause = world.took / COLLECT_SHARE
    world.clock.advance(pause - 1)
    assert world.looks == []
    world.clock.advance(1)
    assert len(world.looks) == 1


def test_what_the_start_has_made_is_not_looked_at(world: World) -> None:
    """It is frozen with the first look, and nothing is later."""
    world.clock.advance(COLLECT_SECONDS)
    frozen = gc.get_freeze_count()
    assert frozen > 1000
    world.clock.advance(COLLECT_SECONDS)
    assert gc.get_freeze_count() <= frozen


def test_garbage_goes() -> None:
    """What refers to itself and was made later goes with the next look."""
    clock = Clock()
    collector = Collector(clock)
    collector.start()
    try:
        clock.advance(COLLECT_SECONDS)
        thing = Thing()
        thing.me = thing
        gone = weakref.ref(thing)
        del thing
        clock.advance(3600)
        assert gone() is None
    finally:
        collector.stop()
