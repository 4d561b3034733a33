"""The bytes of a record, and how records are found again in damaged bytes.

A record is a header of 13 bytes and its payload::

    magic  4 bytes   89 4d 74 0a
    crc    u32 LE    CRC-32 (as zlib) of all that follows, seeded with the position
    length u32 LE    of the payload, at most limits.RECORD_BYTES
    kind   u8        bits 0-6 the kind, bit 7 MORE: the same append goes on behind
    payload

The seed of the CRC is the record's position folded to 32 bits, so that a good record in
the wrong place (a stale block, a segment under a wrong name) is damage and not data.
MORE makes an append of several records all or nothing: a journal that ends behind a record
with MORE was torn in the middle of an append, and the whole append is cut.

Bytes that are not a record are damage.  It ends where the magic stands again with a record
behind it whose CRC is right; a payload that happens to hold the magic is no danger, since
its CRC would have to fit too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from metronome.limits import RECORD_BYTES

MAGIC: Final = b"\x89Mt\n"
"""A byte no text has, two letters, and a newline that text-mode copying would break."""
_HEADER: Final = struct.Struct("<4sIIB")
_SUMMED: Final = struct.Struct("<IB")
HEADER_BYTES: Final = _HEADER.size
_CRC_STARTS: Final = 8
MORE: Final = 0x80
KINDS: Final = 0x80
"""Kinds are 0 to 127."""
DAMAGED: Final = -1
CUT: Final = -2


class Span(NamedTuple):
    """A stretch of scanned bytes: a record, damage, or a beginning whose rest is missing.

    ``kind`` is a record's kind byte with its MORE bit, or DAMAGED, or CUT; for CUT, ``end``
    is how far one has to read to know more.
    """

    position: int
    end: int
    kind: int


def bytes_of(payloads: Sequence[bytes]) -> int:
    """How many bytes the records of these payloads take."""
    return HEADER_BYTES * len(payloads) + sum(map(len, payloads))


def encode(position: int, kind: int, payloads: Sequence[bytes], into: list[bytes]) -> list[int]:
    """Add the records of one append to ``into``; their positions, the first as given."""
    positions = []
    last = len(payloads) - 1
    for index, payload in enumerate(payloads):
        byte = kind if index == last else kind | MORE
        length = len(payload)
        crc = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(length, byte), _seed(position)))
        into.append(_HEADER.pack(MAGIC, crc, length, byte))
        into.append(payload)
        positions.append(position)
        position += HEADER_BYTES + length
    return positions


def scan(data: bytes, position: int, limit: int) -> Iterator[Span]:
    """What stands in ``data``, whose first byte is at ``position``, without gaps.

    ``limit`` is the position behind the last byte that may belong to a record.  When
    ``data`` ends before it, the last span may be CUT; when it reaches it, never.
    """
    view = memoryview(data)
    size = len(data)
    final = position + size >= limit
    at = 0
    bad = -1  # where the damage that is being skipped began
    while at < size:
        rest = size - at
        if rest < HEADER_BYTES:
            if not final:
                break
        else:
            magic, crc, length, kind = _HEADER.unpack_from(data, at)
            end = at + HEADER_BYTES + length
            if magic == MAGIC and length <= RECORD_BYTES and position + end <= limit:
                if end > size:
                    break
                if zlib.crc32(view[at + _CRC_STARTS : end], _seed(position + at)) == crc:
                    if bad >= 0:
                        yield Span(position + bad, position + at, DAMAGED)
                        bad = -1
                    yield Span(position + at, position + end, kind)
                    at = end
                    continue
        if bad < 0:
            bad = at
        found = data.find(MAGIC, at + 1)
        # The last three bytes may be the beginning of a magic whose end is not read yet.
        at = found if found >= 0 else size if final else max(at + 1, size - len(MAGIC) + 1)
    if bad >= 0:
        yield Span(position + bad, position + at, DAMAGED)
    if at < size:
        wanted = HEADER_BYTES if size - at < HEADER_BYTES else end - at
        yield Span(position + at, position + at + wanted, CUT)


def _seed(position: int) -> int:
    return (position ^ position >> 32) & 0xFFFFFFFF
