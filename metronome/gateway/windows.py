"""Quantiles of what came in during the last while, for timers whose mapping rule wants that (``max_age``).

A window is some sketches one after the other (``age_buckets``); the newest takes what comes, and each
goes as a whole when all of it is too old.  So a quantile is of what came in during ``max_age`` seconds, and
up to one step more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from metronome.fold.sketch import Sketch, merge, quantile, sketch_of
from metronome.gateway.beside import Manner
from metronome.gateway.shown import NOBODY, Sheet
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import Columns


class _Step(NamedTuple):
    """What came in during one step."""

    begin: float
    sketch: Sketch
    low: float
    high: float


class _Window(NamedTuple):
    """Of one series, which its key and its beginning name: its number may become another's."""

    key: bytes
    born: int
    manner: int
    steps: list[_Step]


class Windows:
    """The windows of the series of one sheet."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._windows: dict[int, _Window] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def keep(self, columns: Columns, manner: int, now: float) -> None:
        """Take what a flush has brought; the ids of the rows are their numbers."""
        for row, number in enumerate(columns.ids.astype(np.int64).tolist()):
            window = self._windows.get(number)
            if window is None or not self._stands(number, window):
                key, born = self._sheet.roster.key(number), int(self._sheet.born[number])
                window = self._windows[number] = _Window(key, born, manner, [])
            _add(window.steps, columns, row, self._sheet.manners[manner], now)

    def age(self, now: float) -> Iterator[None]:
        """Let go of what is too old, and bring all quantiles up to date."""
        for place, (number, window) in enumerate(list(self._windows.items())):
            if not self._stands(number, window):
                del self._windows[number]
                continue
            manner = self._sheet.manners[window.manner]
            steps = window.steps
            while steps and steps[0].begin + manner.max_age / manner.ages <= now - manner.max_age:
                del steps[0]
            values, rows = self._sheet.beside(np.array([number]), window.manner)
            values[rows[0], 1:] = _quantiles(steps, manner)
            if place % METRICS_STEP_ROWS == METRICS_STEP_ROWS - 1:
                yield

    def _stands(self, number: int, window: _Window) -> bool:
        """Whether the series is still there, and shown so."""
        sheet = self._sheet
        return bool(
            sheet.state[number] != NOBODY
            and sheet.born[number] == window.born
            and sheet.roster.key(number) == window.key
            and sheet.manner(np.array([number]))[0] == window.manner
        )


def _add(steps: list[_Step], columns: Columns, row: int, manner: Manner, now: float) -> None:
    """Add a row to the newest step, or begin one."""
    weights = columns.weights.row(row).astype(np.float64) if len(columns.weights.ends) else None
    samples = sketch_of(columns.samples.row(row).astype(np.float64), weights)
    binned = columns.bins.row(row).astype(np.int16), columns.bin_counts.row(row).astype(np.float64)
    sketch, low, high = merge([samples, binned]), float(columns.low[row]), float(columns.high[row])
    if steps and now < steps[-1].begin + manner.max_age / manner.ages:
        last = steps.pop()
        sketch, low, high = merge([last.sketch, sketch]), min(low, last.low), max(high, last.high)
        now = last.begin
    steps.append(_Step(now, sketch, low, high))


def _quantiles(steps: list[_Step], manner: Manner) -> list[float]:
    if not steps:
        return [np.nan] * len(manner.quantiles)
    bins, counts = merge([step.sketch for step in steps])
    low, high = min(step.low for step in steps), max(step.high for step in steps)
    return [quantile(bins, counts, wanted, low, high) for wanted in manner.quantiles]
