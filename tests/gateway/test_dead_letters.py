"""Refused records are kept as they stood in the journal, each once, within a bound."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from metronome.gateway.dead_letters import DeadLetterFile, Kept, Letter, read_letter
from metronome.limits import DEAD_LETTER_REASON
from metronome.model import Events, Record
from metronome.wire import records
from tests.gateway.kit import view

DAY = "2023-11-14"
CONTENT = Events("main", [view("a")])


def lines(folder: Path) -> list[Letter]:
    """What the file holds."""
    return [read_letter(line) for line in (folder / "dead-letters.ndjson").read_bytes().splitlines()]


def test_a_letter_can_be_read_back(tmp_path: Path) -> None:
    """One line a record, whose payload decodes to the same content."""
    letters = DeadLetterFile(tmp_path)
    assert letters.put("g", Record(7, CONTENT), "the store will not have it", DAY) == ("store_rejected", DAY)
    letters.put("g", Record(9, CONTENT), "x" * 5000, DAY)
    first, second = lines(tmp_path)
    assert first[:3] == ("g", 7, DAY)
    assert first.reason == "the store will not have it"
    assert records.decode(second.kind, second.payload) == CONTENT
    assert len(second.reason) == DEAD_LETTER_REASON
    path = tmp_path / "dead-letters.ndjson"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert letters.size == path.stat().st_size


def test_a_record_is_kept_once(tmp_path: Path) -> None:
    """A batch that is refused again, in this run or the next, finds its letters there, with their day."""
    DeadLetterFile(tmp_path).put("g", Record(7, CONTENT), "no", DAY)
    again = DeadLetterFile(tmp_path)
    assert again.put("g", Record(7, CONTENT), "no", "2023-11-15") == Kept("store_rejected", DAY)
    again.put("h", Record(7, CONTENT), "no", DAY)
    assert [letter[:2] for letter in lines(tmp_path)] == [("g", 7), ("h", 7)]


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """What comes while it is full is not kept, and what a replay has in hand counts too."""
    letters = DeadLetterFile(tmp_path)
    letters.put("g", Record(7, CONTENT), "no", DAY)
    small = DeadLetterFile(tmp_path, 2 * letters.size)
    assert small.hand_over()
    assert small.put("g", Record(8, CONTENT), "no", DAY).reason == "store_rejected"
    assert small.put("g", Record(9, CONTENT), "no", DAY) == Kept("dead_letters_full", DAY)
    assert small.put("g", Record(8, CONTENT), "no", DAY).reason == "store_rejected"
    assert [letter.position for letter in lines(tmp_path)] == [8]


def test_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    """A crash in the middle of a line; the next letter begins a line of its own."""
    letters = DeadLetterFile(tmp_path)
    letters.put("g", Record(7, CONTENT), "no", DAY)
    with open(letters.path, "ab") as file:
        file.write(b'{"gateway":"g","posi')
    DeadLetterFile(tmp_path).put("g", Record(8, CONTENT), "no", DAY)
    assert [letter.position for letter in lines(tmp_path)] == [7, 8]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The caller is told, and can try the same again."""

    class Full(DeadLetterFile):
        def _write(self, descriptor: int, line: bytes) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Full(tmp_path).put("g", Record(7, CONTENT), "no", DAY)
    assert DeadLetterFile(tmp_path).put("g", Record(7, CONTENT), "no", DAY).reason == "store_rejected"
    assert [letter.position for letter in lines(tmp_path)] == [7]


def test_letters_are_handed_over_all_at_once(tmp_path: Path) -> None:
    """A replay has them in a file of its own; new ones gather beside it."""
    letters = DeadLetterFile(tmp_path)
    assert not letters.hand_over()
    letters.put("g", Record(7, CONTENT), "no", DAY)
    assert letters.hand_over()
    assert letters.hand_over(), "still in hand"
    assert not letters.path.exists()
    letters.put("g", Record(8, CONTENT), "no", DAY)
    (back,) = (read_letter(line) for line in letters.replaying.read_bytes().splitlines())
    letters.put_back(back)
    letters.put_back(back)
    letters.put_back_unread(b"?\n")
    assert DeadLetterFile(tmp_path).holds(back)
    assert letters.path.read_bytes().splitlines()[2:] == [b"?"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "empty"),
        (b"\xff", "JSON|str|UTF"),
        (b"[]", "no dead letter"),
        (b"null", "no dead letter"),
        (b"{}", "no dead letter"),
        (b'{"payload":"?"}', "base64"),
        (b'{"payload":"YQ==","x":1}', "no dead letter"),
        (Letter("g", 1, DAY, 2, "no", b"x")._replace(day=5).line, "wrong type"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_letter_is_said_to_be_none(line: bytes, said: str) -> None:
    """ValueError, whatever it is."""
    with pytest.raises(ValueError, match=said):
        read_letter(line)
