"""Hashes of plaintext lines' keys, by which clusters of carbons share lines: the pure twin of ``keys.c``.

A line is ``path value time`` and a line feed.  The key of a path is what carbon-c-relay makes of it before it
asks where the path belongs (its ``dispatcher.c``): dots at the ends go, several become one, and what is no
letter, digit or one of ``-_:#`` becomes ``_``, byte by byte.  Of a tagged path it is what stands before the
first ``;``; there a dot at the end stays.

The hashes are those of its ``consistent-hash.c``: the first two bytes of the MD5 (RFC 1321), and FNV-1a of 32
and of 64 bits (Fowler, Noll and Vo).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from metronome.model import I64, U8, U64

_FNV_32: Final = (np.uint32(2166136261), np.uint32(16777619))
_FNV_64: Final = (np.uint64(14695981039346656037), np.uint64(1099511628211))

_UNCLEAN: Final = re.compile(rb"[^A-Za-z0-9_:#.\n-]|\.\.|^\.|\.$", re.MULTILINE)
_IRREGULAR: Final = re.compile(rb"[^A-Za-z0-9_:#.-]")
_DOTS: Final = re.compile(rb"\.\.+")


class Hashing(IntEnum):
    """Which hash."""

    MD5 = 0
    """The first two bytes, as a number up to 65,535."""
    FNV_32 = 1
    FNV_64 = 2


class Hashed(NamedTuple):
    """Of each line where it ends in the bytes, and its key's hash."""

    ends: I64
    hashes: U64


def hash_lines(data: bytes, hashing: Hashing) -> Hashed:
    """The lines of some bytes; ``ValueError`` where one has no path or no end."""
    lines = data.split(b"\n")
    if lines.pop() or not all(b" " in line for line in lines):
        raise ValueError("a line has no path or no end")
    ends = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64)
    paths = [line[: line.index(b" ")] for line in lines]
    return Hashed(ends, hash_keys(keys_of(paths), hashing))


def keys_of(paths: Sequence[bytes]) -> Sequence[bytes]:
    """The keys of paths, with or without tags."""
    if _UNCLEAN.search(b"\n".join(paths)):
        return [_cleaned(path) for path in paths]
    return paths


def _cleaned(path: bytes) -> bytes:
    name, tagged, _ = path.partition(b";")
    name = _DOTS.sub(b".", _IRREGULAR.sub(b"_", name)).lstrip(b".")
    return name if tagged else name.rstrip(b".")


def hash_keys(keys: Sequence[bytes], hashing: Hashing) -> U64:
    """The hash of each key, as it is."""
    if hashing == Hashing.MD5:
        heads = b"".join([hashlib.md5(key, usedforsecurity=False).digest()[:2] for key in keys])
        return np.frombuffer(heads, ">u2").astype(np.uint64)
    first, prime = _FNV_32 if hashing == Hashing.FNV_32 else _FNV_64
    found = np.full(len(keys), first)
    for rows, column in _columns(keys):
        found[rows] = (found[rows] ^ column) * prime
    return found.astype(np.uint64)


def _columns(keys: Sequence[bytes]) -> Iterator[tuple[slice | I64, U8]]:
    """First byte of every key, second byte of every key and so on; which keys have it, and it."""
    lengths = np.array([len(key) for key in keys], np.int64)
    longest = int(lengths.max(initial=0))
    if not longest:
        return
    table = np.frombuffer(b"".join([key.ljust(longest, b"\0") for key in keys]), np.uint8)
    table = np.ascontiguousarray(table.reshape(len(keys), longest).T)
    shortest = int(lengths.min())
    for index in range(shortest):
        yield slice(None), table[index]
    for index in range(shortest, longest):
        rows = np.flatnonzero(lengths > index)
        yield rows, table[index][rows]
