"""Numbers found by ids, over both twins."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import probing
from metronome.kernel.probing import EMPTY
from metronome.model import I64, U64
from tests.kernel.conftest import twin

NAMES = ("pure", "native")


def of(name: str) -> ModuleType:
    return probing if name == "pure" else twin("native")


@pytest.fixture(params=NAMES)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return of(request.param)


def numbers(values: list[int]) -> I64:
    return np.array(values, np.int64)


IDS = st.lists(
    st.sampled_from([0, 1, 32, 64, 1 << 40, (1 << 41) + 1]) | st.integers(0, 2**64 - 1), unique=True
)


@pytest.mark.parametrize("name", NAMES)
@given(ids=IDS.filter(lambda ids: len(ids) < 20), data=st.data())
def test_ids_are_found_until_they_are_dropped(name: str, ids: list[int], data: st.DataObject) -> None:
    """Wherever they began to be looked for, and whoever else went away on the way."""
    kernel = of(name)
    slots = np.full(32, EMPTY, np.int32)
    known: U64 = np.array(ids, np.uint64)
    kernel.place_ids(slots, known, numbers(list(range(len(ids)))))
    gone = sorted(data.draw(st.sets(st.integers(0, len(ids) - 1)))) if ids else []
    kernel.drop_ids(slots, known, numbers(gone))
    expected = [EMPTY if at in gone else at for at in range(len(ids))]
    assert kernel.find_ids(slots, known, known).tolist() == expected
    kernel.place_ids(slots, known, numbers(gone))
    assert kernel.find_ids(slots, known, known).tolist() == list(range(len(ids)))
    assert kernel.find_ids(slots, known, np.array([7], np.uint64)).tolist() == [
        ids.index(7) if 7 in ids else EMPTY
    ]


def test_wrong_arrays(kernel: ModuleType) -> None:
    """They are refused, never read."""
    ids = np.zeros(4, np.uint64)
    for slots in (np.zeros(0, np.int32), np.full(12, EMPTY, np.int32)):
        with pytest.raises(ValueError, match="power of two"):
            kernel.place_ids(slots, ids, numbers([0]))
    for wrong in ([4], [-1]):
        with pytest.raises(ValueError, match="no id"):
            kernel.drop_ids(np.full(8, EMPTY, np.int32), ids, numbers(wrong))


def test_no_search_goes_on_for_ever() -> None:
    """In the native twin, whatever the table holds."""
    kernel = twin("native")
    full, ids = np.zeros(8, np.int32), np.arange(1, 3, dtype=np.uint64)
    with pytest.raises(ValueError, match="no slot is left"):
        kernel.place_ids(full, ids, numbers([1]))
    with pytest.raises(ValueError, match="has no slot"):
        kernel.drop_ids(np.full(8, EMPTY, np.int32), ids, numbers([1]))
    assert kernel.find_ids(full + 9, ids, ids).tolist() == [EMPTY, EMPTY]
    read_only = np.full(8, EMPTY, np.int32)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="cannot be written"):
        kernel.place_ids(read_only, ids, numbers([1]))
