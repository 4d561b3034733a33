"""Opening a folder: what is made, cut, kept and refused."""

from __future__ import annotations

from random import Random

import pytest

from metronome.errors import ConfigError
from metronome.journal.cursors import Cursors
from metronome.journal.disk import put
from metronome.journal.memory_disk import MemoryDisk
from metronome.journal.opening import open_folder
from metronome.journal.reading import Damage
from metronome.journal.segments import name_of
from metronome.journal.writing import Tail, write_group

IDENTITY = "00112233445566778899aabbccddeeff"


def opened(disk: MemoryDisk) -> tuple[Tail, int]:
    """The tail, and how much was torn."""
    result = open_folder(disk, lambda: IDENTITY)
    return result.tail, result.torn_bytes


def with_records(*appends: list[bytes]) -> tuple[MemoryDisk, Tail]:
    disk = MemoryDisk()
    tail, _ = opened(disk)
    for payloads in appends:
        tail = write_group(disk, tail, [(1, payloads)], 1 << 20).tail
    return disk, tail


def test_a_new_folder_gets_an_identity_and_a_segment() -> None:
    """Both survive a loss of power at once; the identity is made only once."""
    disk = MemoryDisk()
    assert open_folder(disk, lambda: IDENTITY).identity == IDENTITY
    disk.crash(Random(1))
    assert disk.names() == {"identity": 33, name_of(0): 0}
    assert open_folder(disk, lambda: "f" * 32).identity == IDENTITY


@pytest.mark.parametrize("content", [b"", b"short", b"g" * 32, b"0" * 33, b"\xff" * 32])
def test_a_damaged_identity_is_refused(content: bytes) -> None:
    """Another id would make every replayed part a new one; a person has to decide."""
    disk = MemoryDisk()
    put(disk, "identity", content)
    with pytest.raises(ConfigError, match="32 hexadecimal digits"):
        opened(disk)


def test_a_bad_source_of_identities_is_not_written_down() -> None:
    """The next start may do better."""
    disk = MemoryDisk()
    with pytest.raises(ConfigError):
        open_folder(disk, lambda: "me")
    assert opened(disk) == (Tail(0, 0), 0)


def test_a_tail_torn_anywhere_is_cut_to_the_last_whole_append() -> None:
    """Every length of the last record; what is cut is counted and gone from the disk."""
    for missing in range(1, 17):
        disk, tail = with_records([b"kept"], [b"torn"])
        disk.cut(name_of(0), tail.end - missing)
        assert opened(disk) == (Tail(17, 17), 17 - missing)
        assert disk.names()[name_of(0)] == 17
        assert opened(disk) == (Tail(17, 17), 0)


def test_an_append_of_several_is_torn_as_a_whole() -> None:
    """All or none of it: its first record does not stay alone."""
    for missing in range(1, 30):
        disk, tail = with_records([b"kept"], [b"one", b"two"])
        disk.cut(name_of(0), tail.end - missing)
        assert opened(disk)[0] == Tail(17, 17)


def test_damage_in_front_of_good_records_is_not_cut() -> None:
    """It is told; the records behind it count."""
    disk, tail = with_records([b"good"], [b"evil"], [b"good"])
    disk.flip(name_of(0), 20)
    result = open_folder(disk, lambda: IDENTITY)
    assert (result.tail.end, result.torn_bytes, result.damages) == (tail.end, 0, [Damage(17, 34)])


def test_only_the_last_segment_is_read() -> None:
    """Damage in the others does not hold up the start; it is met when they are read."""
    disk, tail = with_records([b"one"])
    tail = write_group(disk, tail, [(1, [b"two"])], 1).tail
    disk.flip(name_of(0), 5)
    result = open_folder(disk, lambda: IDENTITY)
    assert result.damages == []
    assert result.sizes == {0: 16, 16: 16, 32: 0}


def test_what_is_found_is_synced_before_it_is_used() -> None:
    """A killed process leaves bytes in the kernel; after the start they are durable."""
    other, tail = with_records([b"record"])
    disk = MemoryDisk()
    opened(disk)
    disk.append(name_of(0), other.read(name_of(0), 0, 99))
    for seed in range(5):
        assert opened(disk) == (Tail(tail.end, tail.end), 0)
        disk.crash(Random(seed))
        assert disk.names()[name_of(0)] == tail.end


def test_every_start_begins_a_new_segment() -> None:
    """The old file may be one whose last sync failed; an empty one is made anew."""
    disk, tail = with_records([b"x"])
    disk.append(name_of(0), b"torn")
    disk.fail_syncs = 1
    with pytest.raises(OSError, match="sync refused"):
        disk.sync(name_of(0))
    for _ in range(3):
        tail, _ = opened(disk)
        assert tail == Tail(14, 14)
        disk.fail_syncs = 1
        with pytest.raises(OSError, match="sync refused"):
            disk.sync(name_of(14))
    tail, _ = opened(disk)
    tail = write_group(disk, tail, [(1, [b"y"])], 1 << 20).tail
    disk.crash(Random(1))
    assert opened(disk)[0] == Tail(28, 28)


def test_a_disk_that_refuses_writes_is_opened_for_reading() -> None:
    """What is there can be read and sent on; the tail has to be mended first."""
    disk, tail = with_records([b"x"])
    disk.append(name_of(0), b"torn")
    disk.broken = True
    result = open_folder(disk, lambda: IDENTITY)
    assert result.tail == Tail(0, tail.end, clean=False)
    assert isinstance(result.failure, OSError)
    assert result.torn_bytes == 4
    disk.broken = False
    assert opened(disk) == (Tail(14, 14), 4)


def test_leftovers_are_deleted() -> None:
    """Files that were being put, and the probe's."""
    disk, _ = with_records([b"x"])
    for name in ("cursors.json.new", name_of(14) + ".new", "probe"):
        disk.append(name, b"rest")
    opened(disk)
    assert sorted(disk.names()) == [name_of(0), name_of(14), "identity"]


def test_damaged_cursors_are_none() -> None:
    """And it is told why."""
    disk, _ = with_records([b"x"])
    put(disk, "cursors.json", Cursors({"writer": 14}).encode())
    assert open_folder(disk, lambda: IDENTITY).cursors == {"writer": 14}
    disk.flip("cursors.json", 12, 1)
    result = open_folder(disk, lambda: IDENTITY)
    assert result.cursors == {}
    assert result.cursors_damage


def test_positions_that_cursors_know_are_never_used_again() -> None:
    """Segments that somebody took away leave a gap, not a second life."""
    disk, _ = with_records([b"x"])
    put(disk, "cursors.json", Cursors({"writer": 5000}).encode())
    assert open_folder(disk, lambda: IDENTITY).sizes == {0: 14, 5000: 0}
    assert opened(disk)[0] == Tail(5000, 5000)
    for name in [name_of(0), name_of(5000)]:
        disk.remove(name)
    assert opened(disk)[0] == Tail(5000, 5000)
