"""Quantiles of the last while."""

from __future__ import annotations

import numpy as np

from metronome.fold.roster import Roster
from metronome.gateway.beside import SUMMARY, Manner
from metronome.gateway.shown import Board
from metronome.gateway.windows import Windows
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Columns


def test_a_window_holds_whole_steps() -> None:
    """Samples, weights and bins; each step goes when all of it is too old."""
    board = Board([])
    sheet = board.add(Roster(), "main", (Manner(SUMMARY, quantiles=(0.0, 0.5, 1.0), max_age=60.0, ages=3),))
    sheet.of_manner(np.zeros(0, np.int64), 0)
    table = Table(timer_samples=4)
    windows = Windows(sheet)

    def flush(lines: str, now: float) -> list[float]:
        table.feed_statsd(lines.encode(), Dialect())
        columns: Columns = table.flush(0, 10.0)
        if len(columns):
            numbers, _ = sheet.numbers(columns, now, now)
            sheet.of_manner(numbers, 0)
            columns.ids[:] = numbers
            windows.keep(columns, 0, now)
        for _ in windows.age(now):
            pass
        values, rows = sheet.beside(np.array([0]), 0)
        return np.round(values[rows[0], 1:]).tolist()

    assert flush("t:1|ms\nt:3|ms|@0.1", 100.0) == [1, 3, 3]
    assert flush("t:7:7:7:7:7:7:7:7:7:7:7:9|ms", 110.0) == [1, 7, 9]
    assert flush("t:20|ms", 120.0) == [1, 7, 20]
    assert flush("", 179.0) == [1, 7, 20]
    assert flush("", 180.0) == [20, 20, 20]
    assert str(flush("", 200.0)) == "[nan, nan, nan]"
    assert len(windows) == 1
