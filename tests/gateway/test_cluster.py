"""Outputs of clusters: who has a cursor, and who gets what, by way of the journal."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import MemoryReactorClock

from metronome.addresses import Address
from metronome.fold.rules import Book
from metronome.fold.statsd import Naming
from metronome.gateway import cluster as clusters
from metronome.gateway.cluster import Cluster, Context, Target, outputs
from metronome.gateway.graphite_out import GraphiteOut
from metronome.kernel.interface import Dialect
from tests.gateway.carbon_kit import Endpoint, Line
from tests.gateway.kit import PERIOD, Kit

NAMING = Naming(thresholds=(), calculated=("count",))


def target(port: int, instance: str | None = None, host: str = "10.0.0.1") -> Target:
    return Target(Address("tcp", host, port), instance)


class World:
    """A gateway's core with the outputs of one cluster."""

    def __init__(self, cluster: Cluster, kit: Kit | None = None):
        self.kit = kit or Kit()
        self.endpoints: dict[int, Endpoint] = {}
        context = Context("main", NAMING, False, self.kit.journal, self.kit.clock, self.kit.telemetry)
        self.outputs = self._made(cluster, context)
        for output in self.outputs:
            output.use(Book())
            output.start()
        self.inlet = self.kit.intake.inlet("statsd", "main", Dialect())
        self.kit.flusher.start()
        self.lines: dict[int, Line] = {}
        self.protocols: dict[int, object] = {}

    def _made(self, cluster: Cluster, context: Context) -> list[GraphiteOut]:
        return outputs(cluster, context._replace(connect=self._endpoint))

    def _endpoint(self, reactor: object, address: Address) -> Endpoint:
        return self.endpoints.setdefault(address.port, Endpoint())

    def accept(self, *ports: int) -> None:
        for port in ports:
            self.lines[port], self.protocols[port] = self.endpoints[port].accept()

    def flush(self, text: bytes) -> None:
        self.inlet.statsd(text)
        self.kit.clock.advance(PERIOD - self.kit.clock.seconds() % PERIOD)
        self.settle()

    def settle(self) -> None:
        for _ in range(100):
            self.kit.clock.advance(0.001)
            for line in self.lines.values():
                line.take()

    def counts(self, port: int) -> dict[str, str]:
        lines = (line.split() for line in self.lines[port].sent.decode().splitlines())
        return {path: value for path, value, _ in lines if path.endswith(".count")}


def text(number: int) -> bytes:
    return b"\n".join(b"hits%d:%d|c" % (one, one) for one in range(number))


EVERYTHING = {f"stats.counters.hits{one}.count": str(one) for one in range(300)}


def test_replicate() -> None:
    """Each has a cursor of its own, named by its place, and gets everything."""
    world = World(Cluster("both", "replicate", (target(1), target(2, host="::1"))))
    assert [output.consumer.name for output in world.outputs] == ["graphite:10.0.0.1:1", "graphite:[::1]:2"]
    world.accept(1, 2)
    world.flush(text(300))
    assert world.counts(1) == world.counts(2) == EVERYTHING


def test_consistent_hash() -> None:
    """Each has a cursor, and gets its share; a path with replicas goes to so many of them."""
    members = tuple(target(port, "abc"[port]) for port in range(3))
    world = World(Cluster("ring", "consistent_hash", members, "fnv1a_ch", 2))
    world.accept(0, 1, 2)
    world.flush(text(300))
    shares = [world.counts(port) for port in range(3)]
    assert {**shares[0], **shares[1], **shares[2]} == EVERYTHING
    assert sum(map(len, shares)) == 2 * len(EVERYTHING)
    assert min(map(len, shares)) > 100


def test_one_of_a_ring_is_away() -> None:
    """The others get theirs; it gets its share when it is back, in order."""
    members = tuple(target(port, "abc"[port]) for port in range(3))
    world = World(Cluster("ring", "consistent_hash", members))
    world.accept(0, 2)
    for number in range(1, 4):
        world.flush(b"\n".join(b"hits%d:%d|c" % (one, number) for one in range(60)))
    others = {**world.counts(0), **world.counts(2)}
    assert 20 < len(others) < 60
    world.accept(1)
    world.settle()
    mine = world.counts(1)
    assert len(mine) + len(others) == 60
    sent = [line.split() for line in world.lines[1].sent.decode().splitlines()]
    times = [int(time) for path, _, time in sent if path.endswith(".count")]
    assert times == sorted(times)
    assert len(times) == 3 * len(mine)


def test_a_ring_that_changes() -> None:
    """Other members may begin to get a path: all begin anew where the journal begins."""
    kit = Kit()
    members = tuple(target(port, "abc"[port]) for port in range(3))
    before = World(Cluster("ring", "consistent_hash", members[:2]), kit)
    after = World(Cluster("ring", "consistent_hash", members), kit)
    names = [[output.consumer.name for output in world.outputs] for world in (before, after)]
    assert not set(names[0]) & set(names[1])
    assert all(name.startswith("graphite:10.0.0.1:") for name in names[0])
    same = World(Cluster("ring", "consistent_hash", members, "carbon_ch"), kit)
    assert [output.consumer.name for output in same.outputs] == names[1]


def test_a_cursor_has_its_place_from_the_start() -> None:
    """Outputs that are no more are forgotten before new ones start: the journal must not go first."""
    kit = Kit()
    world = World(Cluster("ring", "consistent_hash", (target(1),)), kit)
    assert world.outputs[0].consumer.name in kit.journal.consumers()


def test_any_of() -> None:
    """One cursor for all; what one cannot take another does."""
    world = World(Cluster("equals", "any_of", (target(1), target(2), target(3))))
    assert [output.consumer.name for output in world.outputs] == ["graphite:equals"]
    world.accept(1, 2, 3)
    world.flush(text(300))
    shares = [world.counts(port) for port in (1, 2, 3)]
    assert sum(map(len, shares)) == len(EVERYTHING)
    world.protocols[2].connectionLost(connectionDone)
    world.settle()
    assert {**world.counts(1), **world.counts(3)} == EVERYTHING
    assert world.outputs[0].trouble


def test_pickles() -> None:
    """Members of one cluster may want different forms."""
    pickled = Target(Address("pickle", "10.0.0.1", 2))
    world = World(Cluster("ring", "consistent_hash", (target(1, "a"), pickled), "fnv1a_ch"))
    world.accept(1, 2)
    world.flush(text(20))
    assert b"stats.counters" in world.lines[1].sent
    assert world.lines[2].sent[4:6] == b"\x80\x02"


def test_endpoints() -> None:
    """Without a test's own, connections are made to the address."""
    kit = Kit()
    reactor = MemoryReactorClock()
    context = Context("main", NAMING, False, kit.journal, reactor, kit.telemetry)
    made: Callable[..., object] = context.connect
    assert made is clusters.endpoint_of
    assert isinstance(made(reactor, Address("tcp", "10.0.0.1", 2003)), HostnameEndpoint)
