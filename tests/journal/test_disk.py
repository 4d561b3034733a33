"""What every disk does, on the real one and on its twin in memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from metronome.journal.disk import Disk, FolderDisk, put
from metronome.journal.memory_disk import MemoryDisk


@pytest.fixture(params=["folder", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return FolderDisk(tmp_path / "a" / "b") if request.param == "folder" else MemoryDisk()


def test_appended_bytes_are_read_back(disk: Disk) -> None:
    """From any offset; fewer only at the end."""
    assert disk.names() == {}
    disk.append("x", b"hello ")
    disk.append("y", b"other")
    disk.append("x", b"world")
    disk.sync("x")
    disk.sync_folder()
    assert disk.names() == {"x": 11, "y": 5}
    assert disk.read("x", 6, 3) == b"wor"
    assert disk.read("x", 6, 100) == b"world"
    assert disk.read("x", 11, 5) == disk.read("x", 50, 5) == b""
    disk.close()


def test_writing_empties_first(disk: Disk) -> None:
    """And what is appended then goes behind."""
    disk.append("x", b"long content")
    disk.write("x", b"new")
    disk.append("x", b"er")
    assert disk.read("x", 0, 100) == b"newer"
    disk.close()


def test_truncating_cuts_the_end_off(disk: Disk) -> None:
    """An append goes to the new end."""
    disk.append("x", b"0123456789")
    disk.truncate("x", 4)
    disk.append("x", b"x")
    assert disk.read("x", 0, 100) == b"0123x"
    disk.close()


def test_a_replaced_or_removed_file_is_not_written_any_more(disk: Disk) -> None:
    """What is appended under a name goes into the file that has it now."""
    disk.append("x", b"old")
    disk.write("y", b"new")
    disk.replace("y", "x")
    disk.append("x", b"er")
    assert disk.names() == {"x": 5}
    assert disk.read("x", 0, 9) == b"newer"
    disk.remove("x")
    disk.append("x", b"again")
    assert disk.read("x", 0, 9) == b"again"
    disk.close()


def test_what_is_not_there_is_an_error(disk: Disk) -> None:
    """Reading and removing; ``FileNotFoundError``, which is told apart from others."""
    with pytest.raises(FileNotFoundError):
        disk.read("x", 0, 1)
    with pytest.raises(FileNotFoundError):
        disk.remove("x")
    with pytest.raises(FileNotFoundError):
        disk.replace("x", "y")


def test_put_replaces_the_whole(disk: Disk) -> None:
    """No temporary file is left, longer content leaves no rest."""
    put(disk, "x", b"a long first content")
    put(disk, "x", b"short")
    assert disk.names() == {"x": 5}
    assert disk.read("x", 0, 99) == b"short"
    disk.close()


def test_there_is_room(disk: Disk) -> None:
    """``free`` is a number of bytes."""
    assert disk.free() > 1 << 20


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    """The folder is made 0700, files 0600: events are somebody's."""
    disk = FolderDisk(tmp_path / "journal")
    disk.append("x", b"secret")
    disk.close()
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "journal" / "x").stat().st_mode & 0o077 == 0


def test_one_file_is_open_at_most(tmp_path: Path) -> None:
    """However many are written and read."""
    disk = FolderDisk(tmp_path)
    before = len(os.listdir("/dev/fd"))
    for number in range(20):
        disk.append(str(number), b"x")
        disk.read(str(number), 0, 1)
        disk.sync_folder()
    assert len(os.listdir("/dev/fd")) == before + 1
    disk.close()
    assert len(os.listdir("/dev/fd")) == before
