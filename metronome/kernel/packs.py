"""Packs: points of one series in few bytes; the pure twin's.

Points come by the million, and what is kept of each is a time and a value, much like those before it.
So those that come together are packed where they leave the table, and stay so in the journal and
in the store.  A pack is a header and two runs of whole numbers, little-endian, of 0 to 8
bytes each::

    u8 width of a time | u8 width of a value | u8 places | u8 flags | u32 count | i64 first | i64 base
    times | values

*Times* ascend; of points with the same time the later one counts.  ``first`` is the first in ms. The run
has how far each of the others is from the one before it, in seconds where flag 1 is set.  With
flag 2 all are equally far apart, and the run has only one of them.

*Values.*  Most are decimals with few digits.  ``places`` is how many decimal places make all of them whole
numbers up to 2**51 that divide back into the same doubles; the run has how far each is above
``base``, the least of them.  Where there are none up to 12, ``places`` is 255, ``base`` 0, and the
run has the doubles as they are.

A pack has at most ``POINTS_PER_PACK`` points.  Those that leave the table have at least two, and span at
most ``PACK_SPAN_MS``; a row of columns with one point needs no pack.
"""

from __future__ import annotations

import math
import struct
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.limits import LATEST_MS, POINTS_PER_PACK
from metronome.model import F64, I64, Ragged

_HEAD: Final = struct.Struct("<BBBBIqq")
_AS_SENT: Final = 255
_MOST_PLACES: Final = 12
_LARGEST_WHOLE: Final = 2**51
_SECONDS, _EVEN = 1, 2


class _Head(NamedTuple):
    """What stands in front of a pack."""

    time_width: int
    value_width: int
    places: int
    flags: int
    points: int
    first: int
    base: int

    @property
    def unit(self) -> int:
        """What times are counted in, ms."""
        return 1000 if self.flags & _SECONDS else 1

    @property
    def steps(self) -> int:
        """How many of them the run of times has."""
        return 1 if self.flags & _EVEN else self.points - 1

    @property
    def middle(self) -> int:
        """Where the values begin."""
        return _HEAD.size + self.steps * self.time_width


def pack(counts: npt.ArrayLike, times: npt.ArrayLike, values: npt.ArrayLike) -> Ragged:
    """Pack points: for each row the next so many, ascending in time; a row of none gets no pack.

    ``ValueError`` where the counts do not fit the others, or one is beyond ``POINTS_PER_PACK``.
    """
    sizes = np.asarray(counts, np.int64)
    moments, numbers = np.asarray(times, np.int64).tolist(), np.asarray(values, np.float64).tolist()
    check_counts(sizes, len(moments), len(numbers))
    packed, begin = [], 0
    for size in sizes.tolist():
        end = begin + size
        packed.append(_packed(moments[begin:end], numbers[begin:end]) if size else b"")
        begin = end
    ends = np.cumsum([len(one) for one in packed], dtype=np.uint32)
    return Ragged(ends, np.frombuffer(b"".join(packed), np.uint8))


def unpack(packs: Ragged) -> tuple[I64, I64, F64]:
    """The points of packs: how many each has, and the times and values of all, one pack behind the other.

    Empty rows have none.  ``ValueError`` for what is no pack.
    """
    counts = np.zeros(len(packs.ends), np.int64)
    times, values = [np.empty(0, np.int64)], [np.empty(0)]
    for row, data in _given(packs):
        head = _head(data, row)
        _last(data, head, row)
        counts[row] = head.points
        times.append(np.array(_times(data, head), np.int64))
        values.append(_values(data, head))
    return counts, np.concatenate(times), np.concatenate(values)


def spans(packs: Ragged) -> tuple[I64, I64, I64]:
    """How many points each pack has, and the times (ms) of its first and its last; 0 for empty rows.

    Whatever this takes, :func:`unpack` takes.  ``ValueError`` for what is no pack.
    """
    found = np.zeros((3, len(packs.ends)), np.int64)
    for row, data in _given(packs):
        head = _head(data, row)
        found[:, row] = head.points, head.first, _last(data, head, row)
    return found[0], found[1], found[2]


def check_counts(counts: I64, times: int, values: int) -> None:
    """``ValueError`` unless so many times and values are what the counts say."""
    if len(counts) and not 0 <= int(counts.min()) <= int(counts.max()) <= POINTS_PER_PACK:
        raise ValueError(f"a pack has at most {POINTS_PER_PACK} points")
    if not int(counts.sum()) == times == values:
        raise ValueError(f"{times} times and {values} values for {int(counts.sum())} points")


def check_ends(ends: npt.NDArray[np.uint32], size: int) -> None:
    """``ValueError`` unless rows end one behind the other, and the last where the bytes do."""
    if len(ends) and (int(ends[-1]) != size or (ends[1:] < ends[:-1]).any()):
        raise ValueError("packs do not fit their ends")


# --- writing ---------------------------------------------------------------------------------


def _packed(times: list[int], values: list[float]) -> bytes:
    deltas = [later - earlier for earlier, later in pairwise(times)]
    unit = 1 if times[0] % 1000 or any(delta % 1000 for delta in deltas) else 1000
    even = len(deltas) > 0 and deltas.count(deltas[0]) == len(deltas)
    flags = (_SECONDS if unit == 1000 else 0) | (_EVEN if even else 0)
    time_width = _width(max(deltas, default=0) // unit)
    run = _run([delta // unit for delta in (deltas[:1] if even else deltas)], time_width)
    places, wholes = _wholes(values)
    base, value_width = 0, 8
    if places != _AS_SENT:
        base = min(wholes)
        value_width = _width(max(wholes) - base)
        value_run = _run([whole - base for whole in wholes], value_width)
    else:
        value_run = struct.pack(f"<{len(values)}d", *values)
    head = _HEAD.pack(time_width, value_width, places, flags, len(times), times[0], base)
    return head + run + value_run


def _wholes(values: list[float]) -> tuple[int, list[int]]:
    """The places, and the whole numbers that the values are with them."""
    places = 0
    while True:
        wholes = _wholes_with(values, places)
        if len(wholes) == len(values):
            return places, wholes
        one = values[len(wholes)]
        fewest = next((some for some in range(_MOST_PLACES + 1) if _wholes_with([one], some)), -1)
        if fewest <= places:
            return _AS_SENT, wholes
        places = fewest


def _wholes_with(values: list[float], places: int) -> list[int]:
    """Values as whole numbers with so many places, up to the first that is none.  A whole number has no
    sign where it is 0."""
    power = 10.0**places
    wholes = []
    for value in values:
        scaled = value * power
        if not -_LARGEST_WHOLE <= scaled <= _LARGEST_WHOLE:
            break
        whole = round(scaled)
        if whole / power != value or (not whole and math.copysign(1, value) < 0):
            break
        wholes.append(whole)
    return wholes


def _width(most: int) -> int:
    return (most.bit_length() + 7) // 8


def _run(numbers: list[int], width: int) -> bytes:
    return b"".join([number.to_bytes(width, "little") for number in numbers])


# --- reading ---------------------------------------------------------------------------------


def _given(packs: Ragged) -> list[tuple[int, bytes]]:
    """The rows that have a pack."""
    check_ends(packs.ends, len(packs.flat))
    data = packs.flat.tobytes()
    bounds = enumerate(pairwise([0, *packs.ends.tolist()]))
    return [(row, data[begin:end]) for row, (begin, end) in bounds if end > begin]


def _head(data: bytes, row: int) -> _Head:
    if len(data) >= _HEAD.size:
        head = _Head(*_HEAD.unpack_from(data))
        sound = (
            1 <= head.points <= POINTS_PER_PACK
            and (head.points > 1 or not head.flags & _EVEN)
            and head.time_width <= 8
            and head.value_width <= 8
            and head.flags <= _SECONDS | _EVEN
            and head.first >= 0
        )
        if head.places == _AS_SENT:
            sound = sound and head.value_width == 8 and not head.base
        else:
            sound = sound and head.places <= _MOST_PLACES
        if sound and head.middle + head.points * head.value_width == len(data):
            return head
    raise ValueError(f"row {row} is no pack")


def _steps(data: bytes, head: _Head) -> list[int]:
    """How far points are from those before them."""
    width, begin = head.time_width, _HEAD.size
    if not width:
        return [0] * head.steps
    return [int.from_bytes(data[at : at + width], "little") for at in range(begin, head.middle, width)]


def _last(data: bytes, head: _Head, row: int) -> int:
    steps = _steps(data, head)
    last = head.first + head.unit * (steps[0] * (head.points - 1) if head.flags & _EVEN else sum(steps))
    if last > LATEST_MS:
        raise ValueError(f"row {row} is no pack")
    return last


def _times(data: bytes, head: _Head) -> list[int]:
    steps = _steps(data, head)
    if head.flags & _EVEN:
        steps *= head.points - 1
    return list(accumulate([head.unit * step for step in steps], initial=head.first))


def _values(data: bytes, head: _Head) -> F64:
    if head.places == _AS_SENT:
        return np.frombuffer(data, "<f8", head.points, head.middle).astype(np.float64)
    # As unsigned numbers, so that no sum is too large.
    whole = _numbers(data[head.middle :], head.value_width, head.points)
    whole = whole + np.array([head.base], np.int64).view(np.uint64)
    return whole.view(np.int64).astype(np.float64) / 10.0**head.places


def _numbers(data: bytes, width: int, count: int) -> npt.NDArray[np.uint64]:
    wide = np.zeros((count, 8), np.uint8)
    if width:
        wide[:, :width] = np.frombuffer(data, np.uint8).reshape(count, width)
    return wide.view("<u8").reshape(-1).astype(np.uint64)
