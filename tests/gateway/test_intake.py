"""Ticks are acknowledged when they are on disk, counted once, and refused by name."""

from __future__ import annotations

from random import Random

import pytest

from metronome.errors import JournalUnavailable
from metronome.gateway.intake import TickVerdict
from metronome.limits import RECORD_BYTES
from metronome.model import EventSelection
from tests.gateway.kit import Kit, counter, view

EVERYTHING = EventSelection("main")


def items(kit: Kit) -> list[str]:
    """The ids of all events that a reader sees."""
    return sorted(event["id"] for event in kit.wait(kit.reader.events(EVERYTHING)))


def test_a_tick_is_acknowledged_only_when_it_is_synced() -> None:
    """Before the sync there is no answer; after a crash right behind it the tick is there."""
    kit = Kit()
    fired: list[object] = []
    kit.intake.ticks("main", [view("a")], [], [], "http").addCallback(fired.append)
    assert fired == []
    kit.settle()
    assert fired == [TickVerdict([], [])]
    kit.disk.crash(Random(1))
    again = Kit(kit.disk)
    assert items(again) == ["a"]


def test_points_and_events_of_one_body() -> None:
    """A body may hold both; all of it is readable at once."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a")], [counter("hits", 3)], [], "http"))
    assert items(kit) == ["a"]
    assert kit.received() == kit.accounted() == 2


def test_a_repeated_id_is_counted_once() -> None:
    """The second tick with an id is set aside, within a body, later, and after a restart."""
    kit = Kit()
    body = [view("a", "id-1"), view("a", "id-1"), view("b", "id-2")]
    assert kit.wait(kit.intake.ticks("main", body, [], [], "http")) == TickVerdict([1], [])
    later = kit.intake.ticks("main", [view("a", "id-1")], [counter("hits", 1, "id-2")], [], "http")
    assert kit.wait(later) == TickVerdict([0], [0])
    assert items(kit) == ["a", "b"]
    assert kit.received() == kit.accounted() == 5


def test_the_repeat_waits_for_the_first_to_be_safe() -> None:
    """A repeat that comes while its first is being written is not answered before the sync."""
    kit = Kit()
    order: list[str] = []
    kit.intake.ticks("main", [view("a", "id")], [], [], "http").addCallback(lambda _: order.append("first"))
    kit.intake.ticks("main", [view("a", "id")], [], [], "http").addCallback(lambda _: order.append("repeat"))
    assert order == []
    kit.settle()
    assert sorted(order) == ["first", "repeat"]


def test_when_the_first_fails_so_does_the_repeat_and_both_may_come_again() -> None:
    """A write that fails acknowledges nobody and remembers no id."""
    kit = Kit()
    kit.disk.broken = True
    failures: list[object] = []
    for _ in range(2):
        kit.intake.ticks("main", [view("a", "id")], [], [], "http").addErrback(
            lambda failure: failures.append(failure.check(JournalUnavailable))
        )
    kit.settle()
    assert failures == [JournalUnavailable, JournalUnavailable]
    kit.disk.broken = False
    kit.clock.advance(60)
    kit.settle()
    assert kit.wait(kit.intake.ticks("main", [view("a", "id")], [], [], "http")) == TickVerdict([], [])
    assert items(kit) == ["a"]
    assert kit.received() == kit.accounted() == 3


def test_a_full_journal_sheds_by_name() -> None:
    """Over the budget ticks are refused at once and counted as shed."""
    kit = Kit(budget=1)
    kit.intake.ticks("main", [view("a")], [], [], "http").addErrback(lambda failure: None)
    kit.settle()
    with pytest.raises(JournalUnavailable) as caught:
        kit.wait(kit.intake.ticks("main", [view("b")], [], [], "http"))
    assert caught.value.reason == "journal_full"
    assert kit.received() == kit.accounted()


def test_what_the_codec_refused_is_in_the_books_and_the_notes() -> None:
    """Refused items are received and rejected, with an excerpt for the owner."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [], [], [("bad_param", b'{"n":"x"}')], "http", "1.2.3.4"))
    (note,) = kit.ledger.notes("main")
    assert (note.reason, note.sender, note.excerpt) == ("bad_param", "1.2.3.4", '{"n":"x"}')
    assert kit.received() == kit.accounted() == 1


def test_a_body_that_grows_beyond_a_record_is_taken_in_several() -> None:
    """Control characters take six bytes in the journal: the body is split, and its ids stay good."""
    kit = Kit()
    body = [view(f"item-{index}", f"id-{index}") for index in range(3000)]
    for event in body:
        event["labels"] = {"noise": "\x01" * 1024}
    assert sum(6 * len(event["labels"]["noise"]) for event in body) > RECORD_BYTES
    assert kit.wait(kit.intake.ticks("main", body, [], [], "http")) == TickVerdict([], [])
    assert len(items(kit)) == 1000  # what one answer shows
    again = kit.intake.ticks("main", [view("item-0", "id-0")], [], [], "http")
    assert kit.wait(again) == TickVerdict([0], [])
    assert kit.received() == kit.accounted() == 3001


def test_what_the_journal_took_of_a_refused_body_is_not_taken_again() -> None:
    """The event still found room, the point did not: the body is refused, and when it is sent again
    the event is known."""
    kit = Kit(budget=4000)
    while kit.journal.size + 500 < kit.journal.budget:
        kit.wait(kit.intake.ticks("main", [view("filler")], [], [], "http"))

    point = counter("hits", 1, "point", pad="x" * 500)

    def both() -> TickVerdict:
        waited = kit.intake.ticks("main", [view("a", "event")], [point], [], "http")
        verdict = kit.wait(waited)
        assert isinstance(verdict, TickVerdict)
        return verdict

    with pytest.raises(JournalUnavailable):
        both()
    assert kit.received() == kit.accounted()
    kit.consumer.start()
    kit.settle()
    assert both() == TickVerdict([0], [])
    assert items(kit).count("a") == 1
    assert kit.received() == kit.accounted()
