"""Our own counters and gauges by remote write: what a receiver that is as strict as a Prometheus gets."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from metronome.gateway.own_series import OwnSeries
from metronome.gateway.push import AUTO, Sender
from metronome.gateway.telemetry import CATALOGUE, START, Telemetry
from metronome.limits import WRITE_METADATA, WRITE_SAMPLES
from tests.remote_write import Receiver, stale

NOW = 1_700_000_000
STEP = 15
FLUSHES = "metronome_flushes_total"
SHED = "metronome_shed_total"


class World:
    """A receiver, and the clock by which it is told."""

    def __init__(self, version: int = AUTO, versions: tuple[int, ...] = (1, 2)):
        self.clock = Clock()
        self.clock.advance(NOW)
        self.telemetry = Telemetry()
        self.telemetry.gauge(START, lambda: NOW - 3.0)
        self.receiver = Receiver(self.clock, versions)
        sender = Sender(
            "there",
            "http://there/write",
            self.receiver,
            self.clock,
            self.telemetry,
            headers={},
            version=version,
            chance=lambda: 0.5,
        )
        self.sender = sender
        self.own = OwnSeries(sender, self.telemetry, self.clock, STEP, (("job", "m"), ("stream", "none")))
        self.own.start()
        self.settle()

    def settle(self) -> None:
        self.clock.pump([0.001] * 20)

    def wait(self) -> None:
        """Until it is told once more."""
        self.clock.advance(STEP - 0.02)
        self.settle()
        self.settle()

    def shed(self, number: int) -> None:
        self.telemetry.count(SHED, number, stream="main", source="statsd", reason="journal_full")

    def values(self, name: str, **labels: str) -> list[tuple[float, float]]:
        """Seconds since the start, and values."""
        found = self.receiver.values(name, **{"job": "m", "stream": "none", **labels})
        return [(round(time / 1000 - NOW), value) for time, value in found]


@pytest.mark.parametrize("version", [1, 2])
def test_they_are_sent_by_the_clock(version: int) -> None:
    """All that are on /metrics, at once and then every so often, with the labels of the receiver."""
    world = World(version)
    world.telemetry.count(FLUSHES, 7)
    world.wait()
    assert world.values(FLUSHES) == [(0, 0), (STEP, 7)]
    assert world.values(START) == [(0, NOW - 3), (STEP, NOW - 3)]
    if version == 2:
        told = world.receiver.told[tuple(sorted({"__name__": FLUSHES, "job": "m", "stream": "none"}.items()))]
        assert told == (1, CATALOGUE[FLUSHES][2], "", (NOW - 3) * 1000)
    else:
        assert (1, FLUSHES, CATALOGUE[FLUSHES][2]) in world.receiver.metadata
        told = len(world.receiver.metadata)
        for _ in range(WRITE_METADATA // STEP + 1):
            world.wait()
        assert len(world.receiver.metadata) > told
    assert world.receiver.refused == []


def test_a_counter_that_is_new_begins_with_nothing() -> None:
    """So its first increase is seen; a label of ours comes before one of the receiver's."""
    world = World()
    world.wait()
    world.shed(5)
    world.wait()
    labels = {"stream": "main", "source": "statsd", "reason": "journal_full"}
    assert world.values(SHED, **labels) == [(STEP, 0), (2 * STEP, 5)]
    world.wait()
    assert world.values(SHED, **labels)[-1] == (3 * STEP, 5)


def test_what_is_there_no_longer_ends() -> None:
    """A gauge whose owner is gone ends with the marker, and so does everything at the end."""
    world = World()
    world.telemetry.gauge("metronome_connections", lambda: 3, source="statsd")
    world.wait()
    world.telemetry.forget("metronome_connections", source="statsd")
    world.wait()
    world.wait()
    (first, last) = world.values("metronome_connections", source="statsd")
    assert first == (STEP, 3)
    assert stale(last[1])
    world.own.stop()
    world.own.end()
    world.settle()
    assert all(stale(values[-1][1]) for values in world.receiver.samples.values())
    assert world.clock.getDelayedCalls() == []


def test_what_could_not_be_sent_is_not_sent_later() -> None:
    """A receiver that was away gets what is now, once; one that knows 1.0 only is found out."""
    world = World(versions=(1,))
    world.receiver.away = True
    for _ in range(3):
        world.telemetry.count(FLUSHES)
        world.wait()
    world.receiver.away = False
    world.wait()
    assert world.values(FLUSHES) == [(0, 0), (4 * STEP, 3)]
    assert (world.sender.version, world.receiver.refused) == (1, [])


def test_nothing_of_now_goes_before_what_is_old() -> None:
    """While the receiver gets what it has missed, it is told nothing, not even that series end."""
    world = World()
    world.own.waits = lambda: True
    world.wait()
    world.own.end()
    world.settle()
    assert world.values(FLUSHES) == [(0, 0)]
    world.own.waits = lambda: False
    world.wait()
    assert world.values(FLUSHES) == [(0, 0), (2 * STEP, 0)]


def test_a_clock_that_is_put_back() -> None:
    """No sample is older than the one before it."""
    world = World()
    world.wait()
    world.clock.rightNow -= 100
    for call in world.clock.getDelayedCalls():
        call.reset(1)
    world.clock.advance(1)
    world.settle()
    times = [time for time, _ in world.receiver.values(START, job="m", stream="none")]
    assert times == sorted(set(times))
    assert len(times) == 3
    assert world.receiver.refused == []


def test_many_are_many_requests() -> None:
    """Each is bounded."""
    world = World()
    for number in range(WRITE_SAMPLES + 1):
        world.telemetry.count("metronome_lines_total", source=f"s{number}")
    before = len(world.receiver.requests)
    world.wait()
    assert len(world.receiver.requests) == before + 4
    assert world.values("metronome_lines_total", source="s2000")[-1] == (STEP, 1)
