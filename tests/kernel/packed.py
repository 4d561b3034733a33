"""Points for the twins to pack, and packs, good and spoilt, for them to read."""

from __future__ import annotations

import random
import struct
from types import ModuleType
from typing import Any

import numpy as np

from metronome.kernel import packs
from metronome.limits import LATEST_MS
from metronome.model import Ragged

Bunch = tuple[list[int], list[float]]
"""Times and values of one pack."""

PAST = (struct.pack("<BBBBIqq", 8, 0, 0, 0, 1, 1_000, 5),)
"""Packs that a twin once read wrongly: one point, and nothing as wide as times would be."""


def bunch(chance: random.Random) -> Bunch:
    """Some points as senders have them, and as nobody should."""
    size = chance.choice((0, 1, 2, 3, 7, 40))
    time = chance.choice((0, 1_700_000_000_000, 1_700_000_000_123, LATEST_MS - 10**6))
    unit = chance.choice((1, 1000, 10_000, 60_000, 10**9))
    steps = chance.choice(([1], [0], [1, 1, 1, 2], [0, 1, 300], [70_000]))
    times = []
    for _ in range(size):
        times.append(min(time, LATEST_MS))
        time += unit * chance.choice(steps)
    return times, [_value(chance, way) for way in [chance.randrange(9)] for _ in range(size)]


def _value(chance: random.Random, way: int) -> float:
    if chance.random() < 0.02:
        return chance.choice((-0.0, 0.0, 5e-324, 1.7e308, 0.1 + 0.2, 2.0**51, 2.0**51 + 1, -(2.0**53)))
    ways = (
        lambda: float(chance.randrange(1000)),
        lambda: chance.randrange(100_000) / 100,
        lambda: -chance.randrange(10**9) / 1000,
        lambda: chance.random(),
        lambda: 3.25,
        lambda: chance.randrange(10**12) / 10.0**12,
        lambda: chance.randrange(-(2**52), 2**52) / 10.0 ** chance.randrange(3),
        lambda: struct.unpack("<d", chance.randbytes(8))[0],
        lambda: chance.randrange(10) * 10.0 ** chance.randrange(-20, 20),
    )
    value = ways[way]()
    return value if np.isfinite(value) else 0.0


def columns(bunches: list[Bunch]) -> tuple[list[int], list[int], list[float]]:
    """Counts, times and values."""
    times = [time for bunch in bunches for time in bunch[0]]
    return [len(bunch[0]) for bunch in bunches], times, [value for bunch in bunches for value in bunch[1]]


def spoilt(packed: Ragged, chance: random.Random) -> Ragged:
    """Packs with a few bytes changed, or rows cut elsewhere."""
    flat, ends = packed.flat.copy(), packed.ends.copy()
    for _ in range(chance.randrange(4)):
        if len(flat):
            flat[chance.choice((chance.randrange(len(flat)), chance.randrange(min(24, len(flat)))))] = (
                chance.choice((0, 1, 2, 8, 9, 255, chance.randrange(256)))
            )
    if len(ends) and chance.random() < 0.3:
        ends[chance.randrange(len(ends))] = chance.randrange(len(flat) + 2)
    if chance.random() < 0.2:
        flat = flat[: chance.randrange(len(flat) + 1)]
    return Ragged(ends, flat)


def read(kernel: Any, packed: Ragged) -> Any:
    """What a twin makes of packs; ``spans`` and ``unpack`` have to be of one mind."""
    spans: object
    try:
        spans = [array.tolist() for array in kernel.spans(packed)]
    except ValueError as error:
        spans = str(error)
    try:
        counts, times, values = kernel.unpack(packed)
    except ValueError as error:
        return str(error) if str(error) == spans else f"unpack says {error}, spans {spans}"
    ends = zip(counts, np.cumsum(counts), strict=True)
    rows = [times[end - count : end].tolist() or [0] for count, end in ends]
    told = [counts.tolist(), [row[0] for row in rows], [row[-1] for row in rows]]
    if spans != told:
        return f"spans are {spans}, and points {told}"
    return [counts.tobytes(), times.tobytes(), values.tobytes()]


def difference(native: ModuleType, seed: int, points: int) -> str:
    """What the native twin makes else than the pure one of some points; empty where nothing."""
    chance = random.Random(seed)
    for data in PAST:
        past = Ragged(np.array([len(data)], np.uint32), np.frombuffer(data, np.uint8).copy())
        if read(packs, past) != read(native, past):
            return f"read otherwise: {data!r}"
    for _ in range(max(points // 30, 1)):
        given = columns([bunch(chance) for _ in range(chance.randrange(4))])
        one, other = (kernel.pack(*given) for kernel in (packs, native))
        if (one.ends.tolist(), one.flat.tobytes()) != (other.ends.tolist(), other.flat.tobytes()):
            return f"seed {seed}: packed otherwise\n{given}"
        whole = [np.array(given[0], np.int64), np.array(given[1], np.int64), np.array(given[2])]
        for packed in (one, spoilt(one, chance), spoilt(one, chance)):
            found = [read(kernel, packed) for kernel in (packs, native)]
            good = packed is not one or found[0] == [array.tobytes() for array in whole]
            if found[0] != found[1] or not good:
                return f"seed {seed}: read otherwise\n{packed}\npure:   {found[0]}\nnative: {found[1]}"
    return ""
