from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.limits import EARLIEST_MS, LATEST_MS
from metronome.wire.times import client_time, duration, reading_time

NOW = 1_421_928_000_000  # 2015-01-22T12:00:00Z
HOUR = 3_600_000
DAY = 24 * HOUR

CLIENT = [
    (1421928000, NOW),
    (1421928000.25, NOW + 250),
    ("1421928000", NOW),
    (" 1421928000.5 ", NOW + 500),
    (1421928000123, NOW + 123),
    ("1421928000123", NOW + 123),
    (0, 0),
    ("2015-01-22T12:00:00Z", NOW),
    ("2015-01-22t12:00:00z", NOW),
    ("2015-01-22T12:00:00", NOW),
    ("2015-01-22 12:00:00 +0000", NOW),
    ("2015-01-22T14:00:00+02:00", NOW),
    ("2015-01-22T07:00-05:00", NOW),
    ("2015-01-22T12:00:00.123456Z", NOW + 123),
    ("2015-01-22T12:00:00,5Z", NOW + 500),
    ("2015-01-22", NOW - 12 * HOUR),
    ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    (-1, None),
    (1e300, None),
    (float("nan"), None),
    (float("inf"), None),
    (True, None),
    (None, None),
    ("", None),
    ("lunch", None),
    ("2015-02-30", None),
    ("2015-01-22T25:00:00Z", None),
    ("2015-01-22T12:00:00+99:00", None),
    ("0001-01-01T00:00:00+10:00", None),
    ("1_000", None),
    ("١٢٣", None),
    ({}, None),
]


@pytest.mark.parametrize(("value", "expected"), CLIENT)
def test_client_times(value: object, expected: int | None) -> None:
    """Seconds, milliseconds and RFC 3339 are understood; anything else is no time."""
    assert client_time(value) == expected


@given(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.booleans(), st.none()))
def test_any_client_time_is_kept_or_none(value: object) -> None:
    """Whatever is sent, the answer is None or a time that is kept."""
    time = client_time(value)
    assert time is None or EARLIEST_MS <= time <= LATEST_MS


READING = [
    ("1421928000", NOW),
    ("1421928000.5", NOW + 500),
    ("1421928000123", NOW + 123),
    ("2015-01-22T12:00:00Z", NOW),
    ("20150110", 1_420_848_000_000),
    ("now", NOW),
    ("-1h", NOW - HOUR),
    ("now-1h", NOW - HOUR),
    ("-1d12h", NOW - DAY - 12 * HOUR),
    ("-90min", NOW - 90 * 60_000),
    ("-90m", NOW - 90 * 60_000),
    ("-1mon", NOW - 30 * DAY),
    ("-2weeks", NOW - 14 * DAY),
    ("-1year", NOW - 365 * DAY),
    ("+30s", NOW + 30_000),
    ("today", NOW - 12 * HOUR),
    ("yesterday", NOW - 36 * HOUR),
    ("tomorrow+3h", NOW + 15 * HOUR),
    ("midnight", NOW - 12 * HOUR),
    ("midnight_tomorrow+3h", NOW + 15 * HOUR),
    ("noon", NOW),
    ("noon yesterday", NOW - DAY),
    ("12:00_20150122", NOW),
    ("8:50", NOW - 190 * 60_000),
]


@pytest.mark.parametrize(("text", "expected"), READING)
def test_reading_times(text: str, expected: int) -> None:
    """Readers may use epoch seconds, RFC 3339 and the everyday part of Graphite's grammar."""
    assert reading_time(text, NOW) == expected


def test_a_readers_zone_says_where_the_day_begins() -> None:
    """Days, clock times and times without an offset are in the reader's zone."""
    zone = ZoneInfo("America/Los_Angeles")  # eight hours behind UTC in January
    assert reading_time("today", NOW, zone) == NOW - 4 * HOUR
    assert reading_time("20150110", NOW, zone) == 1_420_848_000_000 + 8 * HOUR
    assert reading_time("2015-01-22T04:00:00", NOW, zone) == NOW
    assert reading_time("2015-01-22T12:00:00Z", NOW, zone) == NOW


@pytest.mark.parametrize(
    "text", ["", "-", "random", "-1lightyear", "now+", "25:00", "20151301", "-h", "1e400", "-99999999d"]
)
def test_unusable_reading_times(text: str) -> None:
    """What is no time is refused with a sentence that says what would be."""
    with pytest.raises(ValueError, match="RFC 3339"):
        reading_time(text, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30d", 30 * 86400), ("1h30min", 5400), ("10s", 10), ("5m", 300)]
)
def test_durations(text: str, seconds: int) -> None:
    """A length of time is seconds or numbers with units."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "d", "5x", "0s", "1.5h"])
def test_unusable_durations(text: str) -> None:
    """Nothing, zero and unknown units are no length of time."""
    with pytest.raises(ValueError, match="length of time"):
        duration(text)
