"""A statsd load runs while carbons and a relay are killed, stopped and started again; afterwards
whisper holds every value that statsd's definition gives, at every time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.carbon import RunningCarbon, environment, free_ports
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.reckoning import Load, missing
from tests.live.relay import Place, RunningRelay
from tests.live.tools import which

pytestmark = pytest.mark.live

PERIOD = 2

CLUSTERS = """
[[graphite-cluster]]
name = "ring"
policy = "consistent_hash"
hash = "fnv1a_ch"
members = ["127.0.0.1:{ring[0]}=a", "pickle://127.0.0.1:{ring[1]}=b"]

[[graphite-cluster]]
name = "equals"
policy = "any_of"
members = ["127.0.0.1:{equals[0]}", "127.0.0.1:{equals[1]}"]

[[graphite-cluster]]
name = "relayed"
policy = "replicate"
again = 12
members = ["127.0.0.1:{relay}"]
"""


class World:
    """One gateway that feeds: a carbon; a relay in front of two; two as a ring; two as equals."""

    def __init__(self, stack: ExitStack, python: Path, folder: Path):
        def carbon(name: str) -> RunningCarbon:
            return stack.enter_context(RunningCarbon(python, folder / name, step=PERIOD))

        self.alone = carbon("alone")
        self.behind = [carbon("behind-a"), carbon("behind-b")]
        self.ring = [carbon("ring-a"), carbon("ring-b")]
        self.equals = [carbon("equal-a"), carbon("equal-b")]
        (port,) = free_ports(1)
        places = [Place("127.0.0.1", one.line_port, one.folder.name) for one in self.behind]
        self.relay = stack.enter_context(RunningRelay(folder / "relay", "fnv1a_ch", places, port))
        config = folder / "metronome.toml"
        ring = (self.ring[0].line_port, self.ring[1].pickle_port)
        equals = [one.line_port for one in self.equals]
        config.write_text(CLUSTERS.format(ring=ring, equals=equals, relay=port))
        self.gateway = stack.enter_context(
            RunningGateway(
                folder / "data",
                config=str(config),
                flush_interval=str(PERIOD),
                graphite_out=f"tcp://127.0.0.1:{self.alone.line_port}",
            )
        )
        self.load = Load(self.gateway.port("statsd", "tcp"), PERIOD)
        stack.callback(self.load.close)

    def faults(self) -> Iterator[None]:
        """What happens, a step between periods."""
        alone, behind, ring, equals, relay = self.alone, self.behind, self.ring, self.equals, self.relay
        yield
        alone.kill()
        relay.signal(signal.SIGSTOP)
        ring[0].kill()
        equals[0].kill()
        yield
        self.others_go_on()
        alone.start()
        relay.signal(signal.SIGCONT)
        ring[1].signal(signal.SIGSTOP)
        equals[0].start()
        equals[1].signal(signal.SIGSTOP)
        yield
        alone.signal(signal.SIGSTOP)
        behind[0].kill()
        ring[0].start()
        ring[1].signal(signal.SIGCONT)
        yield
        alone.signal(signal.SIGCONT)
        behind[0].start()
        behind[1].signal(signal.SIGSTOP)
        yield
        alone.stop()
        behind[1].signal(signal.SIGCONT)
        ring[1].kill()
        equals[1].signal(signal.SIGCONT)
        yield
        alone.start()
        relay.kill()
        ring[1].start()
        yield
        relay.start()
        yield

    def others_go_on(self) -> None:
        """Two carbons are dead by now: they are behind, it is told, and nobody else is."""
        dead = [self.alone.line_port, self.ring[0].line_port]
        lags = self.own("metronome_graphite_lag_seconds")
        assert all(lags[f"127.0.0.1:{port}"] > PERIOD for port in dead)
        assert [name for name, lag in lags.items() if lag > 2 * PERIOD] == [
            f"127.0.0.1:{port}" for port in dead
        ]
        assert self.own("metronome_graphite_connected")[f"127.0.0.1:{dead[0]}"] == 0
        answer = self.gateway.get("/ready")
        assert answer["state"] == "degraded"
        assert "3 of 5 Graphite outputs cannot send all they have" in answer["reasons"]

    def own(self, name: str) -> dict[str, float]:
        """One of our own metrics: destination to value."""
        lines = self.gateway.request("/metrics")[2].decode().splitlines()
        pairs = (line.split('"') for line in lines if line.startswith(f'{name}{{destination="'))
        return {destination: float(value[2:]) for _, destination, value in pairs}


def test_whisper_holds_every_value(tmp_path: Path) -> None:
    """Each of them is killed, stopped, and started again under load; no value is missing anywhere."""
    python = environment()
    require(python, "carbon and whisper from PyPI")
    require(which("carbon-c-relay"), "carbon-c-relay (Debian package)")
    with ExitStack() as stack:
        world = World(stack, python, tmp_path)
        for _ in world.faults():
            for _ in range(3):
                world.load.next_period()
        wanted = world.load.values
        places = {
            "alone": [world.alone],
            "behind the relay": world.behind,
            "ring": world.ring,
            "equals": world.equals,
        }
        for name, carbons in places.items():
            lacking = eventually(lambda carbons=carbons: lacks(wanted, carbons), lambda lacks: not lacks, 40)
            assert not lacking, f"{name}: {len(lacking)} values, the first {lacking[:5]}"
        assert set(world.own("metronome_graphite_connected").values()) == {1}
        assert world.gateway.get("/ready")["state"] == "ok"


def lacks(wanted: dict[int, dict[str, float]], carbons: list[RunningCarbon]) -> list[str]:
    """What is in none of these carbons' whisper files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for carbon in carbons:
        for path, points in carbon.values().items():
            found[path] = found.get(path, []) + points
    return missing(wanted, found)
