"""Two hundred seeds, and every seed that once found a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.__main__ import run

REGRESSIONS = Path(__file__).parent / "regressions.txt"
"""One line each: the seed, and what it found."""


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_promises_hold_for_seeds(first: int) -> None:
    """Whatever a seed does to the gateway, its promises hold."""
    for seed in range(first, first + 20):
        run(seed)


def test_promises_hold_for_seeds_that_found_faults() -> None:
    """What was once mended stays mended."""
    for line in REGRESSIONS.read_text().splitlines():
        run(int(line.split()[0]))


def test_a_seed_is_one_exact_history() -> None:
    """The same seed tells the same story twice."""
    first, second = run(3, seconds=60), run(3, seconds=60)
    assert first.story == second.story
    assert first.ticks.views == second.ticks.views
    assert first.statsd.sent == second.statsd.sent
