"""The store's consumer keeps the books of what it stored, recovered and diverted."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail

from metronome.errors import StoreRejected, StoreUnavailable
from metronome.gateway.dead_letters import Kept
from metronome.gateway.writer import Writer, size
from metronome.model import Batch, Events, Record, Tally
from metronome.store.memory import MemoryStore
from tests.gateway.kit import Kit, counter, view


class Choosy(MemoryStore):
    """Refuses for good what is about item ``bad``; can be away."""

    away = False

    def write(self, batch: Batch) -> Deferred[None]:
        if self.away:
            return fail(StoreUnavailable("away"))
        if refused := [record for record in batch.records if _is_bad(record)]:
            return fail(StoreRejected([(record, "no") for record in refused]))
        return super().write(batch)


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
    """While the disk refuses what the store refuses, the batch waits, and nothing of it is stored."""
    kit = Kit(store=Choosy())
    put = kit.letters.put

    def full(gateway: str, record: Record, reason: str, day: str) -> Kept:
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


def test_the_stores_own_books_say_what_was_diverted() -> None:
    """The line stands in the batch, in the refused record's place: it is applied with the batch, once."""
    store = Choosy()
    kit = Kit(store=store)
    for item in ("a", "bad", "b"):
        kit.wait(kit.intake.ticks("main", [view(item), view("x")], [], [], "http"))
    kit.consumer.start()
    kit.settle()
    books = [("2023-11-14", "", "diverted", "store_rejected", 2), ("2023-11-14", "", "stored", "", 4)]
    assert kit.wait(store.tallies("main")) == books
    again = Writer(store, kit.ledger, kit.letters, 0)
    batch = Batch(kit.journal.identity, [Record(0, Events("main", [view("bad")]))], 1)
    kit.wait(again.work(batch))
    assert kit.wait(store.tallies("main")) == books


def test_what_does_not_fit_the_dead_letters_is_counted_apart() -> None:
    """The batch is not held up by it."""
    kit = Kit(store=Choosy())

    def full(gateway: str, record: Record, reason: str, day: str) -> Kept:
        return Kept("dead_letters_full", day)

    kit.letters.put = full  # type: ignore[method-assign]
    for item in ("bad", "a"):
        kit.wait(kit.intake.ticks("main", [view(item)], [], [], "http"))
    kit.consumer.start()
    kit.settle()
    assert kit.telemetry.value("metronome_diverted_total", stream="main", reason="dead_letters_full") == 1
    assert kit.received() == kit.accounted() == 2
    assert ("2023-11-14", "", "diverted", "dead_letters_full", 1) in kit.wait(kit.store.tallies("main"))


def test_what_is_no_input_is_put_aside_without_a_line() -> None:
    """A mark or a tally that the store refuses is kept, and the books say nothing of it."""

    class NoTallies(MemoryStore):
        def write(self, batch: Batch) -> Deferred[None]:
            refused = [(one, "no") for one in batch.records if isinstance(one.content, list)]
            return fail(StoreRejected(list(refused))) if refused else super().write(batch)

    kit = Kit(store=NoTallies())
    tallies = [Tally("main", "2023-11-14", "udp", "rejected", "bad_value", 9)]
    batch = Batch("g", [Record(0, tallies), Record(5, Events("main", [view("a")]))], 9)
    kit.wait(kit.writer.work(batch))
    assert [record.position for record, _ in kit.letters.letters] == [0]
    assert kit.wait(kit.store.tallies("main")) == [("2023-11-14", "", "stored", "", 1)]
