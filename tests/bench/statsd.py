"""statsd over UDP: Metronome beside the servers that set the marks, in one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench import Figure
from tests.bench.burst import (
    MILLION,
    Effort,
    Measured,
    able,
    bursts,
    names,
    rate_without_loss,
    warm,
)
from tests.bench.cases import MEMORY, NAMES_CASE, PURE_CASES, RATES, STATSD, Case
from tests.bench.peers import Peer, ours
from tests.bench.peers.running import left_out, running
from tests.bench.peers.statsd import peers
from tests.bench.table import sentence

SHORT = Effort(seconds=2, rounds=1)


def in_bursts(peer: Peer, cases: Sequence[Case], effort: Effort) -> Iterator[Measured]:
    """Cases that a peer can take, one after the other in one process."""
    able_to = [case for case in cases if able(peer, case)]
    if not able_to:
        return
    with running(peer) as server:
        for case in able_to:
            warm(server, case)
            yield bursts(server, case, effort)


def with_many_names(peer: Peer, effort: Effort) -> Iterator[Measured]:
    """Memory and speed with 100,000 names."""
    if able(peer, NAMES_CASE):
        with running(peer) as server:
            yield from names(server, effort)


def at_rates(peer: Peer, fastest: dict[str, float]) -> Iterator[Measured]:
    """The highest rates without loss; ``fastest`` in million lines a second by case."""
    with running(peer) as server:
        for case in RATES:
            warm(server, case)
            yield rate_without_loss(server, case, fastest.get(case.name, 0.5) * MILLION)


def measure() -> Iterator[Figure]:
    """Ours, native and pure, and ratios to the peers that are there."""
    marks = {goal.peer for case in (*STATSD, *PURE_CASES) for goal in (case.must, case.aim) if goal}
    found: list[Measured] = []
    for peer in left_out([one for one in peers() if one.name in marks]):
        found += in_bursts(peer, STATSD, SHORT)
        found += with_many_names(peer, SHORT)
    for peer in (ours.statsd(), ours.statsd(ours.PURE, pure=True)):
        found += in_bursts(peer, STATSD, SHORT)
        found += with_many_names(peer, SHORT)
    for case in (*STATSD, NAMES_CASE, MEMORY):
        for one in found:
            if one.case == case.name:
                note = sentence(
                    case, one, {peer.peer: peer.value for peer in found if peer.case == case.name}
                )
                yield Figure(f"{case.title}: {one.peer}", one.value, case.unit, note)
