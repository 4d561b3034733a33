"""Sketches and members as text."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from metronome.fold import distinct
from metronome.store.elastic_sketch import of_bins, of_hashes, of_registers, read


@pytest.mark.parametrize(
    ("counts", "size"), [([1, 2, 255], 1 + 3 * 3), ([1, 2, 256], 1 + 3 * 4), ([1, 2, 2.5], 1 + 3 * 10)]
)
def test_bins_come_back(counts: list[float], size: int) -> None:
    """In as few bytes as the counts need."""
    bins = np.array([-7, 0, 2000], np.int16)
    text = of_bins(bins, np.array(counts, np.float64))
    assert len(base64.b64decode(text)) == size
    sketches, members = read([(4, text)])
    assert sketches.owners.tolist() == [4, 4, 4]
    assert sketches.bins.tolist() == bins.tolist()
    assert sketches.counts.tolist() == counts
    assert not len(members.owners)


def test_members_come_back() -> None:
    """Few as hashes, many as registers, of several owners."""
    hashes = np.array([1, 2**63, 2**64 - 1], np.uint64)
    registers = distinct.registers_of(hashes)
    sketches, members = read(
        [(0, of_hashes(hashes)), (2, of_registers(registers)), (3, of_hashes(hashes[:1]))]
    )
    assert members.owners.tolist() == [0, 0, 0, 3]
    assert members.hashes.tolist() == [*hashes.tolist(), 1]
    assert members.register_owners.tolist() == [2]
    assert members.registers.tolist() == [registers.tolist()]
    assert not len(sketches.owners)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "unknown kind"),
        (b"x123", "unknown kind"),
        (b"1\0", "wrong length"),
        (b"rxyz", "damaged"),
        (b"r" + zlib.compress(b"x"), "wrong length"),
        (b"h123", "multiple"),
    ],
)
def test_what_is_no_sketch_is_an_error(content: bytes, said: str) -> None:
    """An unknown kind, a wrong length, damage."""
    with pytest.raises(ValueError, match=said):
        read([(0, base64.b64encode(content).decode())])
