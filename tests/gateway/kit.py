"""A gateway's core on a fake clock, an in-memory disk and the memory store, for tests."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from metronome.gateway.consumer import Consumer
from metronome.gateway.dead_letters import Kept
from metronome.gateway.duplicates import Duplicates
from metronome.gateway.flusher import Flusher
from metronome.gateway.intake import Intake, TickRow
from metronome.gateway.ledger import Ledger
from metronome.gateway.reader import Reader
from metronome.gateway.streams import Streams
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.writer import Writer
from metronome.journal.memory_disk import MemoryDisk
from metronome.kernel import Table, hash64
from metronome.limits import JOURNAL_BYTES, POINTS_WAITING
from metronome.model import Event, Kind, Record, Series, canonical_labels, series_key
from metronome.store.interface import Store
from metronome.store.memory import MemoryStore
from metronome.wire.records import Row
from tests.fakes import memory_journal

START = 1_700_000_000.0
"""When tests begin; it lies on an aligned instant of 10 s."""
START_MS = int(START * 1000)
PERIOD = 10.0


class KeptLetters:
    """Dead letters in a list."""

    def __init__(self) -> None:
        self.letters: list[tuple[Record, str]] = []

    def put(self, gateway: str, record: Record, reason: str, day: str) -> Kept:
        if (record, reason) not in self.letters:
            self.letters.append((record, reason))
        return Kept("store_rejected", day)


class Kit:
    """The parts of one run; ``restart`` makes the next run over the same disk and store."""

    def __init__(
        self,
        disk: MemoryDisk | None = None,
        store: Store | None = None,
        budget: int = JOURNAL_BYTES,
        now: float = START,
        points_waiting: int = POINTS_WAITING,
    ):
        self.clock = Clock()
        self.clock.advance(now)
        self.disk = disk or MemoryDisk()
        self.store = store or MemoryStore()
        self.telemetry = Telemetry()
        self.ledger = Ledger(self.telemetry, self.clock.seconds)
        self.journal = memory_journal(self.clock, self.disk, budget)
        self.wait(self.journal.start())
        self.wait(self.store.start())
        self.streams: Streams | None = None
        self.duplicates = Duplicates(
            self.telemetry, born=lambda stream: self.streams.born(stream) if self.streams else 0
        )
        self.intake = Intake(
            self.journal,
            self.ledger,
            self.telemetry,
            self.duplicates,
            self.clock,
            lambda: Table(),
            self.owns,
            points_waiting,
        )
        self.flusher = Flusher(self.intake, self.journal, self.ledger, self.telemetry, self.clock, PERIOD)
        self.letters = KeptLetters()
        self.writer = Writer(self.store, self.ledger, self.letters, self.journal.synced_end, self.owns)
        self.consumer = Consumer(self.journal, "store", self.writer.work, self.clock, self.telemetry)
        self.reader = Reader(self.store, self.journal, lambda: self.consumer.position, self.owns)

    def owns(self, stream: str, position: int) -> bool:
        """As the registry says, where there is one."""
        return self.streams is None or self.streams.owns(stream, position)

    def wait(self, waited: Deferred[object]) -> object:
        """Turn the clock until a Deferred fires; its result, or its failure raised."""
        results: list[object] = []
        failures: list[BaseException] = []
        waited.addCallbacks(results.append, lambda failure: failures.append(failure.value))
        for _ in range(50):
            if results or failures:
                break
            self.clock.advance(0.001)
        if failures:
            raise failures[0]
        assert results, "the Deferred has not fired"
        return results[0]

    def settle(self) -> None:
        """Let everything that is due happen."""
        for _ in range(50):
            self.clock.advance(0.001)

    def received(self) -> float:
        """Everything that arrived, over all sources."""
        return sum(
            value
            for family in self.telemetry.families()
            if family.name == "metronome_received_total"
            for _, value in family.samples
        )

    def accounted(self, stream: str = "main") -> float:
        """What became of it, over all outcomes."""
        outcomes = ("stored", "rejected", "filtered", "shed", "diverted")
        return self.ledger.waiting(stream) + sum(
            value
            for family in self.telemetry.families()
            if family.name.removeprefix("metronome_").removesuffix("_total") in outcomes
            for labels, value in family.samples
            if labels["stream"] == stream
        )


def view(item: str, eid: str = "", time: int = START_MS) -> Event:
    """A view of an item."""
    event: Event = {"time": time, "type": "view", "id": item, "received": time}
    if eid:
        event["eid"] = eid
    return event


def counter(name: str, n: float, eid: str = "", time: int = START_MS, **labels: str) -> TickRow:
    """A counter point as a tick brings it."""
    key = series_key(Series(name, canonical_labels(labels), Kind.COUNTER))
    row = Row(key, hash64(key), Kind.COUNTER, time, PERIOD, 1, n, 1.0, n, n, 0.0, ())
    return TickRow(row, eid)
