"""Samples with a time of their own (``|T``): further parts of their periods; the pure twin's.

A counter's or gauge's sample belongs to the period in which its time lies: the table's ``period``
aligned to the epoch.  It is folded with the others of its series and period, and comes out as a
part of that period, in the order in which the parts began.  Of a gauge the value with the latest
time stands, of equal times the last to come.

Once the table knows which period is open, a time whose period began more than ``late`` before it,
or more than ``SAMPLE_FUTURE`` after it, is refused: ``bad_time``.  Beyond ``LATE_PARTS`` parts at
once further ones are shed.
"""

from __future__ import annotations

from metronome.kernel.cells import Cell, GaugeCell, within
from metronome.limits import LATE_PARTS, SAMPLE_FUTURE


class LatePart:
    """What one period other than the open one gets for one series."""

    __slots__ = ("cell", "count", "d", "high", "latest", "low", "n", "start_ms")

    def __init__(self, cell: Cell, start_ms: int):
        self.cell = cell
        self.start_ms = start_ms
        self.n = self.d = self.low = self.high = 0.0
        self.count = 0
        self.latest = 0

    def add(self, time_ms: int, n: float, d: float, low: float, high: float, count: int) -> None:
        """Fold samples of one time."""
        if isinstance(self.cell, GaugeCell):
            self.low = low if not self.count or low < self.low else self.low
            self.high = high if not self.count or high > self.high else self.high
            if not self.count or time_ms >= self.latest:
                self.n, self.latest = n, time_ms
            self.d = 1.0
        else:
            self.n = self.low = self.high = within(self.n + n)
            self.d = within(self.d + d)
            self.low = self.high = self.n
        self.count += count


class Late:
    """The parts of one table."""

    def __init__(self, period: float, late: float):
        self._period = max(round(period * 1000), 1)
        self._late = round(late * 1000)
        self._parts: dict[tuple[bytes, int], LatePart] = {}
        self.open_ms = 0
        """When the open period began; 0 while nobody has said."""
        self.samples = 0

    @property
    def period(self) -> float:
        """Length of the periods in seconds."""
        return self._period / 1000

    def is_timely(self, time: float) -> bool:
        """Whether a time (seconds) is near enough to the open period."""
        start = self._start(round(time * 1000))
        least, most = self.open_ms - self._late, self.open_ms + SAMPLE_FUTURE * 1000
        return not self.open_ms or least <= start <= most

    def _start(self, time_ms: int) -> int:
        return time_ms - time_ms % self._period

    def fold(self, cell: Cell, time_ms: int, n: float, d: float) -> int:
        """Fold one sample; 0 where there is no room."""
        return self.merge(cell, time_ms, n, d, n, n, 1)

    def merge(self, cell: Cell, time_ms: int, n: float, d: float, low: float, high: float, count: int) -> int:
        """Fold so many samples that were folded elsewhere; how many were taken in."""
        place = cell.key, self._start(time_ms)
        part = self._parts.get(place)
        if part is None:
            if len(self._parts) == LATE_PARTS:
                return 0
            part = self._parts[place] = LatePart(cell, place[1])
        part.add(time_ms, n, d, low, high, count)
        self.samples += count
        return count

    def waiting_keys(self) -> set[bytes]:
        """Keys of the series that have parts."""
        return {key for key, _ in self._parts}

    def take(self) -> list[LatePart]:
        """Take the parts out."""
        parts, self._parts = list(self._parts.values()), {}
        self.samples = 0
        return parts
