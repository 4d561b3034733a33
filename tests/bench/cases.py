"""What is measured beside other servers, and what has to be reached."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.bench.peers.ours import NATIVE, PURE

PACKED_BYTES: Final = 1432
"""What fits into an Ethernet frame."""
NAMES, MANY_NAMES, PATHS = 1_000, 100_000, 10_000


class Goal(NamedTuple):
    """A peer's figure times a factor; without a peer the factor itself."""

    peer: str
    factor: float

    def reached(self, figures: dict[str, float]) -> float | None:
        """The number to reach; None where the peer was not measured."""
        if not self.peer:
            return self.factor
        return figures[self.peer] * self.factor if self.peer in figures else None

    def __str__(self) -> str:
        return f"{self.peer} x {self.factor:g}" if self.peer else f"{self.factor:,g}"


class Case(NamedTuple):
    """One line of the table."""

    name: str
    title: str
    unit: str
    must: Goal | None = None
    aim: Goal | None = None
    load: tuple[object, ...] = ()
    """Words for the load, where it is a burst of statsd."""
    least: bool = False
    """Less is better; goals are then added to what the idle server has."""
    of: str = NATIVE
    """Whose goals they are."""


LINES = "M lines per CPU s"
POINTS = "M points per CPU s"
_PACKED = ("-z", PACKED_BYTES, "-k", NAMES)

STATSD: Final = (
    # Linux cuts the sends of this load into datagrams as late as it can: who asks for it is given
    # several in one piece.  Only senders that send so make that difference, so there is the next case.
    Case(
        "single",
        "one line a datagram, eight a send",
        LINES,
        Goal("brubeck", 0.9),
        Goal("bare loop", 0.95),
        ("-k", NAMES, "-g", 8),
    ),
    Case(
        "plain",
        "one line a datagram, each sent by itself",
        LINES,
        Goal("brubeck", 0.9),
        Goal("bare loop", 0.95),
        ("-k", NAMES),
    ),
    Case(
        "packed",
        f"packed to {PACKED_BYTES:,} bytes",
        LINES,
        Goal("brubeck", 0.7),
        Goal("brubeck", 1),
        _PACKED,
    ),
    Case(
        "mix",
        "packed: 60 % counters, 25 % timers, 10 % gauges, 5 % sets",
        LINES,
        Goal("statsite", 2),
        Goal("statsite", 4),
        (*_PACKED, "-m"),
    ),
    Case(
        "tags", "packed, three DogStatsD tags", LINES, Goal("veneur", 3), Goal("veneur", 6), (*_PACKED, "-t")
    ),
)

NAMES_CASE: Final = Case(
    "names",
    "packed, 100,000 names",
    LINES,
    Goal("brubeck", 0.8),
    Goal("brubeck", 1),
    ("-z", PACKED_BYTES, "-k", MANY_NAMES),
)
MEMORY: Final = Case("memory", "memory with 100,000 names", "MB", Goal("", 40), Goal("", 25), least=True)
RATES: Final = (
    Case(
        "rate-single",
        "highest rate without loss, one line a datagram",
        "M lines per s",
        Goal("", 0.5),
        Goal("brubeck", 1),
        ("-k", NAMES),
    ),
    Case(
        "rate-packed",
        "highest rate without loss, packed",
        "M lines per s",
        Goal("", 5),
        Goal("brubeck", 1),
        _PACKED,
    ),
)
GRAPHITE: Final = (
    Case(
        "graphite-1", "Graphite plaintext, 1 connection", POINTS, Goal("go-carbon", 3), Goal("go-carbon", 8)
    ),
    Case(
        "graphite-20",
        "Graphite plaintext, 20 connections",
        POINTS,
        Goal("go-carbon", 3),
        Goal("go-carbon", 8),
    ),
    Case("pickle-1", "Graphite pickle, 1 connection", POINTS, Goal("carbon-cache pickle", 5)),
)

PURE_CASES: Final = (
    Case("packed", "the pure twin, packed", LINES, Goal("navdoon", 1), load=_PACKED, of=PURE),
    Case(
        "single", "the pure twin, one line a datagram", LINES, Goal("navdoon", 1), load=("-k", NAMES), of=PURE
    ),
)

ALL: Final = (*STATSD, NAMES_CASE, *RATES, MEMORY, *GRAPHITE)
