"""The store's consumer keeps the books of what it stored, recovered and diverted."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from metronome.errors import StoreRejected, StoreUnavailable
from metronome.gateway.writer import size
from metronome.model import Batch, Events, Record, Tally
from metronome.store.memory import MemoryStore
from tests.gateway.kit import Kit, counter, view


class Choosy(MemoryStore):
    """Refuses for good what is about item ``bad``; can be away."""

    away = False

    def write(self, batch: Batch) -> Deferred[None]:
        if self.away:
            return fail(StoreUnavailable("away"))
        refused = [record for record in batch.records if _is_bad(record)]
        written = super().write(batch)
        if refused:
            written.addCallback(lambda _: fail(StoreRejected([(record, "no") for record in refused])))
        return written


def _is_bad(record: Record) -> bool:
    return isinstance(record.content, Events) and record.content.events[0]["id"] == "bad"


def test_stored_is_counted_when_the_store_has_it() -> None:
    """Waiting becomes stored with the write, not before."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a")], [counter("hits", 1)], [], "http"))
    assert kit.ledger.waiting("main") == 2
    kit.consumer.start()
    kit.settle()
    assert kit.ledger.waiting("main") == 0
    assert kit.telemetry.value("metronome_stored_total", stream="main") == 2
    assert kit.received() == kit.accounted() == 2


def test_what_the_store_refuses_is_put_aside_and_counted() -> None:
    """A refused record is diverted; its neighbours are stored; nothing is tried for ever."""
    kit = Kit(store=Choosy())
    for item in ("a", "bad", "b"):
        kit.wait(kit.intake.ticks("main", [view(item)], [], [], "http"))
    kit.consumer.start()
    kit.settle()
    assert [text for _, text in kit.letters.letters] == ["no"]
    assert kit.telemetry.value("metronome_stored_total", stream="main") == 2
    diverted = kit.telemetry.value("metronome_diverted_total", stream="main", reason="store_rejected")
    assert diverted == 1
    assert kit.received() == kit.accounted() == 3


def test_what_a_former_run_left_is_recovered() -> None:
    """Records that wait from before a restart are received and stored by this run."""
    store = Choosy()
    store.away = True
    kit = Kit(store=store)
    kit.consumer.start()
    kit.wait(kit.intake.ticks("main", [view("a"), view("b")], [], [], "http"))
    kit.wait(kit.consumer.stop())
    kit.wait(kit.journal.stop())
    store.away = False
    again = Kit(kit.disk, store)
    again.consumer.start()
    again.settle()
    assert again.telemetry.value("metronome_received_total", stream="main", source="journal") == 2
    assert again.received() == again.accounted() == 2


def test_only_input_is_counted() -> None:
    """Marks and tallies are no input."""
    assert size(Record(0, Events("main", [view("a")] * 3))) == 3
    assert size(Record(0, [Tally("main", "2023-11-14", "udp", "rejected", "bad_value", 9)])) == 0


def test_what_cannot_be_put_aside_yet_is_not_lost() -> None:
    """The store refuses a record once; while the disk refuses it too, the batch waits."""

    class Once(Choosy):
        """As real stores do: what was applied is skipped the next time."""

        def write(self, batch: Batch) -> Deferred[None]:
            if self._applied.get(batch.gateway, 0) >= batch.end:
                return MemoryStore.write(self, batch)
            return super().write(batch)

    kit = Kit(store=Once())
    put = kit.letters.put

    def full(record: Record, reason: str) -> None:
        kit.letters.put = put  # type: ignore[method-assign]
        raise OSError(28, "No space left on device")

    kit.letters.put = full  # type: ignore[method-assign]
    for item in ("a", "bad"):
        kit.wait(kit.intake.ticks("main", [view(item)], [], [], "http"))
    kit.consumer.start()
    kit.settle()
    assert kit.letters.letters == []
    assert kit.ledger.waiting("main") == 2
    kit.clock.advance(1)
    kit.settle()
    assert [text for _, text in kit.letters.letters] == ["no"]
    assert kit.telemetry.value("metronome_stored_total", stream="main") == 1
    assert kit.received() == kit.accounted() == 2
