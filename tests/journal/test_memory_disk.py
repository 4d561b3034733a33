"""The twin's faults: what a loss of power keeps, and what is refused."""

from __future__ import annotations

from random import Random

import pytest

from metronome.journal.disk import put
from metronome.journal.memory_disk import Died, MemoryDisk


def outcomes(build: object, name: str, times: int = 200) -> set[bytes | None]:
    """What may be left of a file after a crash, over many crashes."""
    seen: set[bytes | None] = set()
    for seed in range(times):
        disk = MemoryDisk()
        build(disk)
        disk.crash(Random(seed))
        seen.add(disk.read(name, 0, 99) if name in disk.names() else None)
    return seen


def test_synced_bytes_stay_and_any_prefix_of_the_others_may() -> None:
    """Nothing else, and each of them happens."""

    def build(disk: MemoryDisk) -> None:
        disk.append("x", b"safe")
        disk.sync("x")
        disk.sync_folder()
        disk.append("x", b"123")

    assert outcomes(build, "x") == {b"safe", b"safe1", b"safe12", b"safe123"}


def test_bytes_that_were_cut_without_a_sync_may_come_back() -> None:
    """A truncation is durable only once it is synced."""

    def build(disk: MemoryDisk) -> None:
        disk.append("x", b"safe")
        disk.sync("x")
        disk.sync_folder()
        disk.append("x", b"bad")
        disk.truncate("x", 4)
        disk.append("x", b"new")

    def build_synced(disk: MemoryDisk) -> None:
        build(disk)
        disk.sync("x")

    assert b"safebad" in outcomes(build, "x")
    assert b"safenew" in outcomes(build, "x")
    assert outcomes(build_synced, "x") == {b"safenew"}


def test_cutting_synced_bytes_needs_a_sync_too() -> None:
    """Until then some of them may stay."""

    def build(disk: MemoryDisk) -> None:
        disk.append("x", b"safe")
        disk.sync("x")
        disk.sync_folder()
        disk.truncate("x", 2)

    assert outcomes(build, "x") == {b"sa", b"saf", b"safe"}


def test_a_failed_sync_makes_later_ones_lie() -> None:
    """As on Linux: the pages count as clean, though they never reached the disk."""

    def build(disk: MemoryDisk) -> None:
        disk.append("x", b"safe")
        disk.sync("x")
        disk.sync_folder()
        disk.append("x", b"12")
        disk.fail_syncs = 1
        with pytest.raises(OSError, match="sync refused"):
            disk.sync("x")
        disk.sync("x")

    assert outcomes(build, "x") == {b"safe", b"safe1", b"safe12"}


def test_names_need_the_folder_synced() -> None:
    """A new file may be gone; a replaced one is the old or the new, never nothing."""

    def build(disk: MemoryDisk) -> None:
        put(disk, "x", b"old")
        disk.append("y", b"1")
        disk.sync("y")
        disk.write("t", b"new")
        disk.sync("t")
        disk.replace("t", "x")

    assert outcomes(build, "x") == {b"old", b"new"}
    assert outcomes(build, "y") == {None, b"1"}


def test_a_full_disk_takes_what_fits() -> None:
    """The rest is refused; deleting makes room."""
    disk = MemoryDisk(capacity=10)
    disk.append("x", b"123456")
    with pytest.raises(OSError, match="no room"):
        disk.append("y", b"123456")
    assert disk.names() == {"x": 6, "y": 4}
    assert disk.free() == 0
    disk.remove("x")
    disk.append("y", b"12")
    assert disk.free() == 4


def test_a_write_fails_at_the_byte_it_is_told_to() -> None:
    """Once, over several writes."""
    disk = MemoryDisk()
    disk.fail_write_after = 5
    disk.append("x", b"123")
    with pytest.raises(OSError, match="write refused"):
        disk.append("x", b"456")
    assert disk.read("x", 0, 9) == b"12345"
    disk.append("x", b"6")
    assert disk.read("x", 0, 9) == b"123456"


def test_a_broken_disk_refuses_all_but_reading() -> None:
    """And ``reading_fails`` the rest."""
    disk = MemoryDisk()
    disk.append("x", b"1")
    disk.broken = True
    for act in (
        lambda: disk.append("x", b""),
        lambda: disk.sync("x"),
        lambda: disk.truncate("x", 0),
        lambda: disk.remove("x"),
        lambda: disk.replace("x", "y"),
        disk.sync_folder,
    ):
        with pytest.raises(OSError, match="broken"):
            act()
    assert disk.read("x", 0, 1) == b"1"
    disk.reading_fails = True
    with pytest.raises(OSError, match="read refused"):
        disk.read("x", 0, 1)


def test_a_process_dies_between_two_changes() -> None:
    """What it had done by then is on the disk, and nothing else happens until it is healed."""
    disk = MemoryDisk()
    disk.die_after = 2
    disk.append("x", b"1")
    disk.sync("x")
    assert not disk.dead
    for _ in range(2):
        with pytest.raises(Died):
            disk.append("x", b"2")
    assert disk.dead
    disk.heal()
    disk.append("x", b"3")
    assert disk.read("x", 0, 9) == b"13"


def test_bytes_rot_on_demand() -> None:
    """Flipped and cut for good."""
    disk = MemoryDisk()
    disk.append("x", b"abc")
    disk.sync("x")
    disk.sync_folder()
    disk.flip("x", 1, 0x20)
    disk.cut("x", 2)
    disk.crash(Random(1))
    assert disk.read("x", 0, 9) == b"aB"
