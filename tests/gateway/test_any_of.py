"""Several equals behind one cursor, while they come, go and stand still."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from twisted.internet import error
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable
from metronome.gateway.any_of import AnyOf
from metronome.gateway.carbon import Carbon, Sending
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk
from metronome.limits import CARBON_PATIENCE, CARBON_RESEND, CARBON_SLOW
from tests.gateway.carbon_kit import Endpoint, Line

LINES = [b"path.%d 1 1700000000\n" % number for number in range(300)]


class World:
    """Three equals."""

    def __init__(self, members: int = 3) -> None:
        self.clock = Clock()
        self.telemetry = Telemetry()
        self.endpoints = [Endpoint() for _ in range(members)]
        self.backs = 0
        makes = [
            partial(self._carbon, f"m{number}", endpoint) for number, endpoint in enumerate(self.endpoints)
        ]
        self.any_of = AnyOf("equals", makes, self.clock, self._back)
        self.any_of.start()
        self.lines: dict[int, Line] = {}
        self.protocols: dict[int, object] = {}

    def _carbon(self, name: str, endpoint: Endpoint, back, gone) -> Carbon:
        return Carbon(name, endpoint, self.clock, self.telemetry, back, Sending(), gone)

    def _back(self) -> None:
        self.backs += 1

    def accept(self, *members: int) -> None:
        for member in members:
            self.lines[member], self.protocols[member] = self.endpoints[member].accept()

    def lose(self, member: int) -> None:
        self.protocols[member].connectionLost(connectionDone)

    def run(self, *drained: int, turns: int = 60) -> None:
        """Let time pass while some of the members take what they are given."""
        for _ in range(turns):
            self.clock.advance(0.01)
            for member in drained:
                self.lines[member].take()

    def got(self, member: int) -> list[bytes]:
        return self.lines[member].sent.splitlines(keepends=True)


def chunks(size: int = 10) -> Iterator[Chunk]:
    """All lines; the last of them completes position 99."""
    for begin in range(0, len(LINES), size):
        yield Chunk(b"".join(LINES[begin : begin + size]), size, 0)
    yield Chunk(b"", 0, 99)


def outcome(deferred) -> list[object]:
    found: list[object] = []
    deferred.addBoth(found.append)
    return found


def test_each_line_to_one() -> None:
    """While all are up every line goes to one of them, and all get some."""
    world = World()
    world.accept(0, 1, 2)
    done = outcome(world.any_of.send(chunks()))
    world.run(0, 1, 2)
    assert done == [None]
    parts = [world.got(member) for member in range(3)]
    assert sorted(parts[0] + parts[1] + parts[2]) == sorted(LINES)
    assert min(map(len, parts)) > 50
    assert world.any_of.trouble == ""


def test_confirmed_when_all_of_it_is() -> None:
    """The position moves on once no member has anything unconfirmed before it."""
    world = World()
    world.accept(0, 1, 2)
    world.any_of.send(chunks())
    world.run(0, 1, 2)
    assert world.any_of.confirmed() == 0
    world.clock.advance(CARBON_RESEND)
    assert world.any_of.confirmed() == 99


def test_one_that_dies() -> None:
    """What was sent to it and is not confirmed goes to the others, and so does what comes."""
    world = World()
    world.accept(0, 1, 2)
    feed = chunks()
    done = outcome(world.any_of.send(feed))
    world.run(0, 1, 2, turns=8)
    before = world.got(1)
    assert before
    world.lose(1)
    world.run(0, 2)
    assert done == [None]
    assert set(world.got(0)) | set(world.got(2)) == set(LINES)
    assert set(before) <= set(world.got(0)) | set(world.got(2))
    assert "m1" not in world.any_of.trouble
    assert world.any_of.trouble
    world.clock.advance(CARBON_RESEND)
    assert world.any_of.confirmed() == 99


def test_one_that_comes_back() -> None:
    """It gets its lines again, from then on; what others got in its place it does not get too."""
    world = World()
    world.accept(0, 1, 2)
    world.lose(1)
    world.any_of.send(chunks())
    world.run(0, 2)
    world.clock.advance(1)
    world.accept(1)
    assert world.backs == 4
    world.run(0, 1, 2)
    assert world.got(1) == []
    world.any_of.send(chunks())
    world.run(0, 1, 2)
    assert len(world.got(1)) > 50


def test_one_that_stands_still() -> None:
    """Others get its lines after a moment; if it goes on not to take anything its connection is given
    up, and they get what it had been given as well."""
    world = World()
    world.accept(0, 1, 2)
    done = outcome(world.any_of.send(chunks()))
    world.run(0, 2, turns=round(CARBON_PATIENCE * 300))
    assert done == [None]
    assert world.got(1) == []
    missing = set(LINES) - set(world.got(0)) - set(world.got(2))
    assert missing == set(world.lines[1].buffer.splitlines(keepends=True))
    assert world.any_of.confirmed() == 0
    world.run(0, 2, turns=round(CARBON_SLOW * 100))
    assert world.lines[1].aborted
    world.lose(1)
    world.run(0, 2)
    assert set(world.got(0)) | set(world.got(2)) == set(LINES)
    world.clock.advance(CARBON_RESEND)
    assert world.any_of.confirmed() == 99


def test_all_stand_still() -> None:
    """Then nobody is passed over; the work goes on when one takes something."""
    world = World(2)
    world.accept(0, 1)
    done = outcome(world.any_of.send(chunks()))
    world.run(turns=round(CARBON_SLOW * 150))
    assert not world.lines[0].aborted
    assert not world.lines[1].aborted
    assert done == []
    world.run(0, 1)
    assert done == [None]
    assert sorted(world.got(0) + world.got(1)) == sorted(LINES)


def test_nobody_there() -> None:
    """Sending fails as "later"; what had been taken goes to the first who comes."""
    world = World(2)
    feed = chunks()
    (failure,) = outcome(world.any_of.send(feed))
    assert isinstance(failure, Failure)
    assert failure.check(DestinationUnavailable)
    world.accept(0, 1)
    done = outcome(world.any_of.send(feed))
    world.run(0, 1, turns=5)
    world.lose(0)
    world.lose(1)
    assert isinstance(done[0], Failure)
    assert done[0].check(DestinationUnavailable)
    early = set(world.got(0)) | set(world.got(1))
    assert early
    world.clock.advance(1)
    world.accept(0)
    world.run(0, turns=30)
    assert early <= set(world.got(0))
    done = outcome(world.any_of.send(feed))
    world.run(0)
    assert done == [None]
    assert set(world.got(0)) == set(LINES)


def test_what_the_iterator_raises() -> None:
    """Reaches the one who asked, and the next work is done."""

    def failing() -> Iterator[Chunk]:
        yield Chunk(LINES[0], 1, 0)
        raise ValueError("broken")

    world = World()
    world.accept(0, 1, 2)
    done = outcome(world.any_of.send(failing()))
    world.run(0, 1, 2)
    assert isinstance(done[0], Failure)
    assert done[0].check(ValueError)
    again = outcome(world.any_of.send(chunks()))
    world.run(0, 1, 2)
    assert again == [None]


def test_stopping() -> None:
    """All connections are closed, and no call is left behind."""
    world = World()
    world.accept(0, 1)
    world.endpoints[2].refuse()
    done = outcome(world.any_of.send(chunks()))
    stopped = outcome(world.any_of.stop())
    assert isinstance(done[0], Failure)
    assert stopped == []
    for member in (0, 1):
        assert world.lines[member].closing
        world.protocols[member].connectionLost(Failure(error.ConnectionDone()))
    assert len(stopped) == 1
    assert world.clock.getDelayedCalls() == []


def test_one_iterator_at_a_time() -> None:
    """Two at once are a mistake of the caller."""
    world = World()
    world.accept(0, 1, 2)
    world.any_of.send(chunks())
    with pytest.raises(AssertionError):
        world.any_of.send(chunks())
