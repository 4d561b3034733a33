"""Protocol buffers, written: the pieces that messages are joined of.

Source: "Encoding" of the Protocol Buffers documentation.  The rules that the writer obeys:

- A message is its fields one after another, each behind a tag: the field's number times eight
  plus the wire type, 0 for a varint, 1 for eight bytes, 2 for a length and so many bytes.
- A varint has seven bits a byte, the lowest first; all but the last byte have the top bit set.
  A negative ``int32`` or ``int64`` is written as its 64-bit two's complement, ten bytes long;
  ``sint32`` and ``sint64`` are folded first so that small magnitudes are short (zigzag).
- A ``double`` is eight bytes, the lowest first.  Texts are UTF-8.
- Repeated numbers are packed: one field with a length, and the bare numbers.
- A field that has its default (0, an empty text) need not be written; whether it is, the
  caller says by calling.  Readers take fields in any order; we write them by number.

Nothing here knows a schema: a caller names fields by their numbers and keeps what does not
change as bytes.  What many series share or repeat is so written once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.model import F64, U8

VARINT: Final = 0
EIGHT_BYTES: Final = 1
BYTES: Final = 2
"""Wire types."""

_DOUBLE: Final = struct.Struct("<d")
_WORD: Final = (1 << 64) - 1
_LONGEST: Final = 10
"""Bytes of the longest varint."""


@lru_cache(maxsize=1 << 14)
def varint(value: int) -> bytes:
    """A whole number; a negative one as 64-bit two's complement."""
    value &= _WORD
    if value < 0x80:
        return value.to_bytes(1)
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def zigzag(value: int) -> int:
    """A signed number folded to one without a sign: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return (value << 1 ^ value >> 63) & _WORD


@lru_cache(maxsize=256)
def tag(field: int, wire_type: int) -> bytes:
    """What stands in front of a field's value."""
    return varint(field << 3 | wire_type)


def whole(field: int, value: int) -> bytes:
    """A field of type ``int32``, ``int64``, ``uint32``, ``uint64``, ``bool`` or an enum."""
    return tag(field, VARINT) + varint(value)


def signed(field: int, value: int) -> bytes:
    """A field of type ``sint32`` or ``sint64``."""
    return tag(field, VARINT) + varint(zigzag(value))


def double(field: int, value: float) -> bytes:
    """A field of type ``double``."""
    return tag(field, EIGHT_BYTES) + _DOUBLE.pack(value)


def data(field: int, value: bytes) -> bytes:
    """A field of type ``bytes``, or a message that is written already."""
    return tag(field, BYTES) + varint(len(value)) + value


def text(field: int, value: str) -> bytes:
    """A field of type ``string``; lone surrogates, which UTF-8 has not, become ``?``."""
    return data(field, value.encode(errors="replace"))


def delimited(message: bytes) -> bytes:
    """A message behind its length, as several in one stream are written."""
    return varint(len(message)) + message


def packed(field: int, values: Iterable[int]) -> bytes:
    """A repeated field of whole numbers, as :func:`whole` writes one."""
    return data(field, b"".join(map(varint, values)))


def packed_signed(field: int, values: Iterable[int]) -> bytes:
    """A repeated field of signed numbers, as :func:`signed` writes one."""
    return data(field, b"".join([varint(zigzag(value)) for value in values]))


def packed_doubles(field: int, values: F64) -> bytes:
    """A repeated field of type ``double``."""
    return data(field, np.ascontiguousarray(values, "<f8").tobytes())


def varints(values: npt.ArrayLike) -> tuple[U8, npt.NDArray[np.intp]]:
    """Many whole numbers at once: their bytes one after another, and how many each takes.

    Numbers are as :func:`varint` takes them; an array of any whole type will do.
    """
    words = np.asarray(values).astype(np.uint64)
    shifts = np.arange(_LONGEST, dtype=np.uint64) * np.uint64(7)
    rest = words[:, None] >> shifts
    used = rest != 0
    used[:, 0] = True
    found = (rest & np.uint64(0x7F)).astype(np.uint8)
    found[:, :-1] |= used[:, 1:].astype(np.uint8) << np.uint8(7)
    return found[used], used.sum(axis=1)
