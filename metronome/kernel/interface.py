"""What both twins of the kernel offer.  ``kernel/__init__.py`` picks one; nobody else knows.

The pure twin is the specification; the native twin gives the same answer to every input.

Parsing rules stand at the top of ``_pure.py``.  Numbers are read by one grammar, written
once for each twin: ``[+-]? digits [. digits] [e [+-] digits]`` (either digits may be missing,
not both); no blanks, no ``_``, no hex, no ``nan`` or ``inf``; a value that overflows a
double is ``not_finite``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from metronome.model import Columns, Labels


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a receiver understands.  All on by default: accept the union."""

    gauge_delta: bool = True
    """``+``/``-`` in front of a gauge's value changes it; off: it is the value's sign.
    (``gauge_sign = "delta" | "absolute"``)"""
    dogstatsd_tags: bool = True
    influx_tags: bool = True
    librato_tags: bool = True
    signalfx_tags: bool = True
    graphite_tags: bool = True
    container_labels: bool = False
    """Keep ``|c:``, ``|e:`` and ``|card:`` as labels; off: they are skipped."""


class Sample(NamedTuple):
    """One measurement off the wire.  ``value`` is a str for sets, else a float.

    ``delta``: a signed gauge change.  ``time``: epoch seconds, None when not carried.
    """

    name: str
    labels: Labels
    kind: int
    value: float | str
    rate: float
    time: float | None
    delta: bool


class Reject(NamedTuple):
    """A refused line (or value of a line) and why."""

    reason: str
    excerpt: bytes


Mapper = Callable[[str, int], tuple[str, Labels] | None]
"""Dotted name and kind to the series' name and further labels; None drops it
(``mapping_drop``).  Called once for each new raw name and kind, then cached."""


class Table(Protocol):
    """Holds the live series of one stream: parse and fold in, columns out.

    Not thread-safe: one caller at a time.  Nothing is allocated per line in steady state.
    """

    def feed_statsd(self, block: bytes, dialect: Dialect) -> int:
        """Parse a datagram or whole lines, fold the samples; the number folded."""
        ...

    def feed_graphite(self, block: bytes, now: float, dialect: Dialect) -> int:
        """Parse whole Graphite lines, keep each as a gauge point at its time."""
        ...

    def add_point(self, key: bytes, time_ms: int, value: float) -> bool:
        """Keep a gauge point of an already canonical key (pickle); False: no room."""
        ...

    def drain(self, fd: int, budget: int, dialect: Dialect) -> int:
        """Receive datagrams (recvmmsg, without blocking) until none is waiting or
        ``budget`` datagrams were read; parse and fold them as statsd.  The number read."""
        ...

    def merge(self, columns: Columns) -> int:
        """Take in what another table gave out (``merging.py`` has the rules); the number of
        samples taken in.  ``ValueError`` where the rows are none that a table gives."""
        ...

    def flush(self, start_ms: int, period: float) -> Columns:
        """Take the folded samples of the period out, as parts that begin at ``start_ms``.
        Only series that got samples.  Gauges keep their value for later deltas."""
        ...

    def flush_points(self) -> Columns:
        """Take the points that carry their own time out (Graphite, ``|T``)."""
        ...

    @property
    def waiting(self) -> int:
        """Samples folded and points kept since they were last taken out."""
        ...

    @property
    def points_waiting(self) -> int:
        """Those of them that ``flush_points`` will take."""
        ...

    @property
    def series(self) -> int:
        """Series known, live or idle."""
        ...

    def prune(self, idle: int) -> int:
        """Forget series that got nothing in the last ``idle`` flushes; how many."""
        ...

    def rejects(self) -> list[Reject]:
        """Take the last rejects out, newest last, at most ``REJECTS_KEPT``."""
        ...

    def counts(self) -> dict[str, int]:
        """Totals since the table was made: ``lines``, ``samples``, ``datagrams``,
        ``bytes``, ``events`` and ``rejected:REASON`` for each reason met."""
        ...

    def take_events(self) -> list[bytes]:
        """Take the DogStatsD events and service checks out, as the lines they came in;
        ``wire/dogstatsd.py`` reads them."""
        ...

    def set_mapper(self, mapper: Mapper | None) -> None:
        """Use a mapper for names without tags; clears what was cached."""
        ...
