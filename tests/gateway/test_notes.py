"""The last distinct lines that an owner wants to see."""

from __future__ import annotations

from metronome.gateway.notes import Note, Notes
from metronome.limits import REJECTS_KEPT


def test_equal_lines_are_one_and_counted() -> None:
    """Receiver, sender, reason and text say what is equal; the time is that of the last."""
    notes = Notes()
    notes.keep(Note(1.0, "udp", "a", "bad_value", "x:y|c"))
    notes.keep(Note(2.0, "udp", "b", "bad_value", "x:y|c"))
    notes.keep(Note(3.0, "udp", "a", "bad_value", "x:z|c"))
    notes.keep(Note(4.0, "udp", "a", "bad_value", "x:y|c", 5))
    notes.keep(Note(5.0, "tcp", "a", "bad_value", "x:y|c"))
    assert [(note.time, note.source, note.sender, note.excerpt, note.count) for note in notes.rejected()] == [
        (5.0, "tcp", "a", "x:y|c", 1),
        (4.0, "udp", "a", "x:y|c", 6),
        (3.0, "udp", "a", "x:z|c", 1),
        (2.0, "udp", "b", "x:y|c", 1),
    ]


def test_unmapped_lines_are_one_for_each_name() -> None:
    """The first of them is shown; they have room of their own."""
    notes = Notes()
    for index, line in enumerate(("a.b:1|c", "a.b:2|ms", "a.c:3|c")):
        notes.keep(Note(float(index), "udp", "", "unmapped", line))
    notes.keep(Note(4.0, "udp", "", "bad_value", "a.b:x|c"))
    assert [(note.excerpt, note.count) for note in notes.unmapped()] == [("a.c:3|c", 1), ("a.b:1|c", 2)]
    assert len(notes.rejected()) == 1


def test_what_was_met_longest_ago_gives_way() -> None:
    """A line that comes again is new again."""
    notes = Notes()
    for index in range(REJECTS_KEPT):
        notes.keep(Note(0.0, "udp", "", "bad_value", f"line {index}"))
    notes.keep(Note(1.0, "udp", "", "bad_value", "line 0"))
    notes.keep(Note(1.0, "udp", "x" * 1000, "bad_value", "one more"))
    kept = notes.rejected()
    assert len(kept) == REJECTS_KEPT
    assert [note.excerpt for note in kept[:3]] == ["one more", "line 0", f"line {REJECTS_KEPT - 1}"]
    assert kept[-1].excerpt == "line 2"
    assert len(kept[0].sender) == 160
