"""What memory has no room for waits in files that go by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metronome.gateway.spill import Kept, Place, Spill, size_of
from metronome.limits import SPILL_FILE_BYTES


def held(spill: Spill, some: list[Kept]) -> list[bytes]:
    return [spill.read(kept) for kept in some]


def test_the_first_stay_in_memory(tmp_path: Path) -> None:
    """As many as there is room for; the room of those that are dropped is used again."""
    spill = Spill(tmp_path, 8)
    texts = [b"four", b"five!", b"one", b"seven77"]
    kept = [spill.keep(text) for text in texts]
    assert [isinstance(one, Place) for one in kept] == [False, True, False, True]
    assert held(spill, kept) == texts
    assert [size_of(one) for one in kept] == [4, 5, 3, 7]
    assert spill.held == 7
    spill.drop(kept[0])
    spill.drop(kept[1])
    assert spill.held == 3
    assert isinstance(spill.keep(b"five!"), bytes)


def test_without_a_folder_all_is_in_memory() -> None:
    """Nothing is written anywhere."""
    spill = Spill(None, 0)
    assert spill.keep(b"text") == b"text"
    assert spill.held == 4


def test_files_have_no_name_and_go_when_nothing_in_them_is_kept(tmp_path: Path) -> None:
    """A kill leaves nothing behind; what is in use is never more than what is kept and one file."""
    before = len(os.listdir("/dev/fd"))
    spill = Spill(tmp_path, 0)
    piece = bytes(SPILL_FILE_BYTES // 2)
    kept = [spill.keep(piece + bytes([number])) for number in range(6)]
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == before + 3
    assert [spill.read(one)[-1] for one in kept] == [0, 1, 2, 3, 4, 5]
    del kept[:4]
    assert len(os.listdir("/dev/fd")) == before + 1
    kept.clear()
    spill.rest()
    assert len(os.listdir("/dev/fd")) == before


def test_a_folder_that_takes_nothing(tmp_path: Path) -> None:
    """Then it is memory after all."""
    spill = Spill(tmp_path / "nowhere", 2)
    kept = spill.keep(b"text")
    assert spill.read(kept) == b"text"
    assert spill.held == 4


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It is never taken for something else."""
    spill = Spill(tmp_path, 0)
    kept = spill.keep(b"text")
    assert isinstance(kept, Place)
    with pytest.raises(OSError, match="4 of 9 bytes"):
        spill.read(kept._replace(length=9))
