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

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.limits import LATEST_MS, POINTS_PER_PACK
from metronome.model import F64, I64, Ragged

_HEAD: Final = struct.Struct("<BBBBIqq")
_FIRST_AT: Final = 8
_AS_SENT: Final = 255
_MOST_PLACES: Final = 12
_LARGEST_WHOLE: Final = 2.0**51
_SECONDS, _EVEN = 1, 2


def pack(counts: npt.ArrayLike, times: npt.ArrayLike, values: npt.ArrayLike) -> Ragged:
    """Pack points: for each row the next so many, ascending in time; a row of none gets no pack.

    ``ValueError`` where the counts do not fit the others, or one is beyond ``POINTS_PER_PACK``.
    """
    sizes = np.asarray(counts, np.int64)
    moments, numbers = np.asarray(times, np.int64), np.asarray(values, np.float64)
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
    if len(counts) and (int(packs.ends[-1]) != len(packs.flat) or (packs.ends[1:] < packs.ends[:-1]).any()):
        raise ValueError("packs do not fit their ends")
    for row in range(len(counts)):
        data = packs.row(row).tobytes()
        if data:
            some_times, some_values = _unpacked(data, row)
            counts[row] = len(some_times)
            times.append(some_times)
            values.append(some_values)
    return counts, np.concatenate(times), np.concatenate(values)


def first_times(packs: Ragged) -> I64:
    """The time (ms) of the first point of each pack; 0 for empty rows."""
    ends = packs.ends.astype(np.int64)
    begins = np.concatenate((ends[:0], [0], ends[:-1]))[: len(ends)]
    times = np.zeros(len(ends), np.int64)
    rows = np.flatnonzero(ends > begins)
    places = begins[rows, np.newaxis] + np.arange(_FIRST_AT, _FIRST_AT + 8)
    times[rows] = packs.flat[places].view("<i8").reshape(-1)
    return times


def check_counts(counts: I64, times: int, values: int) -> None:
    """``ValueError`` unless so many times and values are what the counts say."""
    if len(counts) and not 0 <= int(counts.min()) <= int(counts.max()) <= POINTS_PER_PACK:
        raise ValueError(f"a pack has at most {POINTS_PER_PACK} points")
    if not int(counts.sum()) == times == values:
        raise ValueError(f"{times} times and {values} values for {int(counts.sum())} points")


def _packed(times: I64, values: F64) -> bytes:
    deltas = np.diff(times)
    unit = 1000 if not times[0] % 1000 and not (deltas % 1000).any() else 1
    even = len(deltas) > 0 and bool((deltas == deltas[0]).all())
    flags = (_SECONDS if unit == 1000 else 0) | (_EVEN if even else 0)
    time_width = _width(int(deltas.max(initial=0)) // unit)
    run = _run((deltas[:1] if even else deltas) // unit, time_width)
    places, wholes = _wholes(values)
    base, value_width, value_run = 0, 8, values.astype("<f8").tobytes()
    if places != _AS_SENT:
        base = int(wholes.min())
        value_width = _width(int(wholes.max()) - base)
        value_run = _run(wholes - base, value_width)
    head = _HEAD.pack(time_width, value_width, places, flags, len(times), int(times[0]), base)
    return head + run + value_run


def _unpacked(data: bytes, row: int) -> tuple[I64, F64]:
    flaw = ValueError(f"row {row} is no pack")
    if len(data) < _HEAD.size:
        raise flaw
    time_width, value_width, places, flags, count, first, base = _HEAD.unpack_from(data)
    even = flags & _EVEN
    sizes = ((1 if even else count - 1) * time_width, count * value_width)
    sound = (
        1 <= count <= POINTS_PER_PACK
        and (count > 1 or not even)
        and max(time_width, value_width) <= 8
        and flags <= _SECONDS | _EVEN
        and (places <= _MOST_PLACES or (places == _AS_SENT and value_width == 8 and not base))
        and _HEAD.size + sum(sizes) == len(data)
    )
    if not sound:
        raise flaw
    middle = _HEAD.size + sizes[0]
    deltas = _numbers(data[_HEAD.size : middle], time_width, 1 if even else count - 1).tolist()
    unit = 1000 if flags & _SECONDS else 1
    times = first + unit * np.cumsum([0, *(deltas * (count - 1) if even else deltas)], dtype=object)
    if not 0 <= first <= times[-1] <= LATEST_MS:
        raise flaw
    if places == _AS_SENT:
        return times.astype(np.int64), np.frombuffer(data, "<f8", count, middle).astype(np.float64)
    # As unsigned numbers, so that no sum is too large.
    whole = _numbers(data[middle:], value_width, count) + np.array([base], np.int64).view(np.uint64)
    return times.astype(np.int64), whole.view(np.int64).astype(np.float64) / 10.0**places


def _wholes(values: F64) -> tuple[int, I64]:
    """The places, and the whole numbers that the values are with them."""
    places = 0
    while True:
        wholes, good = _whole_with(values, places)
        if good.all():
            return places, wholes
        one = values[np.flatnonzero(~good)[0] :][:1]
        fewest = next((some for some in range(_MOST_PLACES + 1) if _whole_with(one, some)[1][0]), -1)
        if fewest <= places:
            return _AS_SENT, wholes
        places = fewest


def _whole_with(values: F64, places: int) -> tuple[I64, npt.NDArray[np.bool_]]:
    with np.errstate(over="ignore"):
        scaled = values * 10.0**places
    near = np.abs(scaled) <= _LARGEST_WHOLE
    rounded = np.rint(np.where(near, scaled, 0.0)) + 0.0  # whose sign is +, as that of 0 when it is read
    again: npt.NDArray[Any] = rounded / 10.0**places
    return rounded.astype(np.int64), near & (again.view(np.int64) == values.view(np.int64))


def _width(most: int) -> int:
    return (most.bit_length() + 7) // 8


def _run(numbers: I64, width: int) -> bytes:
    return numbers.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()


def _numbers(data: bytes, width: int, count: int) -> npt.NDArray[np.uint64]:
    wide = np.zeros((count, 8), np.uint8)
    if width:
        wide[:, :width] = np.frombuffer(data, np.uint8).reshape(count, width)
    return wide.view("<u8").reshape(-1).astype(np.uint64)
