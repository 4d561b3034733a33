"""A consumer does every record, in order, at least once, and goes on where it was."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed

from metronome.errors import StoreUnavailable
from metronome.gateway.consumer import Consumer
from metronome.limits import RECENT_SECONDS, RETRY_FIRST, RETRY_MOST
from metronome.model import Batch, Events
from tests.gateway.kit import Kit, view


class Hands:
    """Work that can be told to fail, and remembers what it did."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.attempts = 0
        self.error: Exception | None = None
        self.safe: int | None = None

    def work(self, batch: Batch) -> Deferred[int | None]:
        self.attempts += 1
        if self.error is not None:
            return fail(self.error)
        for record in batch.records:
            assert isinstance(record.content, Events)
            self.done.extend(event["id"] for event in record.content.events)
        return succeed(self.safe)


def make(kit: Kit) -> tuple[Hands, Consumer]:
    hands = Hands()
    consumer = Consumer(kit.journal, "hands", hands.work, kit.clock, kit.telemetry)
    consumer.start()
    return hands, consumer


def send(kit: Kit, *items: str) -> None:
    for item in items:
        kit.wait(kit.intake.ticks("main", [view(item)], [], [], "http"))
    kit.settle()


def test_records_are_done_in_order_as_they_come() -> None:
    """What was there before the start and what comes later is done once, in order."""
    kit = Kit()
    send(kit, "a", "b")
    hands, consumer = make(kit)
    kit.settle()
    send(kit, "c")
    assert hands.done == ["a", "b", "c"]
    assert consumer.lag == 0
    assert kit.telemetry.value("metronome_consumer_records_total", consumer="hands") == 3


def test_a_failed_batch_is_tried_again_with_growing_pauses() -> None:
    """While the other side is away the same batch is tried, ever more slowly, up to a bound."""
    kit = Kit()
    hands, consumer = make(kit)
    hands.error = StoreUnavailable("away")
    send(kit, "a")
    assert (hands.attempts, consumer.troubled) == (1, "away")
    kit.clock.advance(RETRY_FIRST)
    assert hands.attempts == 2
    kit.clock.advance(RETRY_FIRST)
    assert hands.attempts == 2
    kit.clock.pump([RETRY_MOST] * 20)
    attempts = hands.attempts
    kit.clock.advance(RETRY_MOST)
    assert hands.attempts == attempts + 1
    hands.error = None
    kit.clock.advance(RETRY_MOST)
    assert (hands.done, consumer.troubled) == (["a"], "")


def test_it_can_be_woken_from_its_pause() -> None:
    """Somebody who knows that the other side is back need not wait out the pause."""
    kit = Kit()
    hands, consumer = make(kit)
    hands.error = StoreUnavailable("away")
    send(kit, "a")
    hands.error = None
    consumer.wake()
    assert hands.done == ["a"]


def test_it_goes_on_at_its_cursor_after_a_restart() -> None:
    """What was done is not done again; what was not is."""
    kit = Kit()
    hands, consumer = make(kit)
    send(kit, "a")
    hands.error = StoreUnavailable("away")
    send(kit, "b")
    kit.wait(consumer.stop())
    kit.wait(kit.journal.stop())
    again = Kit(kit.disk)
    hands, _ = make(again)
    again.settle()
    assert hands.done == ["b"]


def test_work_may_hold_its_cursor_back() -> None:
    """A consumer that folds several batches is given them again after a restart."""
    kit = Kit()
    hands, consumer = make(kit)
    send(kit, "a")
    hands.safe = consumer.position
    send(kit, "b", "c")
    assert hands.done == ["a", "b", "c"]
    kit.wait(consumer.stop())
    kit.wait(kit.journal.stop())
    again = Kit(kit.disk)
    hands, _ = make(again)
    again.settle()
    assert hands.done == ["b", "c"]


def test_a_record_that_cannot_be_read_is_counted_and_passed() -> None:
    """An unknown kind of record holds up nothing behind it."""
    kit = Kit()
    hands, _ = make(kit)
    kit.wait(kit.journal.append(99, [b"from another version"]))
    send(kit, "a")
    assert hands.done == ["a"]
    assert kit.telemetry.value("metronome_undecodable_records_total") == 1


def test_stopping_ends_it_between_batches() -> None:
    """After stop nothing is attempted any more and nothing is left on the clock."""
    kit = Kit()
    hands, consumer = make(kit)
    hands.error = StoreUnavailable("away")
    send(kit, "a")
    kit.wait(consumer.stop())
    attempts = hands.attempts
    kit.clock.advance(1000)
    assert hands.attempts == attempts


def test_it_may_wait_for_company() -> None:
    """With a linger, what comes within it is done in one batch."""
    kit = Kit()
    hands = Hands()
    consumer = Consumer(kit.journal, "hands", hands.work, kit.clock, kit.telemetry, linger=5.0)
    consumer.start()
    send(kit, "a", "b", "c")
    assert hands.attempts == 0
    kit.clock.advance(5)
    assert (hands.attempts, hands.done) == (1, ["a", "b", "c"])


def test_a_journal_that_cannot_be_read_for_a_while_ends_no_consumer() -> None:
    """No file descriptor is left, or the disk has an error: reading is tried again, then it goes on."""
    kit = Kit()
    send(kit, "a")
    for _ in range(2):
        kit.clock.advance(RECENT_SECONDS)  # it is read from the disk from then on
    kit.disk.reading_fails = True
    hands, consumer = make(kit)
    kit.settle()
    assert hands.done == []
    assert "cannot read" in consumer.troubled
    kit.disk.reading_fails = False
    kit.clock.advance(RETRY_FIRST)
    kit.settle()
    assert hands.done == ["a"]
    assert consumer.troubled == ""


def test_a_consumer_that_waits_for_a_journal_stops() -> None:
    """The stop ends the pause between two attempts to read."""
    kit = Kit()
    _, consumer = make(kit)
    kit.settle()
    kit.disk.reading_fails = True
    send(kit, "a")
    stopped: list[None] = []
    consumer.stop().addCallback(stopped.append)
    assert stopped == [None]
