"""Deduplication ids: seen once, remembered for a day, bounded."""

from __future__ import annotations

from metronome.gateway.duplicates import Duplicates
from metronome.gateway.telemetry import Telemetry

HOUR = 3_600_000


def test_an_id_is_seen_the_second_time() -> None:
    """The first time an id is new, then it is known; streams do not share ids."""
    duplicates = Duplicates(Telemetry())
    assert not duplicates.seen("main", "a", 0)
    assert duplicates.seen("main", "a", 10)
    assert not duplicates.seen("other", "a", 10)


def test_a_stream_made_anew_knows_no_ids_of_the_old_one() -> None:
    """Ids are those of the stream that begins at one place in the journal."""
    born = {"shop": 7}
    duplicates = Duplicates(Telemetry(), born=lambda stream: born[stream])
    assert not duplicates.seen("shop", "a", 0)
    assert duplicates.seen("shop", "a", 1)
    born["shop"] = 9
    assert not duplicates.seen("shop", "a", 2)


def test_pages_that_come_newest_first_are_forgotten_oldest_first() -> None:
    """What a run remembers of former ones is bounded in the same order."""
    duplicates = Duplicates(Telemetry(), most=6)
    for page, eids in enumerate((("f", "e"), ("d", "c"), ("b", "a")), 1):
        for eid in eids:
            duplicates.learn("main", eid, 0, page)
    duplicates.seen("main", "new", 1)
    assert [duplicates.seen("main", eid, 2) for eid in ("new", "f", "e", "d", "c")] == [True] * 5
    assert not duplicates.seen("main", "a", 2)


def test_an_id_is_forgotten_after_the_window() -> None:
    """An id is known for at least 24 hours and not for ever."""
    duplicates = Duplicates(Telemetry())
    duplicates.seen("main", "a", 0)
    duplicates.seen("main", "other", 24 * HOUR - 1)
    assert duplicates.seen("main", "a", 24 * HOUR - 1)
    duplicates.seen("main", "other", 25 * HOUR)
    assert not duplicates.seen("main", "a", 25 * HOUR)


def test_a_refused_tick_may_come_again() -> None:
    """Forgetting an id makes it new."""
    duplicates = Duplicates(Telemetry())
    duplicates.seen("main", "a", 0)
    duplicates.forget("main", "a")
    duplicates.forget("main", "never seen")
    assert not duplicates.seen("main", "a", 1)


def test_too_many_ids_forget_the_oldest_and_count_it() -> None:
    """Over the bound the oldest go, and the self-metric says how many went."""
    telemetry = Telemetry()
    duplicates = Duplicates(telemetry, most=10)
    for index in range(6):
        duplicates.seen("main", f"old {index}", 0)
    for index in range(6):
        duplicates.seen("main", f"new {index}", HOUR)
    assert telemetry.value("metronome_duplicate_ids_forgotten_total") == 2
    assert telemetry.value("metronome_duplicate_ids") == 10
    assert duplicates.seen("main", "new 0", HOUR)
    assert not duplicates.seen("main", "old 0", HOUR)


def test_learning_twice_counts_once() -> None:
    """An id that both the store and the journal know is remembered once."""
    telemetry = Telemetry()
    duplicates = Duplicates(telemetry)
    duplicates.learn("main", "a", 0)
    duplicates.learn("main", "a", 5)
    assert telemetry.value("metronome_duplicate_ids") == 1
    assert duplicates.seen("main", "a", 10)


def test_a_flood_within_one_hour_is_bounded() -> None:
    """However many ids come in an hour, the newest are known and memory is not."""
    telemetry = Telemetry()
    duplicates = Duplicates(telemetry, most=160)
    for index in range(1000):
        assert not duplicates.seen("main", f"id {index}", 0)
    assert telemetry.value("metronome_duplicate_ids") <= 160
    forgotten = telemetry.value("metronome_duplicate_ids_forgotten_total")
    assert forgotten + telemetry.value("metronome_duplicate_ids") == 1000
    assert all(duplicates.seen("main", f"id {index}", 1) for index in range(860, 1000))
