"""Which events a selection takes, and how they are counted.

The one definition of both: stores that push the work down must give the same answer, and
the reader uses it for events that still wait in the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nsmallest
from typing import Final

from metronome.glob import matches
from metronome.model import Event, EventSelection

SLOT_MS = 900_000
"""Quarter of an hour: the day of every time zone begins on one."""

COUNT_FIELDS = ("slot", "type", "id", "format", "referer")
"""What events can be counted by: ``slot`` is ``time // SLOT_MS``; a field that an event
lacks counts as the empty string."""

REST: Final = "_other_"
"""Stands for the texts of the groups that are summed up."""


def selected(event: Event, selection: EventSelection) -> bool:
    """Whether a selection takes the event (the stream is the caller's business)."""
    if not selection.start <= event["time"] < selection.end:
        return False
    if selection.types and event["type"] not in selection.types:
        return False
    if selection.item is not None and event["id"] != selection.item:
        return False
    labels = event.get("labels", {})
    return all(name in labels and matches(glob, labels[name]) for name, glob in selection.where)


def count(events: Iterable[Event], by: tuple[str, ...]) -> Counter[tuple[str | int, ...]]:
    """Count events by the fields ``by`` (see ``COUNT_FIELDS``)."""
    return Counter(tuple(_field(event, name) for name in by) for event in events)


def bounded(
    counts: Mapping[tuple[str | int, ...], int], by: tuple[str, ...], most: int
) -> Counter[tuple[str | int, ...]]:
    """At most so many of the largest groups as they are, and the sums of the others.

    In what is summed up each text is ``REST``; a slot stays, and so does a field that is empty,
    because it says that there was none.  Of equal groups the first in order are kept.
    """
    if len(counts) <= most or not set(by) - {"slot"}:
        return Counter(counts)
    largest = nsmallest(most, counts.items(), key=lambda group: (-group[1], group[0]))
    kept = Counter(dict(largest))
    rest: Counter[tuple[str | int, ...]] = Counter()
    for group, number in counts.items():
        if group not in kept:
            rest[tuple(REST if isinstance(value, str) and value else value for value in group)] += number
    kept.update(rest)
    return kept


def _field(event: Event, name: str) -> str | int:
    if name == "slot":
        return event["time"] // SLOT_MS
    value = event.get(name, "")
    return value if isinstance(value, str) else str(value)
