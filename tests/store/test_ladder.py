"""When parts are merged and deleted."""

from __future__ import annotations

import pytest

from metronome.store.interface import Retention, Rung
from metronome.store.ladder import Merge, merges, oldest_event, oldest_id, oldest_part, resolution

HOUR = 3_600_000
DAY = 24 * HOUR
RETENTION = Retention((Rung(10, 86_400), Rung(60, 7 * 86_400)), events=3600)


@pytest.mark.parametrize(
    ("now", "fine", "coarse"),
    [
        (100 * DAY, 100 * DAY - HOUR, 99 * DAY),
        (100 * DAY + HOUR - 1, 100 * DAY - HOUR, 99 * DAY),
        (100 * DAY + HOUR, 100 * DAY, 99 * DAY),
        (100 * DAY + 7 * HOUR, 100 * DAY + 6 * HOUR, 99 * DAY + 6 * HOUR),
        (0, -HOUR, -DAY),
    ],
)
def test_merging_goes_by_whole_windows(now: int, fine: int, coarse: int) -> None:
    """A rung's turn comes when a window of 360 of its steps is old enough; the coarsest
    comes first."""
    assert list(merges(now, RETENTION)) == [Merge(60, coarse, 6 * HOUR), Merge(10, fine, HOUR)]


def test_one_rung_only_merges_within_itself() -> None:
    """A ladder of one rung has nothing to climb to."""
    assert list(merges(10 * DAY, Retention((Rung(1, 3600),)))) == [Merge(1, 10 * DAY - HOUR, 360_000)]


def test_keeping() -> None:
    """Parts live as long as the last rung, events as the stream says, ids a day."""
    assert oldest_part(100 * DAY, RETENTION) == 93 * DAY
    assert oldest_event(100 * DAY, RETENTION) == 100 * DAY - HOUR
    assert oldest_id(100 * DAY) == 99 * DAY


def test_the_resolution_of_a_time_is_that_of_its_rung() -> None:
    """Fresh parts are as written; older ones are at the step of the rung that they have reached."""
    now, retention = 100 * DAY, Retention()
    ages = {0: 0, 1_800_000: 0, 3 * 3_600_000: 10_000, 3 * DAY: 60_000, 40 * DAY: 600_000}
    assert {age: resolution(now, retention, now - age) for age in ages} == ages
