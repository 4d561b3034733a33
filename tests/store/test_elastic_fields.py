"""Fields are bounded, and say when they are not exactly what a label is."""

from __future__ import annotations

import pytest

from metronome.limits import ELASTIC_LABELS, ELASTIC_NUMBERS
from metronome.store.elastic_fields import Fields, field_name, fields_of


@pytest.mark.parametrize(
    ("label", "field"),
    [("status", "status"), ("http.method", "http_method"), ("", "_"), ("..", "__"), ("ü b*c", "ü_b_c")],
)
def test_field_names(label: str, field: str) -> None:
    """A dot would make an object, and some characters are none of a field's."""
    assert field_name(label) == field
    assert len(field_name("x" * 1000)) == 100


def test_the_label_of_that_name_has_the_field() -> None:
    """Others that would have the same have none."""
    assert fields_of(["a.b", "a_b", "c"]) == {"a_b": "a_b", "c": "c"}
    assert fields_of(["a.b", "a*b"]) == {"a.b": "a_b"}


def test_a_field_that_is_not_exact_is_told() -> None:
    """No field yet, or another label's value in it."""
    fields = Fields(["status", "a_b"])
    assert fields.unindexed(["status"]) == []
    assert fields.unindexed(["status", "host"]) == ["host"]
    assert fields.unindexed(["a.b"]) == ["a.b", "a_b"]
    assert fields.unindexed(["a.b", "a_b"]) == ["a.b"]


def test_there_are_no_more_fields_than_may_be() -> None:
    """The first names have one; of a hostile writer's million the rest has none."""
    fields = Fields(["old"])
    more = fields.wanted(["host", "old"], ["ms"])
    assert more == {
        "properties": {
            "labels": {"properties": {"host": {"type": "keyword", "ignore_above": 8191}}},
            "fields": {"properties": {"ms": {"type": "double"}}},
        }
    }
    assert fields.wanted(["host"], ["ms"]) == {}
    fields.wanted([f"l{number}" for number in range(10_000)], [f"n{number}" for number in range(10_000)])
    assert (len(fields.labels), len(fields.numbers)) == (ELASTIC_LABELS, ELASTIC_NUMBERS)
    assert fields.wanted(["another"], []) == {}
    assert Fields().full().wanted(["another"], []) == {}


def test_fields_are_read_from_a_mapping() -> None:
    """Where there are none there are none."""
    mapping = {"properties": {"labels": {"properties": {"a": {}}}, "n": {"type": "double"}}}
    assert Fields.of_mapping(mapping).labels == {"a"}
    assert Fields.of_mapping(mapping).numbers == set()
    assert Fields.of_mapping({}).labels == set()
