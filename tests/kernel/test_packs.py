"""Points in few bytes, and back, bit by bit; what is no pack is refused."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest

from metronome.kernel import packs
from metronome.limits import LATEST_MS, POINTS_PER_PACK
from metronome.model import Ragged
from tests.kernel.conftest import twin
from tests.kernel.packed import difference, spoilt

HEAD = 24
BEGIN = 1_700_000_000_000


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return packs if request.param == "pure" else twin("native")


def size(kernel: ModuleType, times: Sequence[int], values: Sequence[float]) -> int:
    """Bytes behind the header; the points come back as they were."""
    packed = kernel.pack([len(times)], times, values)
    counts, again, numbers = kernel.unpack(packed)
    assert (counts.tolist(), again.tolist()) == ([len(times)], list(times))
    assert numbers.tobytes() == np.array(values, np.float64).tobytes()
    assert [array.tolist() for array in kernel.spans(packed)] == [[len(times)], [times[0]], [times[-1]]]
    return len(packed.flat) - HEAD


def test_what_repeats_costs_nothing(kernel: ModuleType) -> None:
    """Even steps are written once, equal values not at all."""
    times = [BEGIN + step * 10_000 for step in range(100)]
    assert size(kernel, times, [3.25] * 100) == 1
    assert size(kernel, times, [float(step) for step in range(100)]) == 1 + 100
    assert size(kernel, [BEGIN] * 100, [1.0] * 100) == 0
    assert size(kernel, [BEGIN], [0.5]) == 0


@pytest.mark.parametrize(
    ("values", "width"),
    [
        ([123.45, 0.07, 999.99], 3),
        ([-1.5, 2.5, 3.0], 1),
        ([1e9, 1.0, 2.0], 4),
        ([0.1, 0.2, 0.1 + 0.2], 8),  # 0.30000000000000004 has too many digits
        ([0.0, -0.0, 1.0], 8),  # -0.0 is no whole number
        ([5e-324, 1.0, 2.0], 8),
        ([2.0**52, 0.5, 1.0], 8),
        ([1e-12, 2e-12, 3e-12], 1),
        ([1e-13, 2e-12, 3e-12], 8),
        ([1.7e308, -1.7e308, 0.0], 8),
    ],
)
def test_values_take_what_they_need(kernel: ModuleType, values: list[float], width: int) -> None:
    """Decimals with few digits are whole numbers; anything else stays the double that it is."""
    assert size(kernel, [BEGIN, BEGIN + 10_000, BEGIN + 20_000], values) == 1 + 3 * width


@pytest.mark.parametrize(
    ("times", "width"),
    [
        ([BEGIN, BEGIN + 1, BEGIN + 3], 1),
        ([BEGIN, BEGIN + 255_000, BEGIN + 256_000], 1),
        ([BEGIN, BEGIN + 256_000, BEGIN + 257_000], 2),
        ([BEGIN, BEGIN + 256_001, BEGIN + 257_000], 3),
        ([0, 1, LATEST_MS], 6),
    ],
)
def test_times_take_what_they_need(kernel: ModuleType, times: list[int], width: int) -> None:
    """Whole seconds are counted in seconds."""
    assert size(kernel, times, [1.0, 1.0, 1.0]) == 2 * width


def test_rows_without_points_have_no_pack(kernel: ModuleType) -> None:
    """They stay empty, and rows of no points at all too."""
    packed = kernel.pack([0, 2, 0, 1, 0], [BEGIN, BEGIN + 1, 5], [1.0, 2.0, 3.0])
    counts, times, values = kernel.unpack(packed)
    assert counts.tolist() == [0, 2, 0, 1, 0]
    assert (times.tolist(), values.tolist()) == ([BEGIN, BEGIN + 1, 5], [1.0, 2.0, 3.0])
    assert [array.tolist() for array in kernel.spans(packed)] == [
        [0, 2, 0, 1, 0],
        [0, BEGIN, 0, 5, 0],
        [0, BEGIN + 1, 0, 5, 0],
    ]
    nothing = kernel.pack([], [], [])
    assert [len(array) for array in kernel.unpack(nothing)] == [0, 0, 0]
    assert [len(array) for array in kernel.spans(nothing)] == [0, 0, 0]


def test_what_cannot_be_packed(kernel: ModuleType) -> None:
    """Too many points for one pack, or counts that do not fit."""
    many = POINTS_PER_PACK + 1
    for counts, points in (([many], many), ([-1, 1], 0), ([2], 1)):
        with pytest.raises(ValueError, match="points"):
            kernel.pack(counts, [0] * points, [0.0] * points)
    assert size(kernel, [0] * POINTS_PER_PACK, [0.5] * POINTS_PER_PACK) == 0


def test_what_is_no_pack_is_refused(kernel: ModuleType) -> None:
    """Every byte cut off the end, every width too large, a time beyond what is kept."""
    packed = kernel.pack([3], [BEGIN, BEGIN + 1, BEGIN + 3], [1.0, 2.5, 3.0])
    data = packed.flat.tobytes()
    for end in range(1, len(data)):
        with pytest.raises(ValueError, match="row 0 is no pack"):
            kernel.unpack(Ragged(np.array([end], np.uint32), packed.flat[:end]))
    wrong = ((0, 9), (1, 9), (2, 13), (2, 255), (3, 4), (3, 2), (4, 0), (4, 4), (15, 0x80), (14, 1))
    for place, byte in wrong:
        flat = packed.flat.copy()
        flat[place] = byte
        with pytest.raises(ValueError, match="row 0 is no pack"):
            kernel.unpack(Ragged(packed.ends, flat))
    with pytest.raises(ValueError, match="do not fit their ends"):
        kernel.unpack(Ragged(packed.ends + np.uint32(1), packed.flat))


def test_the_twins_agree() -> None:
    """On points of all sorts, and on packs of which some bytes were changed."""
    native = twin("native")
    for seed in range(100):
        assert not difference(native, seed, 120)


def test_some_spoilt_packs_are_read(kernel: ModuleType) -> None:
    """So the comparison above is one of values too, not only of refusals."""
    packed, chance = packs.pack([2, 2], [1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0]), random.Random(1)
    read = 0
    for _ in range(100):
        try:
            read += len(kernel.unpack(spoilt(packed, chance))[0])
        except ValueError:
            continue
    assert 0 < read < 200
