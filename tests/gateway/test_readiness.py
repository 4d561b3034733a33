"""A flag that is set by hand."""

from __future__ import annotations

from metronome.gateway.readiness import Readiness


def test_it_is_up_until_it_is_set_down() -> None:
    """Its word is what statsd's console says."""
    readiness = Readiness()
    assert (readiness.up, readiness.word) == (True, "up")
    readiness.up = False
    assert readiness.word == "down"
