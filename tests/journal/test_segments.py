"""The list of segments: names, extents, what may go."""

from __future__ import annotations

import pytest

from metronome.journal.segments import Extent, Segments, first_of, name_of


def test_names_sort_as_positions_do() -> None:
    """Twenty digits; anything else is no segment."""
    assert name_of(42) == "00000000000000000042.seg"
    assert first_of(name_of(1 << 60)) == 1 << 60
    assert sorted([name_of(9), name_of(10), name_of(1 << 50)]) == [name_of(9), name_of(10), name_of(1 << 50)]


@pytest.mark.parametrize("name", ["identity", "42.seg", name_of(1) + ".new", "x" + name_of(1)])
def test_other_files_are_no_segments(name: str) -> None:
    """A temporary file above all."""
    assert first_of(name) is None


def test_a_segment_ends_where_the_next_begins() -> None:
    """Whatever the size of its file; the last one ends where the caller says."""
    segments = Segments({0: 150, 100: 50, 150: 10})
    assert segments.extents(155) == (Extent(0, 100), Extent(100, 150), Extent(150, 155))
    assert segments.extents(155, 149) == (Extent(100, 150), Extent(150, 155))
    assert segments.extents(155, 150) == (Extent(150, 155),)
    assert segments.extents(155, 900) == (Extent(150, 155),)
    assert segments.size == 210


def test_growing_and_beginning() -> None:
    """The active segment grows; a new one starts empty; the same one again changes nothing."""
    segments = Segments({0: 0})
    segments.grow(30)
    segments.begin(30)
    segments.grow(5)
    segments.begin(30)
    assert (segments.size, len(segments), segments.oldest) == (35, 2, 0)
    segments.grow(0)
    assert segments.size == 30


def test_what_has_been_passed_leaves_and_counts_until_it_is_deleted() -> None:
    """Only whole segments below the floor, never the active one; size falls with ``left``."""
    segments = Segments({0: 100, 100: 50, 150: 10})
    assert segments.leave(99) == []
    assert segments.leave(100) == [0]
    assert (segments.oldest, segments.size) == (100, 160)
    assert segments.leave(1000) == [0, 100]
    assert (segments.oldest, len(segments)) == (150, 1)
    assert segments.leave(1000) == []
    segments.left(0)
    segments.left(0)
    assert segments.size == 60
    segments.left(100)
    assert segments.size == 10


def test_a_position_before_the_oldest_is_the_oldest() -> None:
    """A reader that was too slow goes on where there is something."""
    assert Segments({100: 5, 105: 0}).extents(105, 3) == (Extent(100, 105), Extent(105, 105))
