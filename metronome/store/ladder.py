"""Which parts are merged into which steps, and when: the rule that every store follows.

- Parts younger than an hour (``SETTLE_MS``) stay as they were written.
- Older ones are merged into the first rung's steps, so that many small parts of one series
  and step (several gateways, ticks, short flush intervals) become one row.
- Parts older than a rung's ``keep`` are merged into the next rung's steps; those older than
  the last rung's are deleted.

Merging goes by whole windows of ``WINDOW_STEPS`` steps, aligned to the epoch, so that a row
is not written again for every step that grows old.  What arrives late, for a window already
merged, is merged into it by the next round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from metronome.limits import DUPLICATE_WINDOW
from metronome.store.interface import Retention

SETTLE_MS: Final = 3_600_000
"""Late and concurrent parts of a step have usually come by then."""
WINDOW_STEPS: Final = 360
"""An hour of 10 s steps: rows enough to be worth a transaction, few enough for memory."""


class Merge(NamedTuple):
    """Parts before ``before`` (ms) go into steps of ``step`` seconds, in windows of
    ``window`` ms; ``before`` is a multiple of the window."""

    step: int
    before: int
    window: int


def merges(now: int, retention: Retention) -> Iterator[Merge]:
    """What is due at ``now`` (ms), the coarsest first, so that nothing is merged twice."""
    ages = [SETTLE_MS, *(rung.keep * 1000 for rung in retention.ladder[:-1])]
    for age, rung in reversed(list(zip(ages, retention.ladder, strict=True))):
        window = rung.step * 1000 * WINDOW_STEPS
        yield Merge(rung.step, (now - age) // window * window, window)


def resolution(now: int, retention: Retention, time: int) -> int:
    """The step (ms) into which parts of ``time`` may have been merged; 0 where none was yet."""
    return next((merge.step * 1000 for merge in merges(now, retention) if time < merge.before), 0)


def oldest_part(now: int, retention: Retention) -> int:
    """Parts before this time (ms) are deleted."""
    return now - retention.ladder[-1].keep * 1000


def oldest_event(now: int, retention: Retention) -> int:
    """Events before this time (ms) are deleted."""
    return now - retention.events * 1000


def oldest_id(now: int) -> int:
    """Deduplication ids received before this time (ms) are forgotten."""
    return now - DUPLICATE_WINDOW * 1000
