"""What readers leave out while parts are merged."""

from __future__ import annotations

from typing import Any

from metronome.store.elastic_ladder_state import hidden, ladder_id, sources
from tests.store.cluster import matches

ACTIVE: dict[str, Any] = {
    "merge": 7,
    "phase": "making",
    "step": 60,
    "start": 0,
    "end": 60_000,
    "series": ["cx"],
    "places": {"g": 100},
}
RAW = {"@timestamp": "1970-01-01T00:00:05.000Z", "series": "cx", "gateway": "g", "position": 99}


def left_out(source: dict[str, Any], **state: Any) -> bool:
    return any(matches(source, clause, {}) for clause in hidden({"state": state}))


def test_nothing_is_hidden_while_nothing_happens() -> None:
    """No document, no round."""
    assert hidden({}) == hidden({"state": {"rounds": 7, "active": None}}) == []
    assert ladder_id("main") == "ladder.main"


def test_what_is_being_made_does_not_count_yet() -> None:
    """Its sources do."""
    merged = {**RAW, "merge": 7, "step": 60}
    assert left_out(merged, active=ACTIVE)
    assert not left_out(RAW, active=ACTIVE)
    assert not left_out({**merged, "merge": 6}, active=ACTIVE)


def test_what_was_merged_does_not_count_any_more() -> None:
    """From one change of a document on; what came later, or is something else, does count."""
    active = {**ACTIVE, "phase": "deleting"}
    assert left_out(RAW, active=active)
    assert left_out({**RAW, "merge": 3, "step": 10}, active=active)
    for other in (
        {"merge": 7, "step": 60},
        {"position": 100},
        {"gateway": "h"},
        {"series": "cy"},
        {"@timestamp": "1970-01-01T00:01:00.000Z"},
        {"merge": 2, "step": 600},
    ):
        assert not left_out({**RAW, **other}, active=active)
    assert matches(RAW, sources(active), {})


def test_rounds_that_were_given_up_never_count() -> None:
    """Whatever turns up of them."""
    assert left_out({**RAW, "merge": 4}, ended=[4], active=ACTIVE)
    assert not left_out({**RAW, "merge": 5}, ended=[4])
