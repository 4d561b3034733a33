"""What no store can take, and what the books say of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from metronome.model import Flushed, Record, Tally
from metronome.store.admission import flaw, stored_lines
from tests.store.build import counter, events, gauge, happened, parts

GOOD = counter("c", 1000, 1)
DAY = 86_400_000


@pytest.mark.parametrize(
    "content",
    [
        parts(GOOD),
        parts(),
        events(),
        events(happened(5, eid="x", labels={"a": "b"})),
        Flushed("main", 0, 10.0),
        [Tally("main", "2026-01-01", "", "shed", "", 1)],
    ],
)
def test_sound_records_have_no_flaw(content: Any) -> None:
    """Everything that the gateway writes is taken."""
    assert flaw(Record(0, content)) == ""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (parts(GOOD, GOOD._replace(time=-1)), "time"),
        (parts(GOOD._replace(time=253_402_300_799_001)), "time"),
        (parts(GOOD, GOOD._replace(key=b"c\xff\xfe", series_id=5)), "key"),
        (parts(GOOD._replace(key=b"xname")), "key"),
        (parts(GOOD._replace(key=b"cname\0label")), "key"),
        (events(happened(5), {"type": "view", "id": ""}), "time"),
        (events(happened(-5)), "time"),
        (events({"time": 5, "id": ""}), "type"),
        (events(happened(5, message=7)), "text"),
        (events(happened(5, labels={"a": "\ud800"})), "JSON"),
    ],
)
def test_flaws_are_told(content: Any, text: str) -> None:
    """A record with one bad row says why."""
    assert text in flaw(Record(0, content))


def test_known_keys_are_not_read_again() -> None:
    """Only the rows said to be new are looked at."""
    bad = parts(GOOD, GOOD._replace(key=b"\xff", series_id=5))
    assert flaw(Record(0, bad), [0]) == ""
    assert flaw(Record(0, bad), [1]) != ""


def test_the_books_count_samples_by_day() -> None:
    """Parts by the day of their period, events by the day of arrival, tallies as they are."""
    tally = Tally("main", "1970-01-01", "udp", "shed", "idle", 2)
    records = [
        Record(0, parts(counter("c", 0, 1, d=3), gauge("g", DAY - 1, 1), gauge("g", DAY, 1))),
        Record(1, events(happened(0, received=DAY), happened(DAY), stream="other")),
        Record(2, Flushed("main", 0, 10.0)),
        Record(3, [tally]),
    ]
    assert list(stored_lines(records)) == [
        Tally("main", "1970-01-01", "", "stored", "", 4),
        Tally("main", "1970-01-02", "", "stored", "", 1),
        Tally("other", "1970-01-02", "", "stored", "", 2),
        tally,
    ]
