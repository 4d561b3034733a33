"""The measurements: bursts of load on a running server, and how it took them.

Accepted lines a CPU second of the server (all its threads and children) is the figure: it says
what a line costs, however busy the machine is.  Accepted is what was sent less what the system
threw away before the server read it, and the server's own count holds that to account: where it
has counted less, that share is taken off.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from math import inf

from tests.bench.cases import MANY_NAMES, NAMES_CASE, PATHS, Case
from tests.bench.peers import Peer, watch
from tests.bench.peers.pickles import send
from tests.bench.peers.running import Running, Sent

SERVER_CORE = 0
MILLION = 1e6
WARM_SECONDS = 1.0
UNCOUNTED = ("-x", "warms")
"""First part of names that the sink does not count."""
GENTLE_RATE = 40_000
"""Lines a second at which every server takes in its first 100,000 names."""
LOSS = 0.001
NAMES_SECONDS = 4.0
"""A burst on many names spans two flushes at least: they are what costs there."""
STEP_SECONDS, CONFIRM_SECONDS = 2.2, 4.0
"""Each spans a flush; the second one two."""


@dataclass(frozen=True)
class Measured:
    """A figure of one peer in one case."""

    case: str
    peer: str
    version: str
    value: float
    rounds: list[float]
    counted: float | None = None
    """Share of what it has read that it has counted; None where it tells nothing."""
    others: float = 0.0
    """Share of the server's core that went to other programs meanwhile."""
    idle: float = 0.0
    """Memory before the load."""

    def row(self) -> dict[str, object]:
        """As it is kept."""
        return asdict(self)


@dataclass(frozen=True)
class Effort:
    """How much time is spent."""

    seconds: float
    rounds: int


class Meter:
    """CPU of a server, and of others on its core, from here on."""

    def __init__(self, server: Running):
        self._server = server
        self._cpu, self._busy = watch.cpu(server.pid), watch.busy(SERVER_CORE)
        self._lost = server.lost()

    def read(self, least: float = 0) -> tuple[float, float, int]:
        """CPU seconds of the server, those of others, datagrams lost; after the server is idle,
        and has been given ``least`` seconds to begin what it does later."""
        self._server.rest(least)
        cpu = watch.cpu(self._server.pid) - self._cpu
        others = watch.busy(SERVER_CORE) - self._busy - cpu
        return max(cpu, 1 / watch.TICKS), max(others, 0.0), self._server.lost() - self._lost


def kept(sent: Sent, lost: int) -> float:
    """The share of what was sent that the server has read."""
    return max(0.0, 1 - lost / sent.packets)


def bursts(server: Running, case: Case, effort: Effort) -> Measured:
    """As much as the load can send, for a while, some times."""
    before = server.before()
    rounds, read, others, spent = [], 0.0, 0.0, 0.0
    for _ in range(effort.rounds):
        meter = Meter(server)
        sent = server.load("-n", 10**10, "-d", effort.seconds, *case.load)
        cpu, foreign, lost = meter.read()
        rounds.append(sent.lines * kept(sent, lost) / cpu / MILLION)
        read += sent.counters * kept(sent, lost)
        others, spent = others + foreign, spent + cpu
    after = server.accepted(inf if before is None else before + read - 1)
    counted = None if before is None or after is None else (after - before) / read
    rounds = [one * min(1.0, counted or 1.0) for one in rounds]
    peer = server.peer
    return Measured(
        case.name,
        peer.name,
        peer.version,
        statistics.median(rounds),
        rounds,
        counted,
        others / (spent + others),
    )


def warm(server: Running, case: Case) -> None:
    """Known names and warm caches, with names that the sink does not count."""
    server.load("-n", 10**10, "-d", WARM_SECONDS, *case.load, *UNCOUNTED)
    server.rest()


def names(server: Running, effort: Effort) -> tuple[Measured, Measured]:
    """100,000 names, each once and gently: memory.  Then as many lines as the load can send."""
    idle = watch.resident(server.pid)
    server.load("-n", MANY_NAMES, "-r", GENTLE_RATE, "-b", 2, *NAMES_CASE.load)
    loaded = watch.resident(server.pid)
    server.accepted(MANY_NAMES)
    server.rest(server.peer.flush + 1)
    full = max(loaded, watch.resident(server.pid))
    peer = server.peer
    memory = Measured("memory", peer.name, peer.version, full, [full], idle=idle)
    return memory, bursts(server, NAMES_CASE, Effort(NAMES_SECONDS, effort.rounds))


def _paced(server: Running, case: Case, rate: float, seconds: float, *words: object) -> Sent:
    """An evenly paced load; small calls, as many senders would be."""
    calls: tuple[object, ...] = ("-b", 2) if "-z" in case.load else ("-b", 4, "-g", 4)
    return server.load("-n", int(rate * seconds) + 1, "-r", rate, *case.load, *calls, *words)


def _holds(server: Running, case: Case, rate: float) -> bool:
    lost = server.lost()
    sent = _paced(server, case, rate, STEP_SECONDS, *UNCOUNTED)
    server.rest()
    in_time = sent.lines / sent.seconds > rate * 0.95
    return in_time and 1 - kept(sent, server.lost() - lost) < LOSS


def rate_without_loss(server: Running, case: Case, fastest: float) -> Measured:
    """Halves the interval between what holds and what does not, then confirms with the server's
    own count over two flushes at least; steps down by 15 % until that holds too."""
    low, high, rate = 0.0, 0.0, fastest * 0.5
    for _ in range(6):
        if _holds(server, case, rate):
            low = rate
        else:
            high = rate
        if low and high and high / low < 1.08:
            break
        rate = rate * 1.5 if not high else rate / 2 if not low else (low * high) ** 0.5
    peer, rate = server.peer, low
    for _ in range(8 if low else 0):
        before, lost = server.before(), server.lost()
        sent = _paced(server, case, rate, CONFIRM_SECONDS)
        after = server.accepted()
        counted = 1.0 if before is None or after is None else (after - before) / sent.lines
        if counted > 1 - LOSS and 1 - kept(sent, server.lost() - lost) < LOSS:
            return Measured(case.name, peer.name, peer.version, rate / MILLION, [rate / MILLION], counted)
        rate *= 0.85
    return Measured(case.name, peer.name, peer.version, 0.0, [])


def points(server: Running, case: Case, seconds: float) -> Measured:
    """Graphite: known paths first, then so many points as take about the given time."""
    pickled, connections = case.name.startswith("pickle"), int(case.name.rpartition("-")[2])

    def give(number: int) -> float:
        if pickled:
            return send(server.port, number, PATHS, connections)
        words = ("-P", "tcp", "-f", "graphite", "-k", PATHS, "-w", "-c", connections)
        return server.load(*words, "-n", number).seconds

    give(2 * PATHS)
    server.rest()
    probe = Meter(server)
    give(5 * PATHS)
    speed = 5 * PATHS / probe.read(server.peer.later)[0]
    number = round(min(max(speed * seconds, 10 * PATHS), 300 * PATHS) / PATHS) * PATHS
    before, meter = server.accepted(), Meter(server)
    give(number)
    cpu, others, _ = meter.read(server.peer.later)
    after = server.accepted()
    counted = None if before is None or after is None else (after - before) / number
    value = number * min(1.0, counted or 1.0) / cpu / MILLION
    peer = server.peer
    return Measured(case.name, peer.name, peer.version, value, [value], counted, others / (cpu + others))


def able(peer: Peer, case: Case) -> bool:
    """Whether a peer can take a case."""
    family = case.name.partition("-")[0]
    return {"graphite": "plaintext", "memory": "names", "plain": "single"}.get(family, family) in peer.takes
