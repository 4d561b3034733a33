"""Numbers for ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.index import Index, grown
from metronome.model import U64


def ids(values: list[int]) -> U64:
    return np.array(values, np.uint64)


NEAR = st.sampled_from([0, 1, 2, 64, 128, 1 << 40, 1 << 41, (1 << 64) - 1, (1 << 64) - 64])
"""Ids that begin at one slot, or go on by one step."""


@given(st.lists(st.tuples(st.booleans(), st.lists(NEAR | st.integers(0, 300), max_size=120)), max_size=8))
def test_each_id_has_one_number_until_it_is_removed(turns: list[tuple[bool, list[int]]]) -> None:
    """As a dictionary has it: the same number for the same id, another for another."""
    index, known = Index(), dict[int, int]()
    for add, values in turns:
        if add:
            numbers, fresh = index.numbers(ids(values))
            brought = [at for at, one in enumerate(values) if one not in known and one not in values[:at]]
            assert fresh.tolist() == brought
            for one, number in zip(values, numbers.tolist(), strict=True):
                assert known.setdefault(one, number) == number
        else:
            gone = [one for one in dict.fromkeys(values) if one in known]
            index.remove(np.array([known.pop(one) for one in gone], np.int64))
        assert len(set(known.values())) == len(known) == len(index)
        asked = [*known, *values]
        assert index.find(ids(asked)).tolist() == [known.get(one, -1) for one in asked]
        assert all(int(index.ids[number]) == one for one, number in known.items())
        assert max(known.values(), default=-1) < index.room <= len(index.ids)


@pytest.mark.parametrize("shift", [0, 12, 40])
def test_many_ids(shift: int) -> None:
    """They stay what they are while the table grows, shrinks and is used again, however they lie."""
    index = Index()
    many = (np.arange(1, 20_001, dtype=np.uint64) * np.uint64(2654435761)) << np.uint64(shift)
    for piece in np.split(many, 10):
        index.numbers(piece)
    assert index.find(many).tolist() == list(range(20_000))
    index.remove(np.arange(100, 20_000))
    numbers, fresh = index.numbers(many[:200])
    assert (len(fresh), len(index), index.room) == (100, 200, 20_000)
    assert numbers[:100].tolist() == list(range(100))
    assert len(set(numbers.tolist())) == 200
    assert index.find(many[300:310]).tolist() == [-1] * 10
    assert index.memory < 20_000 * 32


def test_arrays_grow() -> None:
    """What was there stays, what is new is zero."""
    assert grown(np.array([1, 2, 3, 4], np.int32), 5).tolist() == [1, 2, 3, 4, 0, 0]
    assert grown(np.array([1, 2], np.int32), 5).tolist() == [1, 2, 0, 0, 0]
