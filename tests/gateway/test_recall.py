"""A run knows the deduplication ids of the runs before it."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred

from metronome.gateway.intake import TickVerdict
from metronome.gateway.recall import recall
from metronome.limits import DUPLICATE_IDS, DUPLICATE_PAGE, DUPLICATE_WINDOW
from metronome.store.memory import MemoryStore
from tests.gateway.kit import START, Kit, counter, view


def recalled(kit: Kit) -> Kit:
    """The next run after a crash of this one."""
    kit.disk.crash(Random(1))
    again = Kit(kit.disk, kit.store, now=kit.clock.seconds())
    again.wait(recall(again.duplicates, again.store, again.reader, int(again.clock.seconds() * 1000)))
    return again


def test_ids_that_wait_in_the_journal_are_known() -> None:
    """An event's and a point's id are known though no store ever had them."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a", "one")], [counter("hits", 1, "two")], [], "http"))
    again = recalled(kit)
    repeat = again.intake.ticks("main", [view("a", "one")], [counter("hits", 1, "two")], [], "http")
    assert again.wait(repeat) == TickVerdict([0], [0])


def test_ids_that_the_store_has_are_known() -> None:
    """Also when the journal has none of them any more."""
    kit = Kit()
    kit.consumer.start()
    kit.wait(kit.intake.ticks("main", [view("a", "one")], [counter("hits", 1, "two")], [], "http"))
    kit.settle()
    again = recalled(kit)
    repeat = again.intake.ticks("main", [view("a", "one")], [counter("hits", 1, "two")], [], "http")
    assert again.wait(repeat) == TickVerdict([0], [0])


def test_what_is_older_than_the_window_is_not() -> None:
    """An id may come again after 24 hours, over a restart as well."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a", "one", int(START * 1000))], [], [], "http"))
    kit.clock.advance(DUPLICATE_WINDOW + 3600)
    again = recalled(kit)
    fresh = again.intake.ticks("main", [view("a", "one")], [], [], "http")
    assert again.wait(fresh) == TickVerdict([], [])


class Paged(MemoryStore):
    """Gives two ids at a time, and remembers how often it was asked."""

    asked = 0

    def recent_ids(
        self, since: int, before: tuple[int, str] | None = None, most: int = DUPLICATE_PAGE
    ) -> Deferred[list[tuple[int, str]]]:
        self.asked += 1
        return super().recent_ids(since, before, 2)


def test_the_store_is_asked_for_pages_and_not_for_ever() -> None:
    """Every id of some pages is known; when memory is full the store is asked no more."""
    kit = Kit(store=Paged())
    kit.consumer.start()
    views = [view("a", f"id {number}") for number in range(50)]
    kit.wait(kit.intake.ticks("main", views[:7], [], [], "http"))
    kit.settle()
    again = recalled(kit)
    verdict = again.wait(again.intake.ticks("main", views[:8], [], [], "http"))
    assert verdict == TickVerdict(list(range(7)), [])
    kit.wait(kit.intake.ticks("main", views, [], [], "http"))
    kit.settle()
    assert isinstance(kit.store, Paged)
    kit.store.asked = 0
    recalled(kit)
    assert kit.store.asked == DUPLICATE_IDS // DUPLICATE_PAGE
