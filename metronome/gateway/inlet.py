"""One receiver's way in: a stream, a dialect and a name in the books.

An inlet feeds the stream's folding table through a lane of its own, so that what the table says of
the lane came from this receiver.  Some receive in a thread: their lanes go on counting while
nobody looks.  So the books of all lanes of a table are kept together, as of one instant and with
what the table holds at that instant; between two such readings nothing of it is shown, and the
books balance whenever somebody reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from metronome.gateway.ledger import Ledger
from metronome.gateway.notes import Note
from metronome.gateway.telemetry import Telemetry
from metronome.kernel.interface import Dialect, Reject, Table
from metronome.model import Columns


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
    def points_came(self, table: Table) -> None: ...
    def when_free(self) -> Deferred[None]: ...
    def tell(self, stream: str, source: str, lines: list[bytes], sender: str, origins: bool) -> None: ...
    def heard(self, stream: str, sender: str, fresh: Fresh) -> None: ...
    def sent(self, stream: str, senders: Iterable[tuple[str, int]]) -> None: ...


class Told:
    """What the lanes of a table had counted when the books were last kept."""

    def __init__(self, table: Table) -> None:
        self.waiting = 0
        """What the table held then."""
        self._table = table
        self._inlets: list[Inlet] = []
        self._counts: dict[int, Mapping[str, int]] = {}
        self._series = 0

    @property
    def inlets(self) -> int:
        """How many feed the table."""
        return len(self._inlets)

    def open(self, inlet: Inlet) -> int:
        """A lane for an inlet."""
        lane = self._table.lane() if self._inlets else 0
        self._inlets.append(inlet)
        return lane

    def settle(self, feeder: Inlet | None = None, sender: str = "") -> None:
        """Keep the books of all lanes.  ``sender`` is whose lines the feeder has just taken in."""
        self.waiting, changed = self._table.books()
        series, self._series = self._table.series - self._series, self._table.series
        for lane, counts in changed.items():
            before = self._counts.get(lane, {})
            self._counts[lane] = counts
            fresh = {name: number - before.get(name, 0) for name, number in counts.items()}
            if any(fresh.values()) and lane < len(self._inlets):
                inlet = self._inlets[lane]
                inlet.keep(fresh, series, sender if inlet is feeder else "")
                series = 0


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
        self._lane = told.open(self)

    def statsd(self, block: bytes, sender: str = "") -> None:
        """Fold a datagram or whole lines of statsd."""
        self._table.feed_statsd(block, self._dialect, self._lane)
        self._told.settle(self, sender)
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def graphite(self, block: bytes, sender: str = "") -> None:
        """Keep whole lines of Graphite plaintext as points."""
        self._table.feed_graphite(block, self._gate.now(), self._dialect, self._lane)
        self._told.settle(self, sender)
        self._gate.points_came(self._table)
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def drain(self, fd: int, budget: int) -> int:
        """Receive and fold statsd datagrams until none waits or ``budget`` were read."""
        read = self._table.drain(fd, budget, self._dialect, self._lane)
        if read:
            self._told.settle()
        return read

    @property
    def serves(self) -> bool:
        """Whether ``serve`` works here."""
        return self._table.serves

    def serve(self, fd: int, stop_fd: int) -> None:
        """Receive and fold statsd datagrams until ``stop_fd`` can be read, and then what has arrived.

        For a thread of its own; somebody else has to ``settle`` now and then, and after it.
        """
        self._table.serve([fd], stop_fd, self._dialect, self._lane)

    def settle(self) -> None:
        """Keep the books of what a thread has taken in since they were last kept."""
        self._told.settle()

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
        self._table.merge(columns, self._lane)
        self._told.settle()

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
        self._gate.tell(self.stream, self.source, lines, sender, self._dialect.container_labels)

    def show(self, block: bytes) -> None:
        """Show lines that another process has taken in to whoever watches."""
        if self._gate.tapped:
            self._gate.show(self.stream, self.source, block)

    def forget(self, keys: list[bytes]) -> None:
        """Forget series at once, with their samples of the open period."""
        if keys:
            self._table.forget(keys, self._lane)
            self._told.settle()

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

    def keep(self, fresh: Mapping[str, int], series: int, sender: str) -> None:
        """Keep the books of what this lane has counted; ``series`` are new to the table."""
        taken = Fresh(fresh.get("lines", 0), fresh.get("samples", 0), fresh.get("datagrams", 0), series)
        self._gate.heard(self.stream, sender, taken)
        if fresh.get("events"):
            self.events(self._table.take_events(self._lane), sender)
        if self._account(fresh):
            self._note(self._table.rejects(self._lane), sender)

    def _account(self, fresh: Mapping[str, int]) -> bool:
        """Keep the books of what a table has counted; whether it kept lines for their owner."""
        self._count("metronome_lines_total", fresh.get("lines", 0))
        self._count("metronome_datagrams_total", fresh.get("datagrams", 0))
        self._count("metronome_overflowed_total", fresh.get("overflowed", 0))
        self._count("metronome_unmapped_total", fresh.get("unmapped", 0))
        dropped = fresh.get("kernel_drops", 0)
        if dropped > 0:
            self.kernel_dropped(dropped)
        refused = _with_reason(fresh, "rejected:")
        shed = _with_reason(fresh, "shed:")
        arrived = fresh.get("samples", 0) + sum(refused.values()) + sum(shed.values())
        self._ledger.received(self.stream, self.source, arrived)
        for reason, number in refused.items():
            self._ledger.count_rejects(self.stream, self.source, reason, number)
        for reason, number in shed.items():
            self._ledger.shed(self.stream, self.source, reason, number)
        for reason, number in _with_reason(fresh, "filtered:").items():
            self._ledger.filtered(self.stream, self.source, reason, number)
        return bool(refused) or fresh.get("unmapped", 0) > 0

    def _count(self, name: str, number: int) -> None:
        if number:
            self._telemetry.count(name, number, source=self.source)

    def _note(self, rejects: Iterable[Reject], sender: str) -> None:
        now = self._gate.now()
        for reject in rejects:
            text = reject.excerpt.decode("utf-8", "replace")
            note = Note(now, self.source, sender or reject.sender, reject.reason, text, reject.number)
            self._ledger.note(self.stream, note)


def _with_reason(fresh: Mapping[str, int], outcome: str) -> dict[str, int]:
    """The counts of an outcome by reason, those that are not 0."""
    return {name.removeprefix(outcome): n for name, n in fresh.items() if n and name.startswith(outcome)}
