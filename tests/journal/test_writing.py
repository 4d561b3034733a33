"""Writing a group, and that a failed one leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metronome.journal.memory_disk import MemoryDisk
from metronome.journal.reading import read_entries
from metronome.journal.segments import Extent, name_of
from metronome.journal.writing import PROBE, Tail, Written, begin_segment, probe, write_group
from metronome.limits import PROBE_BYTES

GROUP = [(1, [b"aa", b"bb"]), (2, [b"cc"])]  # 45 bytes


def fresh(segment_at: int = 0) -> tuple[MemoryDisk, Tail]:
    disk = MemoryDisk()
    return disk, begin_segment(disk, segment_at)


def test_a_group_is_written_behind_the_tail() -> None:
    """Positions by append; the tail moves; kinds and payloads are read back."""
    disk, tail = fresh(1000)
    written = write_group(disk, tail, GROUP, 1 << 20)
    assert written == Written(Tail(1000, 1045), [[1000, 1015], [1030]])
    found = read_entries(disk, [Extent(1000, 1045)], 0, 1 << 20)
    assert [(entry.kind, entry.payload) for entry in found.entries] == [(1, b"aa"), (1, b"bb"), (2, b"cc")]


def test_a_full_segment_is_followed_by_a_new_one() -> None:
    """Begun at the end; a group is never split, and an empty segment takes any group."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 60).tail
    written = write_group(disk, tail, GROUP, 60)
    assert written.tail == Tail(45, 90)
    assert written.positions == [[45, 60], [75]]
    assert write_group(disk, Tail(90, 90), GROUP, 1).tail == Tail(90, 135)
    assert disk.names() == {name_of(0): 45, name_of(45): 45, name_of(90): 45}


def test_an_empty_group_may_rotate() -> None:
    """With no bytes allowed in the active segment; an empty one is left as it is."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 100).tail
    assert write_group(disk, tail, [], 0) == Written(Tail(45, 45), [])
    assert write_group(disk, Tail(45, 45), [], 0) == Written(Tail(45, 45), [])


def fail_write(disk: MemoryDisk) -> None:
    disk.fail_write_after = 20


def fail_sync(disk: MemoryDisk) -> None:
    disk.fail_syncs = 1


def fail_sync_and_undoing(disk: MemoryDisk) -> None:
    disk.fail_syncs = 2


def fill(disk: MemoryDisk) -> None:
    disk.capacity = 45 + 30


@pytest.mark.parametrize("fault", [fail_write, fail_sync, fail_sync_and_undoing, fill])
@pytest.mark.parametrize("segment_bytes", [1 << 20, 50])
def test_a_failed_group_leaves_nothing(fault: Callable[[MemoryDisk], None], segment_bytes: int) -> None:
    """The failure is told; the next group goes to the same position and only it is read."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, segment_bytes).tail
    fault(disk)
    written = write_group(disk, tail, [(7, [b"never seen", b"by anyone" * 5])], segment_bytes)
    assert isinstance(written.failure, OSError)
    assert written.positions == []
    assert written.tail.end == 45
    disk.capacity = 1 << 20
    tail = probe(disk, written.tail)
    written = write_group(disk, tail, [(3, [b"good"])], segment_bytes)
    assert written.positions == [[45]]
    extents = [Extent(0, 45), Extent(45, 62)] if written.tail.first else [Extent(0, 62)]
    found = read_entries(disk, extents, 0, 1 << 20)
    assert [entry.kind for entry in found.entries] == [1, 1, 2, 3]
    assert found.damages == []


def test_after_a_failed_sync_the_file_is_not_trusted() -> None:
    """A new segment begins at the same position; the old file ends there."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 1 << 20).tail
    fail_sync(disk)
    assert write_group(disk, tail, GROUP, 1 << 20).tail == Tail(45, 45)
    assert disk.names() == {name_of(0): 45, name_of(45): 0}


def test_an_empty_segment_is_replaced_after_a_failed_sync() -> None:
    """It has the name that the new one needs."""
    disk, tail = fresh()
    fail_sync(disk)
    tail = write_group(disk, tail, GROUP, 1 << 20).tail
    assert tail == Tail(0, 0)
    assert disk.names() == {name_of(0): 0}
    assert write_group(disk, tail, GROUP, 1 << 20).tail == Tail(0, 45)


def test_a_failed_write_is_cut_off_in_place() -> None:
    """No need for another segment on a full disk."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 1 << 20).tail
    fill(disk)
    assert write_group(disk, tail, GROUP, 1 << 20).tail == tail
    assert disk.names() == {name_of(0): 45}


def test_a_broken_disk_leaves_the_tail_unclean_until_the_probe_mends_it() -> None:
    """Nothing is written behind bytes that nobody knows."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 1 << 20).tail
    disk.broken = True
    written = write_group(disk, tail, GROUP, 1 << 20)
    assert written.tail == Tail(0, 45, clean=False)
    with pytest.raises(OSError, match="broken"):
        probe(disk, written.tail)
    disk.broken = False
    assert probe(disk, written.tail) == Tail(45, 45)
    assert disk.names() == {name_of(0): 45, name_of(45): 0}


def test_a_rotation_that_fails_is_finished_before_anything_is_written() -> None:
    """Its new file may be on disk, and would hide what is written into the old one."""
    disk, tail = fresh()
    tail = write_group(disk, tail, GROUP, 50).tail
    disk.fail_syncs = 2
    written = write_group(disk, tail, GROUP, 50)
    assert written.tail == Tail(0, 45, clean=False)
    assert probe(disk, written.tail) == Tail(45, 45)


def test_the_probe_wants_room() -> None:
    """As much as it writes; it leaves no file, also when it fails."""
    disk, tail = fresh()
    disk.capacity = PROBE_BYTES - 1
    with pytest.raises(OSError, match="no room"):
        probe(disk, tail)
    disk.capacity = PROBE_BYTES
    disk.fail_write_after = 100
    with pytest.raises(OSError, match="write refused"):
        probe(disk, tail)
    assert PROBE not in disk.names()
    assert probe(disk, tail) == tail
    assert PROBE not in disk.names()
