"""Times as people and programs write them.

*Clients* send epoch seconds, epoch milliseconds or RFC 3339.  A number from 10^11 on is
milliseconds: as seconds it would lie beyond the year 5000.

*Readers* give epoch seconds, RFC 3339 in their zone, or the everyday part of Graphite's
grammar: a reference (``now``, ``today``, ``yesterday``, ``tomorrow``, ``midnight``, ``noon``,
``HH:MM``, ``YYYYMMDD``, or a time of day before a day) and an offset (``-1h``, ``now-1d12h``).
A month is 30 days and a year 365, as in graphite-web.  Eight digits are a date, not
seconds, as there.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from metronome.kernel.number import read_number
from metronome.limits import EARLIEST_MS, LATEST_MS

MILLISECONDS_FROM: Final = 1e11
"""A client's number of this size or more counts milliseconds."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*([Zz]|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"(\d+)([a-z]+)", re.ASCII)
_CLOCK = re.compile(r"(noon|midnight|(\d{1,2}):(\d\d))(.*)", re.ASCII)
_DAYS = {"": 0, "today": 0, "yesterday": -1, "tomorrow": 1}
_UNITS = (
    ("min", 60),
    ("mon", 30 * 86400),
    ("s", 1),
    ("h", 3600),
    ("d", 86400),
    ("w", 7 * 86400),
    ("y", 365 * 86400),
)


def number(text: str) -> float | None:
    """Read a finite decimal number by the house's one grammar; None when it is none."""
    value = read_number(text.encode())
    return value if isinstance(value, float) else None


def client_time(value: object) -> int | None:
    """A time that a client sent, in ms; None when it is none or outside what is kept."""
    if isinstance(value, str):
        text = value.strip()
        seconds = number(text)
        if seconds is None:
            return _kept(_rfc3339(text, UTC))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    else:
        return None
    return _kept(_milliseconds(seconds))


def reading_time(text: str, now: int, zone: tzinfo = UTC) -> int:
    """A time that a reader gave, in ms.  ``ValueError`` says what would be right."""
    stripped = text.strip()
    if re.fullmatch(r"(19|20)\d{6}", stripped):
        found = _graphite(stripped, now, zone)
    elif (seconds := number(stripped)) is not None and not stripped.startswith(("+", "-")):
        found = _milliseconds(seconds)
    else:
        found = _rfc3339(stripped, zone)
        if found is None:
            found = _graphite(stripped, now, zone)
    kept = _kept(found)
    if kept is None:
        raise ValueError(f"{text!r} is not a time: use epoch seconds, RFC 3339, or now, today, -1h")
    return kept


def duration(text: str) -> int:
    """A length of time in seconds: ``90``, ``30d``, ``1h30min``.  ``ValueError`` otherwise."""
    stripped = text.strip().lower()
    seconds = int(stripped) if re.fullmatch(r"\d{1,12}", stripped, re.ASCII) else _offset(stripped)
    if not seconds:
        raise ValueError(f"{text!r} is not a length of time: use seconds, or 30s, 5min, 2h, 30d")
    return seconds


def _kept(milliseconds: int | None) -> int | None:
    if milliseconds is None or not EARLIEST_MS <= milliseconds <= LATEST_MS:
        return None
    return milliseconds


def _milliseconds(seconds: float) -> int | None:
    if not math.isfinite(seconds):
        return None
    return round(seconds if seconds >= MILLISECONDS_FROM else seconds * 1000)


def _rfc3339(text: str, zone: tzinfo) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    leap = second == 60  # RFC 3339 section 5.7: a leap second is the start of the next minute
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=zone)
        if match[8]:
            moment = moment.replace(tzinfo=_zone(match[8]))
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return None
    thousandths = int((match[7] or "")[:3].ljust(3, "0"))
    return (since // timedelta(seconds=1) + leap) * 1000 + thousandths


def _zone(text: str) -> tzinfo:
    if text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _graphite(text: str, now: int, zone: tzinfo) -> int | None:
    squeezed = re.sub(r"[_,\s]", "", text.lower())
    match = re.fullmatch(r"([^+-]*)(?:([+-])(.*))?", squeezed)
    if match is None or not squeezed:
        return None
    reference = _reference(match[1], now, zone)
    offset = _offset(match[3]) if match[2] else 0
    if reference is None or offset is None:
        return None
    return reference + (-offset if match[2] == "-" else offset) * 1000


def _reference(text: str, now: int, zone: tzinfo) -> int | None:
    if text in ("", "now"):
        return now
    hour, minute = 0, 0
    clock = _CLOCK.fullmatch(text)
    if clock:
        hour, minute = (12, 0) if clock[1] == "noon" else (int(clock[2] or 0), int(clock[3] or 0))
        text = clock[4]
    try:
        if re.fullmatch(r"\d{8}", text, re.ASCII):
            day = datetime.strptime(text, "%Y%m%d")
        elif text in _DAYS:
            day = datetime.fromtimestamp(now / 1000, zone) + timedelta(days=_DAYS[text])
        else:
            return None
        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _offset(text: str) -> int | None:
    """Seconds of ``1d12h``; None when it is not wholly numbers with units."""
    total, end = 0, 0
    for match in _OFFSET.finditer(text):
        size = _unit(match[2])
        if match.start() != end or size is None or len(match[1]) > 12:
            return None
        total += int(match[1]) * size
        end = match.end()
    return total if end == len(text) and text else None


def _unit(text: str) -> int | None:
    if text == "m":
        return 60
    return next((size for prefix, size in _UNITS if text.startswith(prefix)), None)
