"""``kernel.hash64`` of many members in one pass, for tests that need millions of them."""

from __future__ import annotations

import numpy as np

from metronome.model import U64

_OFFSET, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


def hash_numbers(numbers: U64) -> U64:
    """``hash64`` of each number's eight bytes, least byte first."""
    hashes = np.full(len(numbers), _OFFSET)
    for shift in range(0, 64, 8):
        hashes = (hashes ^ ((numbers >> np.uint64(shift)) & np.uint64(0xFF))) * _PRIME
    for factor in _MIX:
        hashes = (hashes ^ (hashes >> np.uint64(33))) * factor
    return hashes ^ (hashes >> np.uint64(33))
