"""Records that no store can take, told before anything is written.

Such a record came through the journal's checksum, so it is not damage but a fault of ours or
of another version; it is diverted, and its neighbours are written.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import orjson

from metronome.fold.columns import expanded, first_times
from metronome.limits import EARLIEST_MS, LATEST_MS
from metronome.model import Columns, Event, Events, Flushed, Parts, Record, Tally, parse_key

_DAY_MS = 86_400_000
_TEXTS = ("type", "id", "eid", "referer", "format", "message")


def flaw(record: Record, new_rows: Iterable[int] | None = None) -> str:
    """Why a record cannot be taken; empty when it can.

    ``new_rows`` are the rows whose series keys have not been read before (default: one row
    of each series).
    """
    content = record.content
    if isinstance(content, Parts):
        return _flaw_of_columns(content.columns, new_rows)
    if isinstance(content, Events):
        return next((text for event in content.events if (text := _flaw_of_event(event))), "")
    return ""


def _flaw_of_columns(columns: Columns, new_rows: Iterable[int] | None) -> str:
    firsts, times = first_times(columns), columns.times
    if len(times) and not EARLIEST_MS <= int(firsts.min()) <= int(times.max()) <= LATEST_MS:
        return "a part has a time outside 1970 to 9999"
    if new_rows is None:
        new_rows = np.unique(columns.ids, return_index=True)[1].tolist()
    for row in new_rows:
        try:
            parse_key(columns.key(row))
        except ValueError as error:
            return f"a series key cannot be read: {error}"
    return ""


def _flaw_of_event(event: Event) -> str:
    if not isinstance(event.get("time"), int) or not EARLIEST_MS <= event["time"] <= LATEST_MS:
        return "an event has no time between 1970 and 9999"
    if "type" not in event or "id" not in event:
        return "an event has no type or no id"
    if not all(isinstance(event.get(name, ""), str) for name in _TEXTS):
        return "a text of an event is not text"
    try:
        orjson.dumps(event)
    except orjson.JSONEncodeError as error:
        return f"an event cannot be written as JSON: {error}"
    return ""


def stored_lines(stored: Iterable[Record]) -> Iterable[Tally]:
    """What records add to the books: their samples, points and events, by UTC day.

    A record does not say when or from where it came, so parts count for the day of their
    period, events for the day they were received, and the source is empty.
    """
    for record in stored:
        content = record.content
        if isinstance(content, Parts):
            columns = content.columns
            several = first_times(columns) // _DAY_MS != columns.times // _DAY_MS
            columns = expanded(columns, several) if several.any() else columns
            times, numbers = columns.times, columns.counts
        elif isinstance(content, Events):
            times = np.array([event.get("received", event["time"]) for event in content.events], np.int64)
            numbers = np.ones(len(times), np.uint32)
        elif isinstance(content, Flushed):
            continue
        else:
            yield from content
            continue
        days, place = np.unique(times // _DAY_MS, return_inverse=True)
        sums = np.bincount(place, weights=numbers, minlength=len(days))
        for day, number in zip(days.tolist(), sums.tolist(), strict=True):
            yield Tally(content.stream, day_text(day), "", "stored", "", int(number))


def day_text(day: int) -> str:
    """The UTC day of so many days since the epoch, as ``2026-11-22``."""
    return str(np.datetime64(day, "D"))
