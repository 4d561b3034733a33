"""The 64-bit hash of series keys and set members, the same on every gateway and for ever.

FNV-1a (Fowler, Noll and Vo; 64-bit parameters) over the bytes.  Its high bits are weak on
short input and HyperLogLog reads them, so Appleby's finaliser of MurmurHash3 follows.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_BASIS = 0xCBF29CE484222325
_PRIME = 0x100000001B3


def hash64(data: bytes) -> int:
    """The hash of the bytes, from 0 to 2^64 - 1."""
    value = _BASIS
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _MASK
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)
