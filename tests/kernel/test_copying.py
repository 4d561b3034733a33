"""Texts, one behind the other."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import copying
from metronome.kernel.writing import Texts
from tests.kernel.conftest import twin


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return copying if request.param == "pure" else twin("native")


def texts(flat: bytes, pieces: list[tuple[int, int]]) -> Texts:
    places = np.array(pieces, np.int64).reshape(-1, 2)
    return Texts(np.frombuffer(flat, np.uint8), places[:, 0], places[:, 1])


@given(st.binary(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8))
def test_every_piece_is_copied(flat: bytes, places: list[tuple[int, int]]) -> None:
    """In the order asked for, as often as asked for, and empty ones too."""
    pieces = [(min(begin, end, len(flat)), min(max(begin, end), len(flat))) for begin, end in places]
    for one in (copying, twin("native")):
        found = one.copied(texts(flat, pieces))
        assert found.tobytes() == b"".join(flat[begin:end] for begin, end in pieces)


@pytest.mark.parametrize("piece", [(-1, 2), (2, 1), (0, 4)])
def test_wrong_places(kernel: ModuleType, piece: tuple[int, int]) -> None:
    """They are refused, never read."""
    with pytest.raises(ValueError, match="outside"):
        kernel.copied(texts(b"abc", [piece]))
    with pytest.raises(ValueError, match="not as many"):
        kernel.copied(Texts(np.zeros(3, np.uint8), np.zeros(1, np.int64), np.zeros(0, np.int64)))
