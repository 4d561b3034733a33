"""What one series holds in the period that is being folded, per kind; the pure twin's.

The arithmetic is written so that the native twin can do the very same in the same order:
sums take ``value / rate`` and ``1 / rate``, a product is made before it is divided, and a sum
that would overflow stays at the largest double, so that state never holds an infinity.

*Timers* keep every value (and weight) in order up to ``timer_samples``; the value after that
turns all of them into sketch bins, in that order, and bins it stays until the flush.

*Sets* keep the hash of every member up to ``set_members``; one more makes 4,096 HyperLogLog
registers of them: the register is the hash's top 12 bits, its rank 1 + the zeros that lead
the other 52 (at most 53).

*Counters* that are sent running totals (``C``) remember the last one.  In a series that takes what
finds no room (``guard.py``) totals of many meet, and add nothing.

*Sketch bins* (DDSketch, Masson, Rim and Lee, VLDB 2019; logarithmic mapping): bin = sign *
(ceil(ln|v| / ln gamma) + SKETCH_OFFSET); ``fold/sketch.py`` reads them.
"""

from __future__ import annotations

import math

from metronome.kernel.hash64 import hash64
from metronome.limits import (
    REGISTERS_POWER,
    SKETCH_ERROR,
    SKETCH_LARGEST,
    SKETCH_OFFSET,
    SKETCH_SMALLEST,
)

LARGEST = 1.7976931348623157e308
LN_GAMMA = math.log((1 + SKETCH_ERROR) / (1 - SKETCH_ERROR))
REGISTERS = 1 << REGISTERS_POWER


def within(value: float) -> float:
    """The value, or the largest double of its sign where it overflowed."""
    return value if -LARGEST <= value <= LARGEST else min(max(value, -LARGEST), LARGEST)


def sketch_bin(value: float) -> int:
    """The sketch bin of a value."""
    size = abs(value)
    if size < SKETCH_SMALLEST:
        return 0
    index = math.ceil(math.log(min(size, SKETCH_LARGEST)) / LN_GAMMA) + SKETCH_OFFSET
    return index if value > 0 else -index


def register_of(member: int) -> tuple[int, int]:
    """Which HyperLogLog register a member's hash falls into, and its rank there."""
    rest = member & ((1 << (64 - REGISTERS_POWER)) - 1)
    return member >> (64 - REGISTERS_POWER), 64 - REGISTERS_POWER - rest.bit_length() + 1


def estimate(registers: bytes | bytearray) -> float:
    """How many distinct members the registers saw (Flajolet et al. 2007, linear counting below 2.5 m)."""
    total = 0.0
    for rank in registers:
        total += 2.0**-rank
    raw = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / total
    empty = registers.count(0)
    return REGISTERS * math.log(REGISTERS / empty) if raw <= 2.5 * REGISTERS and empty else raw


class Cell:
    """A series: its key, and what its kind needs.  ``used`` is the flush it last got a sample in;
    ``other``: it takes what finds no room (``guard.py``)."""

    __slots__ = ("count", "d", "high", "id", "key", "kind", "last", "low", "n", "other", "squares", "used")

    def __init__(self, key: bytes, kind: int):
        self.key = key
        self.id = hash64(key)
        self.kind = kind
        self.used = 0
        self.other = False
        self.n = 0.0
        self.d = 0.0
        self.low = self.high = self.squares = 0.0
        self.count = 0
        self.last: float | None = None

    def add(self, value: float, rate: float) -> None:
        """Fold one sample of a counter."""
        self.n = within(self.n + value / rate)
        self.d = within(self.d + 1.0 / rate)
        self.count += 1

    def grow(self, value: float, rate: float) -> None:
        """Fold one running total of a counter."""
        total = value / rate
        if self.last is not None and not self.other:
            self.n = within(self.n + (total - self.last if total >= self.last else total))
        self.last = total
        self.d = within(self.d + 1.0 / rate)
        self.count += 1

    def seen(self, value: float) -> None:
        """Move low and high, before the sample is counted."""
        if not self.count or value < self.low:
            self.low = value
        if not self.count or value > self.high:
            self.high = value

    def reset(self) -> None:
        """Begin the next period."""
        self.n = self.d = self.low = self.high = self.squares = 0.0
        self.count = 0

    def empty(self) -> None:
        """Forget everything."""
        self.reset()
        self.n = 0.0
        self.last = None


class GaugeCell(Cell):
    """A gauge: ``n`` is its value, which outlives the period; ``held``: it has one."""

    __slots__ = ("held",)

    def __init__(self, key: bytes, kind: int):
        super().__init__(key, kind)
        self.held = False

    def set(self, value: float, delta: bool) -> None:
        """Fold one sample; a delta on a gauge without a value begins at 0."""
        if delta:
            self.n = within(self.n + value)
            self.change()
        else:
            self.begin(value)
            self.n = value
        self.held = True
        self.seen(self.n)
        self.count += 1

    def begin(self, value: float) -> None:
        """A value comes in."""
        self.d = 1.0

    def change(self) -> None:
        """A change of the value comes in."""
        self.d = 1.0

    def reset(self) -> None:
        """Begin the next period; the value stays."""
        self.d = self.low = self.high = 0.0
        self.count = 0

    def empty(self) -> None:
        """Forget the value too."""
        super().empty()
        self.held = False


class ChangesCell(GaugeCell):
    """A gauge of which only the period is known: ``n`` is its value where ``d`` is 1, and a sum of
    changes where ``d`` is 0, for a table that has the value (``merging.py``)."""

    __slots__ = ()

    def begin(self, value: float) -> None:
        """The first value: the extremes so far were those of changes."""
        if not self.d:
            self.low = self.high = value
        self.d = 1.0

    def change(self) -> None:
        """It stays what it is, a value or a sum of changes."""

    def reset(self) -> None:
        """Begin the next period, from nothing."""
        super().reset()
        self.n = 0.0


class TimerCell(Cell):
    """A timer: exact samples, or bins once there are too many."""

    __slots__ = ("bins", "samples", "weights")

    def __init__(self, key: bytes, kind: int):
        super().__init__(key, kind)
        self.samples: list[float] = []
        self.weights: list[float] = []
        self.bins: dict[int, float] = {}

    def time(self, value: float, rate: float, kept: int) -> None:
        """Fold one sample; ``kept`` is how many stay exact."""
        self.seen(value)
        self.add(value, rate)
        self.squares = within(self.squares + value * value / rate)
        self.keep(value, 1.0 / rate, kept)

    def keep(self, value: float, weight: float, kept: int) -> None:
        """Keep one value, exactly while there is room for it."""
        if not self.bins and len(self.samples) < kept:
            self.samples.append(value)
            self.weights.append(weight)
            return
        self.to_bins()
        self.count_bin(sketch_bin(value), weight)

    def to_bins(self) -> None:
        """Turn what samples there are into bins."""
        for value, weight in zip(self.samples, self.weights, strict=True):
            self.count_bin(sketch_bin(value), weight)
        self.samples.clear()
        self.weights.clear()

    def count_bin(self, index: int, weight: float) -> None:
        """Add to one bin."""
        self.bins[index] = within(self.bins.get(index, 0.0) + weight)

    def reset(self) -> None:
        """Begin the next period."""
        super().reset()
        self.samples, self.weights, self.bins = [], [], {}


class SetCell(Cell):
    """A set: the members' hashes, or registers once there are too many."""

    __slots__ = ("members", "registers")

    def __init__(self, key: bytes, kind: int):
        super().__init__(key, kind)
        self.members: set[int] = set()
        self.registers = bytearray()

    def join(self, member: bytes, kept: int) -> None:
        """Fold one member; ``kept`` is how many stay exact."""
        self.d = 1.0
        self.count += 1
        self.take(hash64(member), kept)

    def take(self, hashed: int, kept: int) -> None:
        """Take a member's hash in."""
        if self.registers:
            self._register(hashed)
            return
        self.members.add(hashed)
        if len(self.members) > kept:
            self.to_registers()

    def to_registers(self) -> None:
        """Turn what members there are into registers."""
        self.registers = self.registers or bytearray(REGISTERS)
        for each in self.members:
            self._register(each)
        self.members.clear()

    def _register(self, hashed: int) -> None:
        index, rank = register_of(hashed)
        self.registers[index] = max(self.registers[index], rank)

    def close(self) -> None:
        """Work out ``n``, the distinct count, before the flush."""
        self.n = estimate(self.registers) if self.registers else float(len(self.members))

    def reset(self) -> None:
        """Begin the next period."""
        super().reset()
        self.members, self.registers = set(), bytearray()


CELLS: tuple[type[Cell], ...] = (Cell, GaugeCell, TimerCell, SetCell)
"""The class for each :class:`~metronome.model.Kind`."""
RELATIVE_CELLS: tuple[type[Cell], ...] = (Cell, ChangesCell, TimerCell, SetCell)
"""The same for a table with ``relative_gauges``."""
