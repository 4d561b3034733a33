"""What a document's ``sketch`` holds: percentile sketches and the members of sets, as base64.

One byte says what follows, little-endian:

====  =============================================================================
``1`` bins as int16, then as many counts as uint8
``2`` bins as int16, then as many counts as uint16
``8`` bins as int16, then as many counts as float64
``h`` members of a set: hashes as uint64
``r`` members of a set: 4,096 HyperLogLog registers, compressed by zlib
====  =============================================================================

Most timers have few samples, so a count takes a byte.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from metronome.fold import distinct, sketch
from metronome.model import F64, I16, U8, U64

_COUNTS: Final[dict[bytes, np.dtype[Any]]] = {
    b"1": np.dtype("<u1"),
    b"2": np.dtype("<u2"),
    b"8": np.dtype("<f8"),
}
_BINS: Final = np.dtype("<i2")
_HASHES: Final = np.dtype("<u8")


def of_bins(bins: I16, counts: F64) -> str:
    """A percentile sketch."""
    whole = counts.astype(np.uint16)
    code = b"8"
    if (whole == counts).all():
        code = b"1" if int(whole.max(initial=0)) < 256 else b"2"
    content = code + bins.astype(_BINS).tobytes() + counts.astype(_COUNTS[code]).tobytes()
    return base64.b64encode(content).decode()


def of_hashes(hashes: U64) -> str:
    """The members of a set, few."""
    return base64.b64encode(b"h" + hashes.astype(_HASHES).tobytes()).decode()


def of_registers(registers: U8) -> str:
    """The members of a set, many."""
    return base64.b64encode(b"r" + zlib.compress(registers.tobytes(), 1)).decode()


def read(texts: Sequence[tuple[int, str]]) -> tuple[sketch.Flat, distinct.Flat]:
    """Sketches and members of many owners, who come ascending and each once.

    ``ValueError`` for what is none.
    """
    owners, bins, counts = [], [], []
    hash_owners, hashes, register_owners, registers = [], [], [], []
    for owner, text in texts:
        content = base64.b64decode(text, validate=True)
        code, rest = content[:1], content[1:]
        if code in _COUNTS:
            width = 2 + _COUNTS[code].itemsize
            number = len(rest) // width
            if len(rest) != number * width:
                raise ValueError("a sketch has a wrong length")
            owners.append((owner, number))
            bins.append(np.frombuffer(rest, _BINS, number))
            counts.append(np.frombuffer(rest, _COUNTS[code], number, 2 * number).astype(np.float64))
        elif code == b"h":
            hashes.append(np.frombuffer(rest, _HASHES))
            hash_owners.append((owner, len(hashes[-1])))
        elif code == b"r":
            registers.append(_registers(rest))
            register_owners.append(owner)
        else:
            raise ValueError("a sketch is of an unknown kind")
    sketches = sketch.Flat(
        _repeated(owners),
        np.concatenate([np.empty(0, np.int16), *bins]),
        np.concatenate([np.empty(0), *counts]),
    )
    members = distinct.Flat(
        _repeated(hash_owners),
        np.concatenate([np.empty(0, np.uint64), *hashes]),
        np.array(register_owners, np.int64),
        np.array(registers, np.uint8).reshape(-1, distinct.REGISTERS),
    )
    return sketches, members


def _registers(content: bytes) -> U8:
    try:
        found = np.frombuffer(zlib.decompress(content), np.uint8)
    except zlib.error as error:
        raise ValueError(f"registers are damaged: {error}") from error
    if len(found) != distinct.REGISTERS:
        raise ValueError("registers have a wrong length")
    return found


def _repeated(owners: list[tuple[int, int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    numbers = np.array(owners, np.int64).reshape(-1, 2)
    return np.repeat(numbers[:, 0], numbers[:, 1])
