"""Events as documents and back."""

from __future__ import annotations

from typing import Any

import orjson

from metronome.fold.events import COUNT_FIELDS
from metronome.store.elastic_fields import Fields
from metronome.store.elastic_templates import schema_of
from metronome.store.elastic_ticks import event_document, event_of, id_document, names_of
from tests.store.build import happened


def made(event: Any) -> dict[str, Any]:
    doc = event_document("main", event, "g", 16, 2, Fields(["country"]))
    assert doc.id == "g.10.2"
    source: dict[str, Any] = orjson.loads(doc.source)
    return source


def test_an_event_is_a_document_in_logstashs_format() -> None:
    """Every field, and the whole event beside."""
    event = happened(
        1500,
        "download",
        "item",
        received=2500,
        eid="e",
        referer="site/page",
        format="csv",
        message="größer \0",
        labels={"country": "NZ", "a.b": "x", "": "y"},
        fields={"ms": 1.5, "b.c": 2},
    )
    source = made(event)
    assert orjson.loads(source.pop("event")) == event
    assert source == {
        "@timestamp": "1970-01-01T00:00:01.500Z",
        "@version": "1",
        "type": "download",
        "stream": "main",
        "id": "item",
        "format": "csv",
        "referer": "site/page",
        "message": "größer \0",
        "eid": "e",
        "received": "1970-01-01T00:00:02.500Z",
        "labels": {"country": "NZ", "a_b": "x", "_": "y"},
        "label_pairs": ["country=NZ", "a.b=x", "=y"],
        "labels_unindexed": ["a.b", "a_b", "", "_"],
        "fields": {"ms": 1.5, "b_c": 2.0},
        "gateway": "g",
        "position": 16,
        "row": 2,
    }


def test_what_is_empty_is_not_there() -> None:
    """So that it counts as what is missing; the event comes back as it was all the same."""
    event = happened(0, "view", "", referer="", format="", message="", labels={}, fields={})
    source = made(event)
    assert event_of(source) == event
    assert set(source) == {"@timestamp", "@version", "type", "stream", "gateway", "position", "row", "event"}


def test_every_field_that_is_counted_by_is_mapped() -> None:
    """What ``Store.count`` may ask for is a keyword of the template."""
    properties = schema_of("ticks")["mappings"]["properties"]
    for name in set(COUNT_FIELDS) - {"slot"}:
        assert properties[name]["type"] == "keyword"


def test_ids_have_documents_of_their_own() -> None:
    """With the time at which they came."""
    doc = id_document("main", "e", 5, "g", 16, 1)
    assert doc.id == "g.10.1"
    assert orjson.loads(doc.source) == {
        "@timestamp": "1970-01-01T00:00:00.005Z",
        "stream": "main",
        "eid": "e",
        "gateway": "g",
        "position": 16,
        "row": 1,
    }


def test_names_of_all_events() -> None:
    """Of labels and of numbers."""
    some = [happened(0, labels={"a": "b"}), happened(0, fields={"x": 1.0}), happened(0)]
    assert names_of(some) == ({"a"}, {"x"})
