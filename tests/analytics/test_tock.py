from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from metronome.analytics.tock import TockWish, midnight, tock
from metronome.fold.events import SLOT_MS

DAY = 86_400_000
NOON = 1_421_928_000_000  # 2015-01-22T12:00:00Z
BERLIN = ZoneInfo("Europe/Berlin")
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead


def wish(zone: tzinfo = UTC, limit: int = 50, other: bool = False, fill: bool = False) -> TockWish:
    return TockWish(zone=zone, limit=limit, other=other, fill=fill)


def slot(time: int) -> int:
    return time // SLOT_MS


def test_views_are_counted_by_date_newest_first() -> None:
    """Slots of one day add up; days without views are left out."""
    slots = {slot(NOON): 3, slot(NOON - SLOT_MS): 2, slot(NOON - 3 * DAY): 4}
    answer = tock(slots, {}, {}, (0, NOON), wish())
    assert list(answer.items()) == [
        ("views", {"2015-01-22": 5, "2015-01-19": 4}),
        ("downloads", {}),
        ("referers", {}),
    ]
    assert list(answer["views"]) == ["2015-01-22", "2015-01-19"]


@pytest.mark.parametrize(
    ("zone", "time", "date"),
    [
        (UTC, NOON + 12 * 3_600_000 - 1, "2015-01-22"),
        (BERLIN, NOON + 11 * 3_600_000 - 1, "2015-01-22"),
        (BERLIN, NOON + 11 * 3_600_000, "2015-01-23"),
        (KATHMANDU, NOON + 6 * 3_600_000 + 15 * 60_000 - 1, "2015-01-22"),
        (KATHMANDU, NOON + 6 * 3_600_000 + 15 * 60_000, "2015-01-23"),
        (ZoneInfo("America/Los_Angeles"), NOON - 4 * 3_600_000 - 1, "2015-01-21"),
        (KATHMANDU, 253_402_300_799_000, "9999-12-31"),
    ],
)
def test_the_day_is_that_of_the_zone(zone: tzinfo, time: int, date: str) -> None:
    """Every zone's midnight lies between two slots, also where it is 45 minutes off."""
    assert tock({slot(time): 1}, {}, {}, (0, NOON), wish(zone))["views"] == {date: 1}


def test_days_without_views_are_filled_when_asked_for() -> None:
    """Every date that the time touches is written, also over the change to summer time."""
    start = midnight(NOON, BERLIN)
    answer = tock({slot(NOON): 7}, {}, {}, (start, start + 3 * DAY), wish(BERLIN, fill=True))
    assert answer["views"] == {"2015-01-24": 0, "2015-01-23": 0, "2015-01-22": 7}
    spring = 1_427_500_800_000  # 2015-03-28T00:00:00Z; the clock goes forward on the 29th
    filled = tock({}, {}, {}, (spring, spring + 2 * DAY), wish(BERLIN, fill=True))["views"]
    assert list(filled) == ["2015-03-30", "2015-03-29", "2015-03-28"]
    assert tock({}, {}, {}, (start, start), wish(fill=True))["views"] == {}


def test_the_largest_come_first_and_the_rest_is_summed_up_when_asked_for() -> None:
    """Ties are in order of their names; ``_other`` is written only on request."""
    formats = {"kml": 4500, "csv": 120_000, "": 3, "shp": 450, "geo": 450}
    shown = tock({}, formats, {}, (0, 1), wish(limit=3))["downloads"]
    assert list(shown.items()) == [("csv", 120_000), ("kml", 4500), ("geo", 450)]
    more = tock({}, formats, {}, (0, 1), wish(limit=3, other=True))["downloads"]
    assert list(more.items())[3:] == [("_other", 453)]
    everything = tock({}, formats, {}, (0, 1), wish(other=True))["downloads"]
    assert everything == {"csv": 120_000, "kml": 4500, "geo": 450, "shp": 450, "unknown": 3}


def test_direct_traffic_has_no_referer() -> None:
    """The empty key, of views that came from nowhere, is not in the map."""
    assert tock({}, {}, {"": 10, "a.org/x": 2}, (0, 1), wish())["referers"] == {"a.org/x": 2}


def test_midnights() -> None:
    """When the zone's day began, or one some days from it, also across a change of clocks."""
    assert midnight(NOON, UTC) == NOON - 12 * 3_600_000
    assert midnight(NOON, BERLIN) == NOON - 13 * 3_600_000
    assert midnight(NOON, UTC, -29) == NOON - 12 * 3_600_000 - 29 * DAY
    summer = 1_427_616_000_000  # 2015-03-29T08:00:00Z, the day with 23 hours
    assert midnight(summer, BERLIN, 1) - midnight(summer, BERLIN) == 23 * 3_600_000
