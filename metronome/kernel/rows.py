"""Cells to columns: how the pure twin writes a flush.

*Points.*  Those of a gauge, with d = 1, become one row for each series, in the order in which the series
came, or several rows of at most ``POINTS_PER_PACK`` points and ``PACK_SPAN_MS``.  Such a row says how
many points it stands for, its time and n are those of the latest of them, of equally late ones the
last to come, and low and high their extremes; where there is more than one, all are in its pack
(``packs.py``), ascending in time, of equal times in the order in which they came.  Any other point
has a row of its own behind those.  Points are instants: the period of their rows is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.kernel.cells import Cell, GaugeCell, SetCell, TimerCell
from metronome.kernel.late import LatePart
from metronome.kernel.packs import pack
from metronome.limits import PACK_SPAN_MS, POINTS_PER_PACK
from metronome.model import Columns, Kind, Ragged

_TAKEN: Final = attrgetter("key", "id", "kind", "count", "n", "d")
_SPREAD: Final = frozenset((Kind.GAUGE, Kind.TIMER))
"""Kinds that have extremes of their own."""


class Point(NamedTuple):
    """A sample with its own time, waiting to be taken out."""

    cell: Cell
    time_ms: int
    n: float
    d: float


def ragged(rows: Sequence[Sequence[Any] | bytes | bytearray], dtype: str) -> Ragged:
    """Rows as one array; without ends where no row has anything."""
    if not any(rows):
        return Ragged(np.empty(0, np.uint32), np.empty(0, dtype))
    ends = np.cumsum([len(row) for row in rows], dtype=np.uint32)
    if dtype == "u1":
        return Ragged(ends, np.frombuffer(b"".join(map(bytes, rows)), np.uint8))
    return Ragged(ends, np.array([value for row in rows for value in row], dtype))


def columns_of_cells(cells: list[Cell], start_ms: int, period: float) -> Columns:
    """One row for each cell, in their order.

    Cells lie all over memory, so what all of them have is taken in one go; what only some kinds have
    is looked for where there are such.
    """
    taken = list(zip(*map(_TAKEN, cells), strict=True)) or [()] * 6
    keys, ids, kinds, counts = taken[:4]
    number, present = len(cells), frozenset(kinds)
    n, d = _floats(taken[4]), _floats(taken[5])
    low, high, squares = n, n, np.zeros(number)
    if not present.isdisjoint(_SPREAD):
        low = _floats([cell.low if cell.kind in _SPREAD else cell.n for cell in cells])
        high = _floats([cell.high if cell.kind in _SPREAD else cell.n for cell in cells])
        squares = _floats([cell.squares for cell in cells])
    timers = [cell if isinstance(cell, TimerCell) else None for cell in cells if Kind.TIMER in present]
    sets = [cell if isinstance(cell, SetCell) else None for cell in cells if Kind.SET in present]
    weights: list[list[float]] = [timer.weights if timer else [] for timer in timers]
    if all(weight == 1.0 for row in weights for weight in row):
        weights = []
    bins = [sorted(timer.bins.items()) if timer else [] for timer in timers]
    return Columns(
        keys=ragged(keys, "u1"),
        ids=np.array(ids, np.uint64),
        kinds=np.array(kinds, np.uint8),
        times=np.full(number, start_ms, np.int64),
        periods=np.full(number, period, np.float64),
        counts=np.array(counts, np.uint32),
        n=n,
        d=d,
        low=low,
        high=high,
        squares=squares,
        samples=ragged([timer.samples if timer else [] for timer in timers], "f8"),
        weights=ragged(weights, "f8"),
        bins=ragged([[index for index, _ in row] for row in bins], "i2"),
        bin_counts=ragged([[count for _, count in row] for row in bins], "f8"),
        hashes=ragged([sorted(each.members) if each else [] for each in sets], "u8"),
        registers=ragged([each.registers if each else b"" for each in sets], "u1"),
    )


def columns_of_values(values: list[tuple[Cell, float]]) -> Columns:
    """One row for each series with its value, and no sample."""
    columns = columns_of_points([Point(cell, 0, value, 1.0) for cell, value in values])
    return replace(columns, counts=np.zeros(len(columns), np.uint32))


def columns_of_points(points: list[Point], late: Sequence[LatePart] = (), period: float = 0.0) -> Columns:
    """A row for each series, or each point that is not to be packed.  Then one for each part of
    another period."""
    bunches = list(_bunches(points))
    latest = [bunch[-1] for bunch in bunches]
    values = [[point.n for point in bunch] for bunch in bunches]
    cells = [point.cell for point in latest] + [part.cell for part in late]
    none = np.empty(0, np.uint32)
    return Columns(
        keys=ragged([cell.key for cell in cells], "u1"),
        ids=np.array([cell.id for cell in cells], np.uint64),
        kinds=np.array([cell.kind for cell in cells], np.uint8),
        times=np.array([point.time_ms for point in latest] + [part.start_ms for part in late], np.int64),
        periods=_floats([0.0] * len(latest) + [period] * len(late)),
        counts=np.array([*map(len, bunches), *(part.count for part in late)], np.uint32),
        n=_floats([point.n for point in latest] + [part.n for part in late]),
        d=_floats([point.d for point in latest] + [part.d for part in late]),
        low=_floats([*map(min, values), *(part.low for part in late)]),
        high=_floats([*map(max, values), *(part.high for part in late)]),
        squares=np.zeros(len(cells)),
        samples=Ragged(none, np.empty(0)),
        weights=Ragged(none, np.empty(0)),
        bins=Ragged(none, np.empty(0, np.int16)),
        bin_counts=Ragged(none, np.empty(0)),
        hashes=Ragged(none, np.empty(0, np.uint64)),
        registers=Ragged(none, np.empty(0, np.uint8)),
        packs=_packs(bunches, len(late)),
    )


def _bunches(points: list[Point]) -> Iterator[list[Point]]:
    """The points of each row, ascending in time."""
    gauges: dict[bytes, list[Point]] = {}
    odd = []
    for point in points:
        if isinstance(point.cell, GaugeCell) and point.d == 1:
            gauges.setdefault(point.cell.key, []).append(point)
        else:
            odd.append([point])
    for bunch in gauges.values():
        bunch.sort(key=lambda point: point.time_ms)
        begin = 0
        while begin < len(bunch):
            end = min(begin + POINTS_PER_PACK, len(bunch))
            while bunch[end - 1].time_ms - bunch[begin].time_ms > PACK_SPAN_MS:
                end -= 1
            yield bunch[begin:end]
            begin = end
    yield from odd


def _packs(bunches: list[list[Point]], late: int) -> Ragged:
    several = [bunch if len(bunch) > 1 else [] for bunch in bunches]
    counts = [*map(len, several), *[0] * late]
    if not any(counts):
        return Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8))
    moments = [point.time_ms for bunch in several for point in bunch]
    return pack(counts, moments, [point.n for bunch in several for point in bunch])


def _floats(values: Iterable[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.fromiter(values, np.float64)
