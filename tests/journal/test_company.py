"""When a group waits for company."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from metronome.journal.company import Company


def after(took: float, count: int = 64) -> tuple[Clock, Company]:
    """A group of ``count`` has just returned, having taken so long."""
    clock = Clock()
    company = Company(clock)
    company.leaves(count)
    clock.advance(took)
    company.returns()
    return clock, company


def test_the_first_never_waits() -> None:
    """Nobody has been there before."""
    assert Company(Clock()).wait(1) == 0


@pytest.mark.parametrize(("took", "wait"), [(0.008, 0.002), (0.02, 0.005), (0.04, 0.01), (10.0, 0.01)])
def test_fewer_than_last_time_wait_a_quarter_of_it(took: float, wait: float) -> None:
    """A share of the last fsync, never more than GROUP_WAIT."""
    _, company = after(took)
    assert company.wait(20) == pytest.approx(wait)


def test_a_fast_disk_is_not_waited_for() -> None:
    """A wait of less than a millisecond is none."""
    _, company = after(0.0039)
    assert company.wait(1) == 0


def test_as_many_as_last_time_go_at_once() -> None:
    """A lone appender therefore never waits."""
    assert after(0.02)[1].wait(64) == 0
    assert after(0.02, count=1)[1].wait(1) == 0


def test_the_wait_counts_from_the_end_of_the_last_group() -> None:
    """Who comes later than that goes at once."""
    clock, company = after(0.02)
    clock.advance(0.003)
    assert company.wait(1) == pytest.approx(0.002)
    clock.advance(0.003)
    assert company.wait(1) == 0
