"""A gateway whose cluster was away: how fast the journal drains into it, and at what cost.

Counters, a part for each second and name.  While the cluster is away the gateway has taken them all;
from its first write on it is measured until nothing waits.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import Figure
from tests.bench.catch_up import PERIODS, SERIES, cpu, fill
from tests.bench.clusters import JAVA
from tests.live.carbon import free_ports
from tests.live.cluster_load import metrics, waits
from tests.live.gateway import RunningGateway
from tests.live.search_servers import KINDS, Kind, RunningServer, built

START_SECONDS = 60


def measure() -> Iterator[Figure]:
    """See the module."""
    for kind in KINDS:
        build = built(kind)
        if build is not None:
            yield measured(kind, build)


def measured(kind: Kind, build: Path) -> Figure:
    """One product's figure."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder, RunningServer(
        kind, build, Path(folder) / "node", port, JAVA
    ) as server:
        gateway = RunningGateway(Path(folder) / "var", store=server.url)
        gateway.patience = START_SECONDS
        with gateway:
            fill(gateway, 4)  # the compilers have seen it
            drained(gateway)
            server.kill()
            fill(gateway)
            server.start()
            before = stored = metrics(gateway)["metronome_stored_total"]
            assert gateway.process is not None
            used = cpu(gateway.process.pid)
            while stored == before:
                stored = metrics(gateway)["metronome_stored_total"]
            began, first = time.perf_counter(), stored
            drained(gateway)
            took = time.perf_counter() - began
            used = cpu(gateway.process.pid) - used
            stored = metrics(gateway)["metronome_stored_total"]
    note = f"{used / (stored - before) * 1e6:.1f} CPU s a million, {stored - before:,.0f} parts"
    name = f"{kind.name} {kind.version}: catching up after an outage"
    assert stored - before >= SERIES * (PERIODS - 2)
    return Figure(name, (stored - first) / took, "parts/s", note)


def drained(gateway: RunningGateway) -> None:
    """Wait until nothing waits."""
    while any(waits(gateway)):
        time.sleep(0.1)
