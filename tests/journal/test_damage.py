"""Every byte of a small journal flipped, and every length it may be cut to."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from metronome.journal.interface import Entry
from metronome.journal.memory_disk import MemoryDisk
from metronome.journal.segments import first_of
from tests.journal.world import World

APPENDS = [
    [b"alpha"],
    [b"beta", b"gamma"],
    [b""],
    [b"delta" * 8],
    [b"epsilon", b"zeta", b"eta"],
    [b"theta\x89Mt\n"],
    [b"iota"],
    [b"kappa", b"lambda"],
]


@pytest.fixture(scope="module")
def sound() -> tuple[MemoryDisk, list[Entry]]:
    """Three segments, and what is read from them."""
    world = World(segment_bytes=110).start()
    for payloads in APPENDS:
        world.append(*payloads)
    entries = world.read()
    assert [entry.payload for entry in entries] == [one for payloads in APPENDS for one in payloads]
    assert world.journal.statistics()["segments"] == 3
    world.result(world.journal.stop())
    return world.disk, entries


def segments(disk: MemoryDisk) -> Iterator[tuple[str, int, int]]:
    """Name, first position, size."""
    for name, size in sorted(disk.names().items()):
        first = first_of(name)
        if first is not None:
            yield name, first, size


def read_back(disk: MemoryDisk) -> tuple[list[Entry], dict[str, int]]:
    """As the next process reads it, twice: what is counted must be counted once."""
    world = World(disk, segment_bytes=110).start()
    entries = world.read()
    statistics = world.journal.statistics()
    assert world.read() == entries
    assert world.journal.statistics() == statistics
    return entries, statistics


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_its_own_record_only(sound: tuple[MemoryDisk, list[Entry]], mask: int) -> None:
    """All others are read, and the books say how many bytes are gone.

    In the very last record damage looks like a torn tail: its append is cut as a whole.
    """
    disk, entries = sound
    for name, first, size in segments(disk):
        for offset in range(size):
            flipped = copy.deepcopy(disk)
            flipped.flip(name, offset, mask)
            found, statistics = read_back(flipped)
            position = first + offset
            hit = next(entry for entry in entries if entry.position <= position < entry.end)
            if hit == entries[-1]:
                assert found == entries[:-2]
                assert statistics["torn_bytes"] == entries[-1].end - entries[-2].position
                assert statistics["damaged_bytes"] == 0
            else:
                assert found == [entry for entry in entries if entry != hit]
                assert statistics["damaged_bytes"] == hit.end - hit.position
                assert statistics["damaged_records"] == 1
                assert statistics["torn_bytes"] == 0


def test_a_segment_cut_anywhere_costs_what_was_cut_off(sound: tuple[MemoryDisk, list[Entry]]) -> None:
    """In the last segment a torn tail, in the others damage up to the next segment."""
    disk, entries = sound
    files = list(segments(disk))
    last_name = files[-1][0]
    for name, first, size in files:
        for kept in range(size):
            cut = copy.deepcopy(disk)
            cut.cut(name, kept)
            found, statistics = read_back(cut)
            whole = [each for each in entries if not first + kept < each.end <= first + size]
            if name != last_name:
                assert found == whole
                end = max((each.end for each in whole if each.end <= first + kept), default=first)
                assert statistics["damaged_bytes"] == first + size - end
                assert statistics["torn_bytes"] == 0
            else:
                if whole[-1:] == entries[-2:-1]:
                    del whole[-1]  # half of the last append
                assert found == whole
                assert statistics["torn_bytes"] == first + kept - max(whole[-1].end, first)
                assert statistics["damaged_bytes"] == 0


def test_after_damage_the_journal_goes_on(sound: tuple[MemoryDisk, list[Entry]]) -> None:
    """Appending, reading and trimming work around it."""
    disk, entries = sound
    for name, _, size in segments(disk):
        damaged = copy.deepcopy(disk)
        for offset in range(size):
            damaged.flip(name, offset)
        world = World(damaged, segment_bytes=110).start()
        world.append(b"more")
        found = world.read()
        assert found[-1].payload == b"more"
        assert len(found) == sum(name != owner for owner in owners(disk, entries)) + 1
        world.journal.move("writer", world.journal.synced_end)
        world.settle()
        assert world.read(found[-1].position) == found[-1:]


def test_damage_up_to_the_end_holds_nobody(sound: tuple[MemoryDisk, list[Entry]]) -> None:
    """A consumer that finds nothing more but damage is done with it, and all can be deleted."""
    damaged = copy.deepcopy(sound[0])
    world = World(damaged, segment_bytes=110).start()
    end = world.journal.synced_end
    position = world.journal.cursor("writer")
    for name, _, size in segments(damaged):
        for offset in range(size):
            damaged.flip(name, offset)
    assert world.read(position) == []
    assert world.journal.cursor("writer") == end
    assert (world.journal.oldest, world.journal.size) == (end, 0)


def owners(disk: MemoryDisk, entries: list[Entry]) -> list[str]:
    """The segment of each entry."""
    files = list(segments(disk))
    return [
        next(name for name, first, size in files if first <= entry.position < first + size)
        for entry in entries
    ]
