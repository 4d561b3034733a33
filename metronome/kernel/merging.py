"""Merging what one table gave out into another: several tables fold as one.

*Counters* add up.  *Timers* add up; their samples count one by one towards ``timer_samples`` as if
they had come in here, bins stay bins.  *Sets* unite.  *Gauges*: a row with d = 1 is a value and
stands; one with d = 0 (a table with ``relative_gauges``) is a sum of changes to the value that this
table keeps, and its extremes are changes to that value too.  The order in which rows are merged is
the order in which their samples count as having come in.

*Points*: a counter's or gauge's row without a period has its own time and is kept as a point, or as
those in its pack.

*Late parts*: a counter's or gauge's row with a period and a time that is neither 0 nor the open
period's is a further part of its own period (``late.py``).

A row whose series finds no room goes where ``guard.py`` says; a point is refused then
(``too_many_series``), and so is a late part that is too late (``bad_time``): with all its samples, and the
series key as the excerpt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from metronome.kernel.cells import REGISTERS, Cell, GaugeCell, SetCell, TimerCell, within
from metronome.kernel.packs import spans, unpack
from metronome.model import KIND_CODES, Columns, Kind, Ragged

_KEY_BYTES = 65535
_GAUGE = KIND_CODES[Kind.GAUGE]


class Given(NamedTuple):
    """One row as plain values."""

    key: bytes
    kind: int
    time_ms: int
    number: int
    n: float
    d: float
    low: float
    high: float
    squares: float
    is_point: bool
    samples: list[float]
    weights: list[float]
    bins: list[int]
    bin_counts: list[float]
    hashes: list[int]
    registers: bytes
    points: list[tuple[int, float]]
    """Times and values of what is to be kept as points; of other rows what their pack has."""


def check(columns: Columns) -> None:
    """``ValueError`` unless each row has a series key, samples, registers in full or not at all, and its
    points where it has a pack.

    That the arrays fit each other is not looked at: whoever read them has (``wire/records.py``).
    """
    if not len(columns):
        return
    ends = columns.keys.ends.astype(np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    lengths = ends - starts
    if lengths.min() < 1 or lengths.max() > _KEY_BYTES:
        raise ValueError("a row has no series key")
    codes = np.frombuffer(KIND_CODES, np.uint8)
    if not np.isin(columns.keys.flat[starts], codes).all():
        raise ValueError("a series key has no kind")
    if not columns.counts.all():
        raise ValueError("a row has no samples")
    registers = np.diff(columns.registers.ends.astype(np.int64), prepend=0)
    if not np.isin(registers, (0, REGISTERS)).all():
        raise ValueError("a set has some of its registers only")
    if len(columns.packs.ends):
        packed = spans(columns.packs)[0]
        fits = (columns.keys.flat[starts] == _GAUGE) & (columns.periods == 0) & (columns.d == 1)
        if not ((packed == 0) | (fits & (packed == columns.counts))).all():
            raise ValueError("a pack has not the points of its row")


def given(columns: Columns) -> Iterator[Given]:
    """The rows of checked columns."""
    ragged = [_rows(getattr(columns, name), len(columns)) for name in Given._fields[10:15]]
    keys = [columns.key(row) for row in range(len(columns))]
    kinds = [KIND_CODES.index(key[0]) for key in keys]
    moments = [
        not period and kind in (Kind.COUNTER, Kind.GAUGE)
        for period, kind in zip(columns.periods.tolist(), kinds, strict=True)
    ]
    plain = [column.tolist() for column in (columns.times, columns.counts, columns.n, columns.d)]
    spread = [column.tolist() for column in (columns.low, columns.high, columns.squares)]
    registers = [columns.registers.row(row).tobytes() for row in range(len(columns))]
    points = [[(time, n)] for time, n in zip(plain[0], plain[2], strict=True)]
    counts, times, values = unpack(columns.packs)
    packed, ends = list(zip(times.tolist(), values.tolist(), strict=True)), np.cumsum(counts).tolist()
    for row in np.flatnonzero(counts).tolist():
        points[row] = packed[ends[row] - int(counts[row]) : ends[row]]
    rows = zip(keys, kinds, *plain, *spread, moments, *ragged, registers, points, strict=True)
    return map(Given._make, rows)


def _rows(ragged: Ragged, number: int) -> list[list[Any]]:
    return [ragged.row(row).tolist() for row in range(number)]


def merge(cell: Cell, row: Given, timer_samples: int, set_members: int) -> None:
    """Take a row that is no point into its series' cell."""
    if isinstance(cell, GaugeCell):
        _merge_gauge(cell, row)
    elif isinstance(cell, TimerCell):
        _merge_timer(cell, row, timer_samples)
    elif isinstance(cell, SetCell):
        _merge_set(cell, row, set_members)
    else:
        cell.n = within(cell.n + row.n)
        cell.d = within(cell.d + row.d)
    cell.count += row.number


def _merge_gauge(cell: GaugeCell, row: Given) -> None:
    cell.held = True
    if row.d:
        cell.begin(row.n)
        _widen(cell, row.low, row.high)
        cell.n = row.n
    else:
        _widen(cell, within(cell.n + row.low), within(cell.n + row.high))
        cell.n = within(cell.n + row.n)
        cell.change()


def _merge_timer(cell: TimerCell, row: Given, kept: int) -> None:
    for value, weight in zip(row.samples, row.weights or [1.0] * len(row.samples), strict=True):
        cell.keep(value, weight, kept)
    if row.bins:
        cell.to_bins()
    for index, weight in zip(row.bins, row.bin_counts, strict=True):
        cell.count_bin(index, weight)
    _widen(cell, row.low, row.high)
    cell.n = within(cell.n + row.n)
    cell.d = within(cell.d + row.d)
    cell.squares = within(cell.squares + row.squares)


def _merge_set(cell: SetCell, row: Given, kept: int) -> None:
    if row.registers:
        cell.to_registers()
        cell.registers = bytearray(map(max, cell.registers, row.registers))
    for hashed in row.hashes:
        cell.take(hashed, kept)
    cell.d = 1.0


def _widen(cell: Cell, low: float, high: float) -> None:
    """Move the extremes by a row's, before it is counted."""
    if not cell.count or low < cell.low:
        cell.low = low
    if not cell.count or high > cell.high:
        cell.high = high
