"""Three gateways write the same series into one cluster, one of them is killed again and again, and so is
the cluster: afterwards everything that was acknowledged is there, once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.live.carbon import free_ports
from tests.live.cluster_load import Fleet, Sender, Statsd, Sums
from tests.live.conftest import require
from tests.live.search_servers import ELASTICSEARCH, OPENSEARCH, Kind, RunningServer, built

pytestmark = pytest.mark.live

SECONDS = float(os.environ.get("METRONOME_CLUSTER_SECONDS", "60"))
"""How long the load lasts; minutes where there is time."""
TURNS = 11
"""What happens, one after another, evenly over that time."""


@pytest.mark.parametrize("kind", [ELASTICSEARCH, OPENSEARCH], ids=lambda kind: kind.name)
def test_kills_of_gateways_and_cluster_lose_and_double_nothing(kind: Kind, tmp_path: Path) -> None:
    """Sums, means, distinct counts and tick counts are exact on every gateway; each one's books balance."""
    build = built(kind)
    require(build, f"{kind.name}: Maven and a JDK")
    assert build is not None
    (port,) = free_ports(1)
    sums = Sums()
    with (
        RunningServer(kind, build, tmp_path / "server", port) as server,
        Fleet(tmp_path, server.url, 3) as fleet,
    ):
        victim, *others = fleet.gateways
        senders = [
            Sender(gateway, f"s{index}", sums) for index, gateway in enumerate((*fleet.gateways, victim))
        ]
        statsd = [Statsd(gateway, sums) for gateway in others]
        for sender in senders:
            sender.start()
        for happens in (
            lambda: None,
            victim.kill,
            victim.start,
            server.kill,
            victim.kill,
            victim.start,  # while the cluster is away
            server.launch,
            server.wait,
            server.kill,
            server.launch,  # and the gateways meet it while it begins
            server.wait,
        ):
            happens()
            until = time.monotonic() + SECONDS / TURNS
            while time.monotonic() < until:
                for one in statsd:
                    one.send(50)
                time.sleep(0.2)
        for sender in senders:
            sender.end()
        for one in statsd:
            one.close()
        assert sum(sender.repeats for sender in senders) > 0, "no body met the kills"
        fleet.drain()
        fleet.check(sums)
        for gateway in fleet.gateways:
            assert gateway.stop() == 0
