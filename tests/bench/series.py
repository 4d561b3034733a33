"""Memory for each of a million counters, every one heard of again in each flush.

The names come at a gentle rate; what the process holds of the system's memory is read after
each flush, when it is at rest again, and the most is told.  The store is DuckDB's, and the page for
Prometheus is on, as they are unless somebody says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import Figure
from tests.bench.burst import MILLION
from tests.bench.cases import PACKED_BYTES
from tests.bench.peers import Peer, ours, watch
from tests.bench.peers.running import running

SERIES = 1_000_000
RATE = 100_000
ROUNDS = 3
FLUSH = 10
MOST = 300
"""Bytes a series that are allowed."""


def grown(peer: Peer, series: int = SERIES, rounds: int = ROUNDS) -> float:
    """Bytes for each series, beyond what the idle gateway takes."""
    most = 0.0
    with running(peer) as server:
        server.rest(5)
        idle = watch.resident(server.pid)
        for _ in range(rounds):
            server.load("-n", series, "-r", RATE, "-b", 2, "-z", PACKED_BYTES, "-k", series)
            server.rest(FLUSH + 1)
            most = max(most, watch.resident(server.pid) - idle)
    return most * MILLION / series


def measure() -> Iterator[Figure]:
    note = f"{ROUNDS} flushes; at most {MOST}"
    for sends, what in ((False, "page and store"), (True, "page, store and one Graphite")):
        peer = ours.statsd(sends=sends, flush=FLUSH)
        yield Figure(f"memory for each of {SERIES:,} counters: {what}", grown(peer), "bytes", note)
