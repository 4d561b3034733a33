"""The hash that names a series on every gateway."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import hash64 as chosen
from metronome.kernel.hash64 import hash64
from tests.kernel.conftest import twin

KNOWN = {
    b"": 0xEFD01F60BA992926,
    b"a": 0x82A2A958A9BECE5B,
    b"crequests": 0x5225AB99214AA374,
}


@pytest.mark.parametrize("data", KNOWN)
def test_it_never_changes(kernel: ModuleType, data: bytes) -> None:
    """Stored series are found by it, so these values stand for ever."""
    assert kernel.hash64(data) == chosen(data) == KNOWN[data]


@given(st.binary(max_size=300))
def test_both_twins_hash_alike(data: bytes) -> None:
    """Any bytes give the same 64 bits in both twins."""
    assert twin("native").hash64(data) == hash64(data)


def test_bits_are_spread() -> None:
    """Short, similar names differ in about half of their bits, the high ones too."""
    hashes = [hash64(b"name%d" % number) for number in range(4000)]
    for bit in range(64):
        share = sum(value >> bit & 1 for value in hashes) / len(hashes)
        assert 0.45 < share < 0.55
