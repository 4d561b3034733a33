"""Graphite over TCP, plaintext and pickle: Metronome beside carbon and go-carbon, in one run."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import Figure
from tests.bench.burst import Measured, able, points
from tests.bench.cases import GRAPHITE
from tests.bench.peers import Peer, ours
from tests.bench.peers.graphite import peers
from tests.bench.peers.running import left_out, running
from tests.bench.table import sentence

SECONDS = 2.5


def our_peers() -> list[Peer]:
    """Ours: plaintext and pickle, native and pure."""
    return [
        ours.graphite(ours.PURE, pure=True),
        ours.graphite(ours.PURE, pure=True, pickle=True),
        ours.graphite(),
        ours.graphite(pickle=True),
    ]


def with_points(peer: Peer, seconds: float = SECONDS) -> Iterator[Measured]:
    """All cases that a peer can take, each in a process of its own: what is kept of one must not
    weigh on the next."""
    for case in GRAPHITE:
        if able(peer, case):
            with running(peer) as server:
                yield points(server, case, seconds)


def measure() -> Iterator[Figure]:
    """Everything that is there."""
    found = [figure for peer in left_out([*peers(), *our_peers()]) for figure in with_points(peer)]
    for case in GRAPHITE:
        values = {one.peer: one.value for one in found if one.case == case.name}
        for one in found:
            if one.case == case.name:
                yield Figure(f"{case.title}: {one.peer}", one.value, case.unit, sentence(case, one, values))
