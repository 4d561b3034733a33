"""What both twins of the kernel offer.  ``kernel/__init__.py`` picks one; nobody else knows.

The pure twin is the specification; the native twin gives the same answer to every input.

Parsing rules stand at the top of ``_pure.py``.  Numbers are read by one grammar, written
once for each twin: ``[+-]? digits [. digits] [e [+-] digits]`` (either digits may be missing,
not both); no blanks, no ``_``, no hex, no ``nan`` or ``inf``; a value that overflows a
double is ``not_finite``.  statsd's values may be literals of Go and JavaScript as well.
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
    ``total``: a counter's running total.
    """

    name: str
    labels: Labels
    kind: int
    value: float | str
    rate: float
    time: float | None
    delta: bool
    total: bool = False


class Reject(NamedTuple):
    """A refused line (or value of a line) and why; ``sender`` where a datagram told it.

    So many came, of which the excerpt is the first: equal in what is kept of them or, where the
    reason is ``unmapped`` (no refusal: no mapping rule takes the name), in their name.
    """

    reason: str
    excerpt: bytes
    sender: str = ""
    number: int = 1


class Mapped(NamedTuple):
    """What mapping rules make of a name.  ``ruled``: one of them takes it; else all stays as it was.

    Values are multiplied by ``factor``; of a ruled name those sent as ``ms`` are divided by 1,000
    before, because rules think in seconds.
    """

    name: str
    labels: Labels = ()
    """All that the series has then."""
    factor: float = 1.0
    ruled: bool = True


Mapper = Callable[[str, int, Labels], Mapped | None]
"""Name, kind and labels as sent to what becomes of them; None drops the samples
(``mapping_drop``).  Called once for each new raw name, tags and kind, then cached."""


class Table(Protocol):
    """Holds the live series of one stream: parse and fold in, columns out.

    *Lanes*: each way in keeps books of its own (``counts``, rejects, events), so that receivers
    which feed one table are told apart; lane 0 is there from the start.

    Where ``serves`` is true, ``serve`` may run in threads beside one caller of the other
    methods; otherwise, and but for that, the table wants one caller at a time.  Nothing is
    allocated per line in steady state.
    """

    serves: bool
    """Whether ``serve`` works: a thread that does not need Python's lock."""

    def begin(self, start_ms: int) -> None:
        """Say when the period that is open began; ``flush`` says it of the next one by itself.
        Samples with a time of their own are held against it (``late.py``)."""
        ...

    def lane(self) -> int:
        """Open a way in with its own books; its number, for as long as the table lives."""
        ...

    def feed_statsd(self, block: bytes, dialect: Dialect, lane: int = 0) -> int:
        """Parse a datagram or whole lines, fold the samples; the number folded."""
        ...

    def feed_graphite(self, block: bytes, now: float, dialect: Dialect, lane: int = 0) -> int:
        """Parse whole Graphite lines, keep each as a gauge point at its time."""
        ...

    def add_point(self, key: bytes, time_ms: int, value: float, lane: int = 0) -> bool:
        """Keep a gauge point of an already canonical key (pickle); False: no room."""
        ...

    def drain(self, fd: int, budget: int, dialect: Dialect, lane: int = 0) -> int:
        """Receive datagrams (recvmmsg, without blocking) until none is waiting or
        ``budget`` datagrams were read; parse and fold them as statsd.  The number read."""
        ...

    def merge(self, columns: Columns, lane: int = 0) -> int:
        """Take in what another table gave out (``merging.py`` has the rules); the number of
        samples taken in.  ``ValueError`` where the rows are none that a table gives."""
        ...

    def serve(self, fds: list[int], stop_fd: int, dialect: Dialect, lane: int = 0) -> None:
        """Receive, parse and fold datagrams of these sockets (at most 64) until ``stop_fd`` can be
        read, and then what has arrived; to be called in a thread of its own.

        While the table is busy, datagrams wait in a backlog of ``BACKLOG_BYTES``; the lines that
        find no room there count as ``shed:queue_full``.  Lines with names that only a mapper
        can tell wait for the next call of another method, because it runs in Python.
        """
        ...

    def flush(self, start_ms: int, period: float) -> Columns:
        """Take the folded samples of the period out, as parts that begin at ``start_ms``.
        Only series that got samples.  Gauges keep their value for later deltas; with ``gauge_flushes``
        one that got no sample in so many flushes has none any more (1: it is gone with its flush)."""
        ...

    def snapshot(self, start_ms: int, period: float) -> Columns:
        """What ``flush`` would give now; nothing changes."""
        ...

    def gauges(self) -> Columns:
        """The value of every gauge that has one, live or idle: a row each with ``n``, time 0,
        period 0 and no samples."""
        ...

    def restore_gauges(self, keys: list[bytes], values: list[float]) -> int:
        """Give gauges the values that ``gauges`` told, so that deltas go on from there; those
        that have got one by now keep it, other kinds are left out.  How many were restored."""
        ...

    def totals(self) -> Columns:
        """How far each counter is that is sent as a running total (``C``): a row each with ``n``, as
        ``gauges`` gives them."""
        ...

    def restore_totals(self, keys: list[bytes], values: list[float]) -> int:
        """Say that counters were so far as ``totals`` told, so that the next total counts from
        there; those that have sent one by now know better, other kinds are left out.  How many."""
        ...

    def flush_points(self) -> Columns:
        """Take out what has a time of its own: a row for each point (Graphite), then one for each
        series and period that got samples with ``|T``."""
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

    def forget(self, keys: list[bytes], lane: int = 0) -> int:
        """Forget these series at once, gauges' values too; how many were known.

        Samples of the open period that go with them are counted as ``filtered:forgotten`` by the
        lane.  A series whose points still wait is emptied, and pruned later.
        """
        ...

    def rejects(self, lane: int = 0) -> list[Reject]:
        """Take a lane's last distinct rejects and unmapped lines out, newest last, at most
        ``REJECTS_KEPT``."""
        ...

    def books(self) -> tuple[int, dict[int, dict[str, int]]]:
        """What waits, and the totals (as ``counts``) of each lane that may have changed since the
        last call, read at one instant."""
        ...

    def counts(self) -> dict[str, int]:
        """Totals of all lanes since the table was made: ``lines``, ``samples``, ``datagrams``,
        ``bytes``, ``events``, ``kernel_drops`` and, once met, ``overflowed`` (samples for which
        another series stood in, see ``guard.py``), ``unmapped`` (lines whose name no rule takes),
        ``rejected:REASON``, ``shed:REASON``, ``filtered:REASON``."""
        ...

    def senders(self) -> list[tuple[str, int]]:
        """Who sent most datagrams (``drain``, ``serve``) since the last call, and how many, most
        first: an IP address, or ``unix``.  At most ``SENDERS_KEPT``; beyond that counts may be
        too high, never too low (space-saving, Metwally et al., ICDT 2005)."""
        ...

    def take_events(self, lane: int = 0) -> list[bytes]:
        """Take a lane's DogStatsD events and service checks out, as the lines they came in;
        ``wire/dogstatsd.py`` reads them."""
        ...

    def set_mapper(self, mapper: Mapper | None) -> None:
        """Use a mapper; clears what was cached."""
        ...
