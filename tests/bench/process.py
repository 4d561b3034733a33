"""Start to listening, memory at rest, and how fast it stops."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import Figure
from tests.live.gateway import RunningGateway

ROUNDS = 5
REST_SECONDS = 5


def resident(pid: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError("no VmRSS")


def measure() -> Iterator[Figure]:
    starts, stops, memories = [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            gateway = RunningGateway(Path(folder) / "var")
            began = time.perf_counter()
            gateway.start()
            starts.append(time.perf_counter() - began)
            time.sleep(REST_SECONDS)
            assert gateway.process is not None
            memories.append(resident(gateway.process.pid))
            began = time.perf_counter()
            gateway.stop()
            stops.append(time.perf_counter() - began)
    yield Figure("process start to listening", statistics.median(starts), "s", f"median of {ROUNDS}")
    yield Figure("memory at rest", statistics.median(memories), "MB", f"RSS after {REST_SECONDS} s")
    yield Figure("SIGTERM to exit", statistics.median(stops), "s")
