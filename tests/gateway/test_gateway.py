"""What the web layer is given."""

from __future__ import annotations

from dataclasses import fields

from metronome.gateway.gateway import Gateway
from tests.web.kit import WebKit


def test_parts_are_as_written_unless_told_otherwise() -> None:
    """Without a retention that merges, every step may be asked for."""
    kit = WebKit()
    try:
        assert kit.gateway.resolution("main", 0) == 0
        assert {field.name for field in fields(Gateway)} >= {"intake", "reader", "streams", "books"}
    finally:
        kit.close()
