"""Tock: what happened to one item, as three maps (research/analytics.md section 8.2).

::

    {"views": {date: count}, "downloads": {format: count}, "referers": {host/path: count}}

Dates are those of the reader's zone, newest first; a day begins on a slot of a quarter of an
hour in every zone, so counts by slot give exact days.  Formats and referers come with the
largest count first, then by name; what is beyond the limit is summed up as ``_other`` where
that is asked for.  Views alone have referers here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, TypedDict

from metronome.fold.events import REST, SLOT_MS
from metronome.limits import LATEST_MS

VIEW: Final = "view"
DOWNLOAD: Final = "download"
UNKNOWN_FORMAT: Final = "unknown"
OTHER: Final = "_other"
_DAY_MS: Final = 86_400_000


class Tock(TypedDict):
    """The answer, in the order in which it is written."""

    views: dict[str, int]
    downloads: dict[str, int]
    referers: dict[str, int]


class TockWish(TypedDict):
    """How the answer is to be written."""

    zone: tzinfo
    limit: int
    other: bool
    """Sum up what is beyond the limit."""
    fill: bool
    """Write days without views as 0."""


def tock(
    slots: Mapping[int, int],
    formats: Mapping[str, int],
    referers: Mapping[str, int],
    span: tuple[int, int],
    wish: TockWish,
) -> Tock:
    """Write counts as a tock.

    ``slots`` counts views by ``time // SLOT_MS``, ``formats`` downloads, ``referers`` views;
    ``span`` is the time they were counted over (ms, the end not included).  What was summed up
    before (``fold.events.REST``) is beyond every limit.
    """
    known = {name or UNKNOWN_FORMAT: count for name, count in formats.items()}
    named = {name: count for name, count in referers.items() if name}
    return Tock(
        views=_views(slots, span, wish),
        downloads=_largest(known, wish),
        referers=_largest(named, wish),
    )


def midnight(time: int, zone: tzinfo, days: int = 0) -> int:
    """When the day of a time (ms) began in a zone, or one that many days from it (ms)."""
    day = _day(time, zone) + timedelta(days=days)
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _views(slots: Mapping[int, int], span: tuple[int, int], wish: TockWish) -> dict[str, int]:
    days: Counter[str] = Counter()
    for slot, count in slots.items():
        days[_date(slot * SLOT_MS, wish["zone"])] += count
    if wish["fill"]:
        for day in _dates(span, wish["zone"]):
            days.setdefault(day, 0)
    return {day: days[day] for day in sorted(days, reverse=True)}


def _date(time: int, zone: tzinfo) -> str:
    return _day(time, zone).isoformat()


def _day(time: int, zone: tzinfo) -> date:
    # The last day of the year 9999 has no place in zones east of Greenwich.
    return datetime.fromtimestamp(min(time, LATEST_MS - _DAY_MS) / 1000, zone).date()


def _dates(span: tuple[int, int], zone: tzinfo) -> Iterable[str]:
    start, end = span
    if end <= start:
        return []
    days = range(_day(start, zone).toordinal(), _day(end - 1, zone).toordinal() + 1)
    return [date.fromordinal(day).isoformat() for day in days]


def _largest(counts: Mapping[str, int], wish: TockWish) -> dict[str, int]:
    named = [item for item in counts.items() if item[0] != REST]
    ranked = sorted(named, key=lambda item: (-item[1], item[0]))
    shown = dict(ranked[: wish["limit"]])
    rest = sum(count for _, count in ranked[wish["limit"] :]) + counts.get(REST, 0)
    if wish["other"] and rest:
        shown[OTHER] = rest
    return shown
