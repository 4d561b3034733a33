"""How many distinct members: exact up to ``SET_MEMBERS``, HyperLogLog beyond.

Members come as 64-bit hashes.  Up to ``SET_MEMBERS`` of them are kept; more become
``2^REGISTERS_POWER`` registers.  The top bits of a hash name its register, the rest gives a
rank, 1 + the number of zeros before its first one; a register holds the greatest rank it
met.  Registers of several sets merge by the maximum, so what was counted where, or twice,
makes no difference, and whether a union is kept as hashes or as registers depends on the
union alone, not on the order in which it came about.

The count is Otmar Ertl's improved estimator ("New cardinality estimation algorithms for
HyperLogLog sketches", 2017, algorithm 6): one formula for the whole range, without the bias
that the original has between its linear counting and its raw estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import Final, NamedTuple

import numpy as np

from metronome.limits import REGISTERS_POWER, SET_MEMBERS
from metronome.model import I64, U8, U64

REGISTERS: Final = 1 << REGISTERS_POWER
_RANK_BITS: Final = 64 - REGISTERS_POWER
HIGHEST_RANK: Final = _RANK_BITS + 1

Members = tuple[U64, U8]
"""Hashes, ascending and each once, or registers; one of the two is empty."""


class Flat(NamedTuple):
    """Members of many owners in one.

    ``hashes`` sorted by owner, then hash, each pair once; ``registers`` one row of
    ``REGISTERS`` for each of ``register_owners``, ascending.  No owner is in both.
    """

    owners: I64
    hashes: U64
    register_owners: I64
    registers: U8


def no_members() -> Flat:
    """Members of nobody."""
    nobody = np.empty(0, np.int64)
    return Flat(nobody, np.empty(0, np.uint64), nobody, np.empty((0, REGISTERS), np.uint8))


def _places(hashes: U64) -> tuple[I64, U8]:
    """Register index and rank of each hash."""
    index = (hashes >> np.uint64(_RANK_BITS)).astype(np.int64)
    # The remaining 52 bits fit a double exactly, so its exponent counts the zeros.
    _, exponent = np.frexp((hashes << np.uint64(REGISTERS_POWER)).astype(np.float64))
    return index, np.minimum(65 - exponent, HIGHEST_RANK).astype(np.uint8)


def registers_of(hashes: U64) -> U8:
    """The registers of some hashes."""
    registers = np.zeros(REGISTERS, np.uint8)
    index, rank = _places(hashes)
    np.maximum.at(registers, index, rank)
    return registers


def unite(members: Flat) -> Flat:
    """Unite what each owner has; the arrays may come in any order and with repeats."""
    order = np.lexsort((members.hashes, members.owners))
    owners, hashes = members.owners[order], members.hashes[order]
    fresh = np.ones(len(owners), bool)
    fresh[1:] = (owners[1:] != owners[:-1]) | (hashes[1:] != hashes[:-1])
    owners, hashes = owners[fresh], hashes[fresh]
    present, numbers = np.unique(owners, return_counts=True)
    dense = np.union1d(members.register_owners, present[numbers > SET_MEMBERS])
    if not len(dense):
        return Flat(owners, hashes, dense, members.registers[:0])
    table = np.zeros((len(dense), REGISTERS), np.uint8)
    slots = np.searchsorted(dense, members.register_owners)
    for slot, row in zip(slots.tolist(), members.registers, strict=True):
        np.maximum(table[slot], row, out=table[slot])
    moved = np.isin(owners, dense)
    index, rank = _places(hashes[moved])
    np.maximum.at(table.reshape(-1), np.searchsorted(dense, owners[moved]) * REGISTERS + index, rank)
    return Flat(owners[~moved], hashes[~moved], dense, table)


def merge(sets: Sequence[Members]) -> Members:
    """The union of sets; of none, the empty set."""
    full = [registers for _, registers in sets if len(registers)]
    united = unite(
        Flat(
            np.zeros(sum(len(hashes) for hashes, _ in sets), np.int64),
            np.concatenate([np.empty(0, np.uint64), *(hashes for hashes, _ in sets)]),
            np.zeros(len(full), np.int64),
            np.array(full, np.uint8).reshape(-1, REGISTERS),
        )
    )
    return united.hashes, united.registers.reshape(-1)


def estimate(hashes: U64, registers: U8) -> float:
    """How many distinct members: the number of hashes, or what the registers say."""
    if not len(registers):
        return float(len(hashes))
    numbers = np.bincount(registers, minlength=HIGHEST_RANK + 1).tolist()
    z = REGISTERS * _tau(1 - numbers[HIGHEST_RANK] / REGISTERS)
    for number in numbers[_RANK_BITS:0:-1]:
        z = 0.5 * (z + number)
    z += REGISTERS * _sigma(numbers[0] / REGISTERS)
    if not z:
        return float("inf")
    return REGISTERS * REGISTERS / (2 * log(2) * z)


def _sigma(x: float) -> float:
    """x + sum of x^(2^k) * 2^(k-1) for k from 1 (Ertl's sigma): the empty registers' part."""
    if x == 1:
        return float("inf")
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """(1 - x - sum of (1 - x^(2^-k))^2 * 2^-k for k from 1) / 3: the full registers' part."""
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before = sqrt(x), z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
