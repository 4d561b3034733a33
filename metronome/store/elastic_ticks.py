"""Events as documents, and documents as events; the fields stand in ``doc/elasticsearch.md``.

A document has an event twice: in fields, for searching and for Kibana, and as the JSON that it
was, so that it comes back exactly as it came whatever names and values its sender chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import numpy as np
import orjson

from metronome.fold.events import COUNT_FIELDS, SLOT_MS
from metronome.model import Event
from metronome.store.elastic_fields import Fields, field_name, fields_of
from metronome.store.elastic_names import id_prefix, pair
from metronome.store.elastic_points import Doc, moments

TEXTS: Final = tuple(name for name in COUNT_FIELDS if name not in ("slot", "type"))
"""Texts that have a field of their own.  An empty one has none, as if it were not there: that is
how events are counted."""
_MOST: Final = 1.7976931348623157e308
TIME_SLOT: Final = SLOT_MS


def event_document(stream: str, event: Event, gateway: str, position: int, row: int, fields: Fields) -> Doc:
    """An event as a document of an index with these fields."""
    source: dict[str, Any] = {
        "@timestamp": moment(event["time"]),
        "@version": "1",
        "type": event["type"],
        "stream": stream,
    }
    plain = cast(Mapping[str, Any], event)
    for name in TEXTS:
        text = plain.get(name, "")
        if text != "":
            source[name] = text if isinstance(text, str) else str(text)
    for name in ("message", "eid"):
        if plain.get(name):
            source[name] = plain[name]
    if "received" in event:
        source["received"] = moment(event["received"])
    labels = event.get("labels")
    if labels:
        source["labels"] = {field: labels[name] for name, field in fields_of(labels).items()}
        source["label_pairs"] = [pair(name, value) for name, value in labels.items()]
        if unindexed := fields.unindexed(labels):
            source["labels_unindexed"] = unindexed
    if numbers := event.get("fields"):
        source["fields"] = {
            field_name(name): min(max(float(value), -_MOST), _MOST)
            for name, value in numbers.items()
            if value == value  # no NaN
        }
    source.update(gateway=gateway, position=position, row=row)
    source["event"] = orjson.dumps(event).decode()
    return Doc(f"{id_prefix(gateway, position)}{row:x}", orjson.dumps(source).decode())


def id_document(stream: str, eid: str, received: int, gateway: str, position: int, row: int) -> Doc:
    """A deduplication id as a document of its own: it goes after a day, whatever it was sent with."""
    source = {
        "@timestamp": moment(received),
        "stream": stream,
        "eid": eid,
        "gateway": gateway,
        "position": position,
        "row": row,
    }
    return Doc(f"{id_prefix(gateway, position)}{row:x}", orjson.dumps(source).decode())


def moment(time: int) -> str:
    """A time (ms) as ISO 8601 in UTC."""
    return moments(np.array([time], np.int64))[0]


def event_of(source: Mapping[str, Any]) -> Event:
    """The event that a document was made of."""
    return cast(Event, orjson.loads(source["event"]))


def names_of(events: Iterable[Event]) -> tuple[set[str], set[str]]:
    """The names of labels and of numbers that events have."""
    labels: set[str] = set()
    numbers: set[str] = set()
    for event in events:
        labels |= event.get("labels", {}).keys()
        numbers |= event.get("fields", {}).keys()
    return labels, numbers
