"""What lines come in, and that a fault in it would be found."""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from metronome.wire.framing import Lines, Taken
from tests.fuzz import envelopes
from tests.kernel.conftest import twin


def test_nothing_costs_anything_else() -> None:
    """Some rounds of all of it."""
    for seed in range(60):
        assert envelopes.trouble(twin("native"), twin("pure"), seed, 120) == ""


class Minding(Lines):
    """Ends a line with each chunk."""

    def feed(self, chunk: bytes) -> Taken:
        return Taken(chunk + b"\n")


def test_a_framing_that_minds_cuts_is_caught() -> None:
    """What it was sent is told."""
    with pytest.raises(AssertionError, match="cut otherwise, b'a:1"):
        envelopes.cut(Minding, b"a:1|c\nb:2|c\nc:3|c\n", random.Random(1))


def test_twins_that_differ_are_caught() -> None:
    """With the seed and what they differ in."""
    liar = ModuleType("liar")
    liar.Table = lambda series_limit: twin("pure").Table(series_limit=1)  # type: ignore[attr-defined]
    assert envelopes.trouble(liar, twin("pure"), 3, 120).startswith("seed 3: ")
