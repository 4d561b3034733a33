"""One request of remote write, and everything that a receiver can answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, DNSLookupError
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from metronome.errors import DestinationUnavailable
from metronome.gateway.push import AUTO, WRITTEN, Sender
from metronome.gateway.telemetry import Telemetry
from metronome.limits import RETRY_FIRST, RETRY_MOST, WRITE_PATIENCE, WRITE_RETRY_AFTER
from metronome.wire import remote_write as wire
from tests.remote_write import Receiver

TIME = 1_700_000_000_000
LABELS = wire.sorted_labels("hits_total", [("code", "200")])
START = 1_700_000_000.0


def write(version: int) -> tuple[bytes, int]:
    """A request with one sample."""
    if version == 1:
        return wire.filled(wire.joined([wire.piece_1(LABELS)]), np.array([1.0]), TIME), 1
    symbols = wire.Symbols()
    piece = wire.piece_2(LABELS, wire.Family("hits_total", "counter", ""), 0, symbols)
    return symbols.written() + wire.filled(wire.joined([piece]), np.array([1.0]), TIME), 1


class World:
    """A sender and its receiver."""

    def __init__(self, version: int = 1, versions: tuple[int, ...] = (1, 2), chance: float = 0.5):
        self.clock = Clock()
        self.clock.advance(START)
        self.receiver = Receiver(self.clock, versions)
        self.telemetry = Telemetry()
        self.sender = Sender(
            "there",
            "http://there/write",
            self.receiver,
            self.clock,
            self.telemetry,
            headers={"X-Scope-OrgID": "shop"},
            version=version,
            chance=lambda: chance,
        )
        self.results: list[object] = []

    def send(self) -> Deferred[None]:
        sent: Deferred[None] = self.sender.send(write)
        sent.addBoth(self.results.append)
        self.turn()
        return sent

    def turn(self, seconds: float = 0.01) -> None:
        self.clock.pump([0.001] * 10)
        self.clock.advance(max(0.0, seconds - 0.01))
        self.clock.pump([0.001] * 10)

    def count(self, name: str, **labels: str) -> float:
        return self.telemetry.total(f"metronome_remote_write_{name}_total", **labels)


@pytest.mark.parametrize(
    ("version", "content_type", "said"),
    [
        (1, "application/x-protobuf", "0.1.0"),
        (2, "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    ],
)
def test_a_request_that_is_taken(version: int, content_type: str, said: str) -> None:
    """It goes as POST, says what it is, and is counted."""
    world = World(version)
    world.send()
    assert world.results == [None]
    assert world.receiver.requests == [
        {
            "method": "POST",
            "uri": "http://there/write",
            "Content-Type": content_type,
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": said,
            "X-Scope-Orgid": "shop",
        }
    ]
    assert world.receiver.samples == {LABELS: [(TIME, 1.0)]}
    assert world.count("sent") == 1
    assert world.count("requests", status="204") == 1
    assert world.count("rejected") == world.count("retries") == world.count("unwritten") == 0


@pytest.mark.parametrize(
    "trouble",
    [
        500,
        503,
        429,
        ConnectionLost(),
        DNSLookupError(),
        ResponseNeverReceived([Failure(ConnectionLost())]),
    ],
)
def test_what_is_tried_again(trouble: object) -> None:
    """The same request is sent again after a pause, until it is taken."""
    world = World()
    told: list[str] = []
    world.sender.troubled = told.append
    world.receiver.plan = [trouble, trouble]
    world.send()
    assert world.results == []
    assert world.sender.trouble
    world.turn(RETRY_FIRST)
    assert world.results == []
    world.turn(2 * RETRY_FIRST)
    assert world.results == [None]
    assert world.sender.trouble == told[-1] == ""
    assert world.count("retries") == 2
    assert world.count("sent") == 1


def test_pauses_double_up_to_a_bound_and_are_scattered() -> None:
    """Chance makes a pause half to one and a half times as long."""
    for chance, scale in ((0.0, 0.5), (1.0, 1.5)):
        world = World(chance=chance)
        world.receiver.plan = [503] * 12
        world.send()
        while not world.results:
            world.clock.advance(world.clock.getDelayedCalls()[0].getTime() - world.clock.seconds())
        pauses = [later - earlier for earlier, later in pairwise(world.receiver.at)]
        wanted = [min(RETRY_FIRST * 2**n, RETRY_MOST) * scale for n in range(12)]
        assert pauses == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7),
        ("86400", WRITE_RETRY_AFTER),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10),
        ("soon", RETRY_FIRST),
    ],
)
def test_retry_after(asked: str, seconds: float) -> None:
    """A receiver says how long it wants to be left alone, in seconds or by a date, within reason."""
    world = World()
    world.receiver.plan = [(429, {"Retry-After": asked})]
    world.send()
    world.turn(seconds - 0.1)
    assert world.results == []
    world.turn(0.2)
    assert world.results == [None]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
def test_what_is_refused_for_good(status: int) -> None:
    """Any other answer is counted by its status, and the request is passed over."""
    world = World()
    world.receiver.plan = [status]
    world.send()
    assert world.results == [None]
    assert world.count("rejected", status=str(status)) == 1
    assert world.count("sent") == world.count("retries") == 0
    assert world.sender.trouble == f"status {status}: because"


def test_an_answer_that_never_comes() -> None:
    """The request is given up after a while and sent again."""
    world = World()
    world.receiver.plan = [None]
    world.send()
    world.turn(WRITE_PATIENCE)
    assert world.results == []
    world.turn(1)
    assert world.results == [None]
    assert world.count("requests", status="none") == 1


def test_stop() -> None:
    """What is under way, or waits, fails at once; after a resume there is a new chance."""
    for plan in (None, 503):
        world = World()
        world.receiver.plan = [plan]
        world.send()
        world.sender.stop()
        (failure,) = world.results
        assert isinstance(failure, Failure)
        assert isinstance(failure.value, DestinationUnavailable)
        assert world.clock.getDelayedCalls() == []
        world.sender.resume()
        world.results.clear()
        world.send()
        assert world.results == [None]


def test_so_many_tries() -> None:
    """A bound on the tries makes it fail instead of wait."""
    world = World()
    world.receiver.plan = [503, 503, 200]
    world.sender.send(write, tries=2).addErrback(world.results.append)
    world.turn(1)
    assert len(world.receiver.requests) == 2
    assert [type(one) for one in world.results] == [Failure]


def test_2_is_asked_first() -> None:
    """Who knows both gets 2.0, and says what it has written."""
    world = World(AUTO)
    world.send()
    assert world.sender.version == 2
    assert world.receiver.samples == {LABELS: [(TIME, 1.0)]}
    assert world.count("sent") == 1


def test_a_receiver_of_1_only() -> None:
    """Status 415 makes it 1.0, for this request and all after it."""
    world = World(AUTO, versions=(1,))
    world.send()
    world.send()
    assert world.results == [None, None]
    assert [request["X-Prometheus-Remote-Write-Version"] for request in world.receiver.requests] == [
        "2.0.0",
        "0.1.0",
        "0.1.0",
    ]
    assert world.receiver.samples == {LABELS: [(TIME, 1.0)]}
    assert world.telemetry.value("metronome_remote_write_version", destination="there") == 1


def test_a_receiver_of_1_that_does_not_look() -> None:
    """Who takes 2.0 and does not say what it has written has read nothing."""
    world = World(AUTO)
    world.receiver.plan = [(202, {})]
    world.send()
    assert world.sender.version == 1
    assert world.receiver.samples == {LABELS: [(TIME, 1.0)]}
    assert world.count("sent") == 1


def test_what_is_not_written_is_counted() -> None:
    """A receiver of 2.0 that takes a request and leaves samples out of it says so."""
    world = World(2)
    world.receiver.plan = [(202, {WRITTEN: "0"}), (202, {})]
    world.send()
    world.send()
    assert world.results == [None, None]
    assert world.count("unwritten") == 2
    assert world.count("sent") == 0


def test_a_part_is_refused() -> None:
    """A receiver of 2.0 that refuses a request may have written a part of it."""
    world = World(2)
    world.receiver.plan = [(400, {WRITTEN: "1"}), (400, {WRITTEN: "-3"}), 400]
    for _ in range(3):
        world.send()
    assert world.count("sent") == 1
    assert world.count("rejected", status="400") == 2
