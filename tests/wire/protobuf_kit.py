"""Protocol buffers, read back: plain nested values by field number."""

from __future__ import annotations

import struct
from typing import Any

Message = dict[int, list[Any]]
"""Field to its values: whole numbers, doubles (eight bytes) or bytes."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def read(data: bytes) -> Message:
    """A message's fields."""
    found: Message = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        field, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        else:
            assert kind == 2, f"wire type {kind}"
            size, at = varint(data, at)
            assert at + size <= len(data)
            value, at = data[at : at + size], at + size
        found.setdefault(field, []).append(value)
    return found


def unfolded(value: int) -> int:
    """A signed number that was folded (zigzag)."""
    return value >> 1 ^ -(value & 1)


def packed_signed(data: bytes) -> list[int]:
    """A packed field of signed numbers."""
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(unfolded(value))
    return found


def delimited(data: bytes) -> list[bytes]:
    """Messages behind their lengths."""
    found, at = [], 0
    while at < len(data):
        size, at = varint(data, at)
        assert at + size <= len(data)
        found.append(data[at : at + size])
        at += size
    return found


def labels(metric: Message, field: int = 1) -> dict[str, str]:
    """Of a metric or an exemplar."""
    pairs = [read(one) for one in metric.get(field, [])]
    assert len({one[1][0] for one in pairs}) == len(pairs)
    return {one[1][0].decode(): one[2][0].decode() for one in pairs}


def time(data: bytes) -> float:
    """A time, in seconds."""
    found = read(data)
    return float(found[1][0] + found.get(2, [0])[0] / 1e9)


def buckets(histogram: Message, spans: int, deltas: int, doubles: int) -> dict[int, float]:
    """The native buckets of one side: index to count."""
    index, indices = 0, []
    for one in map(read, histogram.get(spans, [])):
        index += unfolded(one[1][0])
        indices += range(index, index + one[2][0])
        index += one[2][0]
    counts: list[float] = []
    if deltas in histogram:
        for delta in packed_signed(histogram[deltas][0]):
            counts.append(delta + (counts[-1] if counts else 0))
    elif doubles in histogram:
        counts += [value for (value,) in struct.iter_unpack("<d", histogram[doubles][0])]
    return dict(zip(indices, counts, strict=True))
