"""The owner's books by day."""

from __future__ import annotations

from metronome.gateway.books import Books
from metronome.kernel.interface import Dialect
from tests.gateway.kit import PERIOD, Kit, view

DAY = "2023-11-14"


def test_the_books_are_the_same_before_and_after_the_store_has_them() -> None:
    """Counted, journalled or stored: the report says the same, and each day adds up."""
    kit = Kit()
    books = Books(kit.ledger, kit.store, kit.reader, kit.clock.seconds)
    kit.flusher.start()
    kit.intake.inlet("udp", "main", Dialect()).statsd(b"a:1|c\nb:x|c", "10.0.0.1")
    kit.wait(kit.intake.ticks("main", [view("a", "id"), view("a", "id")], [], [], "http"))
    first = kit.wait(books.report("main"))
    (day,) = first["days"]
    assert day["day"] == DAY
    assert (day["received"], day["waiting"], day["stored"]) == (4, 2, 0)
    assert day["rejected"] == {"bad_value": 1}
    assert day["filtered"] == {"duplicate": 1}
    assert first["rejects"][0]["excerpt"] == "b:x|c"
    kit.clock.advance(PERIOD)
    kit.settle()
    (day,) = kit.wait(books.report("main"))["days"]
    assert (day["received"], day["rejected"], day["filtered"]) == (4, {"bad_value": 1}, {"duplicate": 1})
    kit.consumer.start()
    kit.settle()
    (day,) = kit.wait(books.report("main"))["days"]
    assert (day["received"], day["waiting"], day["stored"]) == (4, 0, 2)
    assert day["received"] == 2 + 1 + 1


def test_a_stream_that_got_nothing_has_no_days() -> None:
    """No input, no lines."""
    kit = Kit()
    books = Books(kit.ledger, kit.store, kit.reader, kit.clock.seconds)
    assert kit.wait(books.report("other")) == {
        "stream": "other",
        "days": [],
        "rejects": [],
        "unmapped": [],
    }
