"""The cluster is away for so long that a gateway's journal reaches its budget: ticks are refused and told
so, samples are held, and afterwards everything acknowledged is there.  (Issue 5, no. 3.)"""

from __future__ import annotations

import json
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.cluster_load import Fleet, Sender, Statsd, Sums, metrics
from tests.live.gateway import eventually
from tests.live.search import Clusters
from tests.live.search_servers import RunningServer

pytestmark = pytest.mark.live

BUDGET = 256 << 20
"""The least that ``limits.journal`` takes."""
STACK = "at main\n" * 1900
LARGE = (60, 6, 1)
"""So many ticks of that size go in a body of each sender: the first are nearly the largest bodies, the
others fill up what is too little for those."""
FULL_SECONDS = 5
"""How long the journal stays full."""


class LargeSender(Sender):
    """Sends ticks that fill a journal soon."""

    def _tick(self, number: int) -> dict[str, Any]:
        return {"tick": f"{self.name}-{self.bodies}-{number}", "id": f"item/{number % 5}", "stack": STACK}


def test_a_full_journal_refuses_ticks_and_loses_nothing(clusters: Clusters, tmp_path: Path) -> None:
    """What was refused is counted by its reason, and every sum of what was acknowledged is exact."""
    clusters.on_each(lambda server: outage(server, tmp_path / server.kind.name))


def outage(server: RunningServer, folder: Path) -> None:
    """The same with one product."""
    sums = Sums()
    fleet = Fleet(folder, server.url, 1)
    (gateway,) = fleet.gateways
    gateway.environment = {"METRONOME_LIMITS_JOURNAL": str(BUDGET)}
    with fleet:
        small = Sender(gateway, "small", sums)
        senders = [small, *(LargeSender(gateway, f"large{size}", sums, size, 0.01) for size in LARGE)]
        statsd = Statsd(gateway, sums)
        statsd.send(100)
        server.kill()
        for sender in senders:
            sender.start()
        for sender in senders:
            refused = eventually(partial(sender.refused.__getitem__, "journal_full"), bool, 180)
            assert refused, (sender.name, metrics(gateway)["metronome_journal_bytes"])
        until = time.monotonic() + FULL_SECONDS
        while time.monotonic() < until:
            statsd.send(100)  # nobody can refuse these
            time.sleep(0.2)
        assert 0.99 * BUDGET < metrics(gateway)["metronome_journal_bytes"] <= BUDGET
        assert json.loads(gateway.request("/ready")[2])["state"] != "ok"
        server.start()
        for sender in senders:
            sender.end()
        statsd.close()
        fleet.drain(300)
        fleet.check(sums)
        told = sum((sender.refused for sender in senders), Counter())
        shed = metrics(gateway)["metronome_shed_total journal_full"]
        # Of a body that still found room for its events, or its points, only the rest was shed.
        assert 0.9 * told["journal_full"] < shed <= told["journal_full"]
        assert (set(told), shed) == ({"journal_full"}, metrics(gateway)["metronome_shed_total"])
        assert gateway.get("/ready") == {"state": "ok", "reasons": []}
        assert gateway.stop() == 0
