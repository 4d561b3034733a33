"""Reading over windows and segments, and the book of damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.journal.interface import Entry
from metronome.journal.memory_disk import MemoryDisk
from metronome.journal.reading import Damage, DamageBook, Found, read_entries, walk
from metronome.journal.segments import Extent, name_of
from metronome.journal.writing import begin_segment, write_group


def written(*segments: list[bytes], first: int = 0) -> tuple[MemoryDisk, list[Extent]]:
    """A disk with one record for each payload, kind 5, and its extents."""
    disk = MemoryDisk()
    extents = []
    for payloads in segments:
        tail = begin_segment(disk, first)
        for payload in payloads:
            tail = write_group(disk, tail, [(5, [payload])], 1 << 40).tail
        extents.append(Extent(first, tail.end))
        first = tail.end
    return disk, extents


def texts(found: Found) -> list[bytes]:
    return [entry.payload for entry in found.entries]


def test_reading_goes_over_segments_until_there_is_enough() -> None:
    """``most`` is reached or passed by the last entry; at least one is given."""
    disk, extents = written([b"a" * 10, b"b" * 10], [b"c" * 10])
    assert [one[:1] for one in texts(read_entries(disk, extents, 0, 100))] == [b"a", b"b", b"c"]
    assert [one[:1] for one in texts(read_entries(disk, extents, 0, 11))] == [b"a", b"b"]
    assert [one[:1] for one in texts(read_entries(disk, extents, 23, 1))] == [b"b"]
    assert read_entries(disk, extents[1:], 46, 1).entries == [Entry(46, 69, 5, b"c" * 10)]
    assert read_entries(disk, extents[1:], 69, 1) == Found([], [])


def test_the_kind_comes_without_the_mark_for_more() -> None:
    """Also for the records of an append of several."""
    disk = MemoryDisk()
    tail = write_group(disk, begin_segment(disk, 0), [(127, [b"a", b"b"])], 1 << 20).tail
    assert [entry.kind for entry in read_entries(disk, [Extent(0, tail.end)], 0, 99).entries] == [127, 127]


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 90))
def test_no_window_makes_a_difference(sizes: list[int], window: int) -> None:
    """Records smaller and larger than the window, cut by it anywhere."""
    payloads = [bytes([number]) * size for number, size in enumerate(sizes)]
    disk, [extent] = written(payloads, first=7)
    entries = list(walk(disk, extent, 7, window))
    assert [entry.payload for entry in entries if isinstance(entry, Entry)] == payloads
    ends = [7, *(entry.end for entry in entries)]
    assert ends[:-1] == [entry.position for entry in entries]
    assert ends[-1] == extent.end


@given(st.integers(0, 5), st.integers(1, 60), st.integers(0, 22), st.integers(1, 255))
def test_damage_is_one_stretch_over_any_windows(record: int, window: int, at: int, mask: int) -> None:
    """A flipped byte costs its own record, whatever the window."""
    payloads = [bytes([65 + number]) * 10 for number in range(6)]
    disk, [extent] = written(payloads)
    disk.flip(name_of(0), record * 23 + at, mask)
    met = list(walk(disk, extent, 0, window))
    assert [each for each in met if isinstance(each, Damage)] == [Damage(record * 23, record * 23 + 23)]
    del payloads[record]
    assert [each.payload for each in met if isinstance(each, Entry)] == payloads


def test_a_segment_that_is_short_or_gone_is_damage() -> None:
    """From where it ends to where the next one begins."""
    disk, extents = written([b"a" * 10, b"b" * 10], [b"c" * 10], [b"d" * 10])
    disk.cut(name_of(0), 30)
    disk.remove(name_of(46))
    found = read_entries(disk, extents, 0, 1000)
    assert [one[:1] for one in texts(found)] == [b"a", b"d"]
    assert found.damages == [Damage(23, 46), Damage(46, 69)]


def test_what_stands_behind_the_extent_is_not_read() -> None:
    """A record that was written and failed there belongs to nothing, good as it looks."""
    disk, [extent] = written([b"kept", b"failed"])
    assert texts(read_entries(disk, [Extent(0, 17)], 0, 99)) == [b"kept"]
    assert extent.end == 36


@pytest.mark.parametrize("position", range(1, 23))
def test_a_read_from_inside_a_record_goes_on_at_the_next(position: int) -> None:
    """That is no damage, and is not reported as such."""
    disk, extents = written([b"a" * 10, b"b" * 10])
    assert read_entries(disk, extents, position, 99) == Found([Entry(23, 46, 5, b"b" * 10)], [])


def test_a_read_from_inside_damage_reports_the_damage() -> None:
    """What it saw of it."""
    disk, extents = written([b"a" * 10, b"b" * 10, b"c" * 10])
    disk.flip(name_of(0), 30)
    found = read_entries(disk, extents, 28, 99)
    assert texts(found) == [b"c" * 10]
    assert found.damages == [Damage(28, 46)]


def test_damage_is_entered_once() -> None:
    """Stretches that touch are one; only new bytes count."""
    book = DamageBook()
    assert book.note(Damage(100, 120))
    assert not book.note(Damage(100, 120))
    assert not book.note(Damage(105, 110))
    assert (book.records, book.bytes) == (1, 20)
    assert book.note(Damage(200, 210))
    assert book.note(Damage(110, 130))
    assert (book.records, book.bytes) == (2, 40)
    assert book.note(Damage(90, 205))
    assert (book.records, book.bytes) == (2, 120)
    assert book.note(Damage(10, 20))
    assert (book.records, book.bytes) == (3, 130)


def test_the_book_forgets_what_is_trimmed_but_not_the_counts() -> None:
    """Else it would grow for ever."""
    book = DamageBook()
    for start in range(0, 1000, 10):
        book.note(Damage(start, start + 1))
    book.forget(995)
    assert (book.records, book.bytes) == (100, 100)
    assert book.note(Damage(5, 6))
    assert book.bytes == 101
