"""One receiver's way in: a stream, a dialect and a name in the books.

An inlet feeds the stream's folding table and keeps the books: what the table says it folded
and refused since the last feed came from this receiver, because only one feeds at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from metronome.gateway.ledger import Ledger, RejectNote
from metronome.gateway.telemetry import Telemetry
from metronome.kernel.interface import Dialect, Reject, Table
from metronome.model import Columns

_REJECTED = "rejected:"
_FORGOTTEN = "filtered:forgotten"


class Fresh(NamedTuple):
    """What a table took in with one feed; ``series`` are those it has not known before."""

    lines: int
    samples: int
    datagrams: int
    series: int


class Gate(Protocol):
    """What an inlet needs of the intake."""

    @property
    def tapped(self) -> bool: ...
    def now(self) -> float: ...
    def show(self, stream: str, source: str, block: bytes) -> None: ...
    def blocked(self, stream: str) -> bool: ...
    def when_free(self) -> Deferred[None]: ...
    def tell(self, stream: str, source: str, lines: list[bytes], sender: str) -> None: ...
    def heard(self, stream: str, sender: str, fresh: Fresh) -> None: ...
    def sent(self, stream: str, senders: Iterable[tuple[str, int]]) -> None: ...


class Told:
    """What a table had counted when the books were last kept; shared by its inlets."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.series = 0


class Inlet:
    """Feeds one table on behalf of one receiver."""

    def __init__(
        self,
        gate: Gate,
        table: Table,
        told: Told,
        source: str,
        stream: str,
        dialect: Dialect,
        ledger: Ledger,
        telemetry: Telemetry,
    ):
        self.source = source
        self.stream = stream
        self._gate = gate
        self._table = table
        self._told = told
        self._dialect = dialect
        self._ledger = ledger
        self._telemetry = telemetry

    def statsd(self, block: bytes, sender: str = "") -> None:
        """Fold a datagram or whole lines of statsd."""
        self._table.feed_statsd(block, self._dialect)
        self._settle(sender)
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def graphite(self, block: bytes, sender: str = "") -> None:
        """Keep whole lines of Graphite plaintext as points."""
        self._table.feed_graphite(block, self._gate.now(), self._dialect)
        self._settle(sender)
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def drain(self, fd: int, budget: int) -> int:
        """Receive and fold statsd datagrams until none waits or ``budget`` were read."""
        read = self._table.drain(fd, budget, self._dialect)
        if read:
            self._settle("")
        return read

    def reject(self, reason: str, excerpt: bytes, sender: str = "", number: int = 1) -> None:
        """The receiver itself refused something, such as an endless line; so many of them."""
        self._ledger.received(self.stream, self.source, number)
        self._ledger.reject(self.stream, self.source, reason, number, excerpt, sender)

    def shed(self, reason: str, number: int) -> None:
        """The receiver had to refuse so much good input for load."""
        self._ledger.received(self.stream, self.source, number)
        self._ledger.shed(self.stream, self.source, reason, number)

    def merge(self, columns: Columns) -> None:
        """Take in what another process has folded for this receiver; it is received now.
        ``ValueError`` where it is nothing that a table gives."""
        self._table.merge(columns)
        self._settle("")

    def counted(
        self, fresh: Mapping[str, int], rejects: Iterable[Reject], senders: Iterable[tuple[str, int]]
    ) -> None:
        """Another process counted so much for this receiver, by the names of a table's counts; it
        refused these lines among others, and these sent so many datagrams each.

        Its samples are not received here: they are when they are merged.
        """
        lines, samples, datagrams = (fresh.get(name, 0) for name in ("lines", "samples", "datagrams"))
        self._gate.heard(self.stream, "", Fresh(lines, samples, datagrams, 0))
        self._gate.sent(self.stream, senders)
        self._account({**fresh, "samples": 0})
        self._note(rejects, "")

    def events(self, lines: list[bytes], sender: str = "") -> None:
        """Take DogStatsD events and service checks."""
        self._gate.tell(self.stream, self.source, lines, sender)

    def show(self, block: bytes) -> None:
        """Show lines that another process has taken in to whoever watches."""
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def forget(self, keys: list[bytes]) -> None:
        """Forget series at once, with their samples of the open period."""
        if keys:
            self._table.forget(keys)
            self._settle("")

    def kernel_dropped(self, number: int) -> None:
        """The kernel dropped so many datagrams before they could be read.

        Nobody knows how many samples were in them, so they are counted as datagrams and
        stand outside the books.
        """
        self._telemetry.count(
            "metronome_datagrams_dropped_total", number, source=self.source, reason="kernel"
        )

    @property
    def watched(self) -> bool:
        """Whether somebody wants to see the lines; ``drain`` cannot show them."""
        return self._gate.tapped

    @property
    def dialect(self) -> Dialect:
        """What this receiver understands."""
        return self._dialect

    def blocked(self) -> bool:
        """Whether a stream transport should stop reading for now."""
        return self._gate.blocked(self.stream)

    def when_free(self) -> Deferred[None]:
        """Fires when it is worth asking ``blocked`` again."""
        return self._gate.when_free()

    def _settle(self, sender: str) -> None:
        counts = self._table.counts()
        before, self._told.counts = self._told.counts, Counter(counts)
        fresh = {name: number - before[name] for name, number in counts.items() if number != before[name]}
        series, self._told.series = self._table.series - self._told.series, self._table.series
        taken = Fresh(fresh.get("lines", 0), fresh.get("samples", 0), fresh.get("datagrams", 0), series)
        self._gate.heard(self.stream, sender, taken)
        if fresh.get("events"):
            self.events(self._table.take_events(), sender)
        if self._account(fresh):
            self._note(self._table.rejects(), sender)

    def _account(self, fresh: Mapping[str, int]) -> bool:
        """Keep the books of what a table has counted; whether it refused anything."""
        self._count("metronome_lines_total", fresh.get("lines", 0))
        self._count("metronome_datagrams_total", fresh.get("datagrams", 0))
        dropped = fresh.get("kernel_drops", 0)
        if dropped > 0:
            self.kernel_dropped(dropped)
        refused = {name: number for name, number in fresh.items() if name.startswith(_REJECTED)}
        self._ledger.received(self.stream, self.source, fresh.get("samples", 0) + sum(refused.values()))
        for name, number in refused.items():
            self._ledger.count_rejects(self.stream, self.source, name.removeprefix(_REJECTED), number)
        if forgotten := fresh.get(_FORGOTTEN):
            self._ledger.filtered(self.stream, self.source, "forgotten", forgotten)
        return bool(refused)

    def _count(self, name: str, number: int) -> None:
        if number:
            self._telemetry.count(name, number, source=self.source)

    def _note(self, rejects: Iterable[Reject], sender: str) -> None:
        now = self._gate.now()
        for reject in rejects:
            text = reject.excerpt.decode("utf-8", "replace")
            note = RejectNote(now, self.source, sender or reject.sender, reject.reason, text)
            self._ledger.note(self.stream, note)
