"""Distinct counts: exact, then within 2 % standard error; and unions in any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold import distinct
from metronome.kernel import hash64
from metronome.limits import SET_MEMBERS
from metronome.model import U8, U64
from tests.fold.hashing import hash_numbers

NO_HASHES, NO_REGISTERS = np.empty(0, np.uint64), np.empty(0, np.uint8)


def members(number: int, seed: int = 0) -> U64:
    """Hashes of so many different members, ascending."""
    first = np.uint64(seed << 32)
    return np.sort(hash_numbers(np.arange(number, dtype=np.uint64) + first))


def test_hashes_are_the_kernels() -> None:
    """The members of these tests are hashed as the kernel hashes them."""
    for number in (0, 1, 255, 1 << 40):
        assert int(hash_numbers(np.array([number], np.uint64))[0]) == hash64(number.to_bytes(8, "little"))


@pytest.mark.parametrize(
    ("hashed", "register", "rank"),
    [
        (0x0000_0000_0000_0000, 0, 53),
        (0x0000_0000_0000_0001, 0, 52),
        (0x0018_0000_0000_0000, 1, 1),
        (0x0017_FFFF_FFFF_FFFF, 1, 2),
        (0xFFFF_FFFF_FFFF_FFFF, 4095, 1),
        (0xABC0_0000_0000_0100, 0xABC, 44),
        (0xABCF_FFFF_FFFF_FFFF, 0xABC, 1),
    ],
)
def test_register_and_rank(hashed: int, register: int, rank: int) -> None:
    """The top 12 bits name the register; 1 + the zeros that follow are the rank, at most 53."""
    registers = distinct.registers_of(np.array([hashed], np.uint64))
    assert np.flatnonzero(registers).tolist() == [register]
    assert registers[register] == rank


@pytest.mark.parametrize("number", [0, 1, 100, SET_MEMBERS - 1, SET_MEMBERS])
def test_exact_up_to_the_limit(number: int) -> None:
    """Up to 4,096 members the count is exact, however they are spread over parts."""
    hashes = members(number)
    pieces = [hashes[::2], hashes[1::2], hashes]
    united = distinct.merge([(piece, NO_REGISTERS) for piece in pieces])
    assert distinct.estimate(*united) == number
    assert not len(united[1])


def test_one_more_becomes_registers() -> None:
    """The 4,097th member turns the set into registers, those of all members."""
    hashes = members(SET_MEMBERS + 1)
    kept, registers = distinct.merge([(hashes[:10], NO_REGISTERS), (hashes[10:], NO_REGISTERS)])
    assert not len(kept)
    assert np.array_equal(registers, distinct.registers_of(hashes))


@pytest.mark.parametrize(
    ("number", "seeds"),
    [(4097, 200), (5000, 200), (8000, 200), (12_000, 200), (20_000, 100), (1_000_000, 20)],
)
def test_error_beyond(number: int, seeds: int) -> None:
    """Over many seeds the relative error has no bias and a standard deviation below 2 %."""
    errors = [
        distinct.estimate(NO_HASHES, distinct.registers_of(members(number, seed))) / number - 1
        for seed in range(seeds)
    ]
    assert float(np.sqrt(np.mean(np.square(errors)))) < 0.02
    assert abs(float(np.mean(errors))) < 0.02 * 3 / np.sqrt(seeds)


def test_ends_of_the_estimate() -> None:
    """No register filled is nothing; every register at its greatest is beyond counting."""
    assert distinct.estimate(NO_HASHES, np.zeros(distinct.REGISTERS, np.uint8)) == 0
    full = np.full(distinct.REGISTERS, distinct.HIGHEST_RANK, np.uint8)
    assert distinct.estimate(NO_HASHES, full) == float("inf")


def small_set(numbers: set[int]) -> distinct.Members:
    return np.sort(hash_numbers(np.array(sorted(numbers), np.uint64))), NO_REGISTERS


def large_set(numbers: set[int]) -> distinct.Members:
    return NO_HASHES, distinct.registers_of(hash_numbers(np.array(sorted(numbers), np.uint64)))


NUMBERS = st.sets(st.integers(0, 30), min_size=1, max_size=10)
SETS = st.one_of(NUMBERS.map(small_set), NUMBERS.map(large_set), st.just((members(4000), NO_REGISTERS)))


def same(one: tuple[U64, U8], two: tuple[U64, U8]) -> bool:
    return np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


@given(SETS, SETS, SETS)
def test_merge_is_an_algebra(one: distinct.Members, two: distinct.Members, three: distinct.Members) -> None:
    """Unions are associative, commutative and idempotent, and the empty set changes nothing,
    also where hashes and registers meet and where the limit is passed on the way."""
    merge = distinct.merge
    together = merge([one, two, three])
    assert same(merge([merge([one, two]), three]), together)
    assert same(merge([one, merge([two, three])]), together)
    assert same(merge([three, one, two]), together)
    assert same(merge([one, one]), merge([one]))
    assert same(merge([one, merge([])]), one)


@given(st.lists(st.tuples(st.integers(0, 3), SETS), max_size=6))
def test_many_owners_at_once_is_each_alone(pairs: list[tuple[int, distinct.Members]]) -> None:
    """Uniting the sets of many owners in one pass keeps the owners apart."""
    dense = [(owner, registers) for owner, (_, registers) in pairs if len(registers)]
    united = distinct.unite(
        distinct.Flat(
            np.concatenate([np.empty(0, np.int64), *(np.full(len(one), owner) for owner, (one, _) in pairs)]),
            np.concatenate([NO_HASHES, *(hashes for _, (hashes, _) in pairs)]),
            np.array([owner for owner, _ in dense], np.int64),
            np.array([registers for _, registers in dense], np.uint8).reshape(-1, distinct.REGISTERS),
        )
    )
    for owner in range(4):
        hashes = united.hashes[united.owners == owner]
        registers = united.registers[united.register_owners == owner].reshape(-1)
        assert same((hashes, registers), distinct.merge([one for name, one in pairs if name == owner]))
