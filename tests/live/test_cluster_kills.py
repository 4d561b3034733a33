"""Three gateways write the same series into one cluster, one of them is killed again and again, and so is
the cluster: afterwards everything that was acknowledged is there, once.  (Issue 5, no. 2.)"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.live.cluster_load import Fleet, Sender, Statsd, Sums
from tests.live.search import Clusters
from tests.live.search_servers import RunningServer

pytestmark = pytest.mark.live

SECONDS = float(os.environ.get("METRONOME_CLUSTER_SECONDS", "90"))
"""How long the load lasts, starting and stopping not counted; more where there is time."""
TURNS = 11
"""What happens, one after another, evenly over that time."""


def test_kills_of_gateways_and_cluster_lose_and_double_nothing(clusters: Clusters, tmp_path: Path) -> None:
    """Sums, means, distinct counts and tick counts are exact on every gateway; each one's books balance."""
    clusters.on_each(lambda server: kills(server, tmp_path / server.kind.name))


def kills(server: RunningServer, folder: Path) -> None:
    """The same with one product."""
    sums = Sums()
    with Fleet(folder, server.url, 3) as fleet:
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
