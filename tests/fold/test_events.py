"""Selecting and counting events."""

from __future__ import annotations

import pytest

from metronome.fold.events import SLOT_MS, count, selected
from metronome.model import Event, EventSelection

VIEW: Event = {
    "time": SLOT_MS * 2 + 5,
    "type": "view",
    "id": "a/b",
    "referer": "x.org/y",
    "labels": {"os": "mac"},
}
LOAD: Event = {"time": SLOT_MS * 3, "type": "download", "id": "a/b", "format": "csv"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"start": VIEW["time"]}, True),
        ({"start": VIEW["time"] + 1}, False),
        ({"end": VIEW["time"]}, False),
        ({"types": ("view", "error")}, True),
        ({"types": ("error",)}, False),
        ({"item": "a/b"}, True),
        ({"item": "a"}, False),
        ({"where": (("os", "m*"),)}, True),
        ({"where": (("os", "win*"),)}, False),
        ({"where": (("browser", "*"),)}, False),
    ],
)
def test_selection(change: dict[str, object], expected: bool) -> None:
    """Each condition of a selection holds by itself."""
    selection = EventSelection("main")._replace(**change)
    assert selected(VIEW, selection) is expected


def test_counting_by_fields() -> None:
    """Events are counted by quarter of an hour and text fields; a missing field is empty."""
    counts = count([VIEW, VIEW, LOAD], ("slot", "type", "format", "referer"))
    assert counts == {(2, "view", "", "x.org/y"): 2, (3, "download", "csv", ""): 1}
    assert count([VIEW, LOAD], ("id",)) == {("a/b",): 2}
