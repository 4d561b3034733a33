"""What is kept of what was sent, on a clock that a test turns."""

from __future__ import annotations

import os
from pathlib import Path

from metronome.gateway.window import Chunk, Window
from metronome.limits import CARBON_WINDOW_MEMORY

MUCH = 1 << 20


def filled(window: Window, *texts: bytes) -> Window:
    """Chunks that left at second 0, 1, 2 and so on, and complete 1, 2, 3."""
    for second, text in enumerate(texts):
        window.put(Chunk(text, 1, second + 1), second)
    return window


def texts(window: Window, now: float) -> list[bytes]:
    """All that is to be written now."""
    found = []
    while (chunk := window.due(now)) is not None:
        found.append(chunk.data)
    return found


def test_confirmed_after_a_while() -> None:
    """What left long enough ago is let go, and what it completes is done."""
    window = filled(Window(10, 0, MUCH), b"a", b"b", b"c")
    window.prune(9.9)
    assert (window.confirmed, window.first) == (0, 1)
    window.prune(11)
    assert (window.confirmed, window.first) == (2, 3)
    window.prune(12)
    assert (window.confirmed, window.first, window.size, window.let_go) == (3, None, 0, 0)


def test_what_has_not_left_yet() -> None:
    """What was written last is not confirmed before all of it has left, however short its time."""
    window = filled(Window(0, 0, MUCH), b"a", b"b")
    window.prune(5, False)
    assert window.confirmed == 1
    window.prune(5)
    assert window.confirmed == 2


def test_all_again_after_a_break() -> None:
    """What is kept is to be written again, in order, and its time begins anew."""
    window = filled(Window(10, 0, MUCH), b"a", b"b", b"c")
    assert texts(window, 5) == []
    window.broken()
    window.prune(100)
    assert window.confirmed == 0
    assert texts(window, 100) == [b"a", b"b", b"c"]
    window.prune(109)
    assert window.confirmed == 0
    window.prune(110)
    assert window.confirmed == 3


def test_nothing_new_before_what_is_due() -> None:
    """A break in the middle of sending again begins from the front once more."""
    window = filled(Window(10, 0, MUCH), b"a", b"b", b"c")
    window.broken()
    first = window.due(20)
    assert first is not None
    assert first.data == b"a"
    window.broken()
    assert texts(window, 21) == [b"a", b"b", b"c"]


def test_marks() -> None:
    """What has no bytes is done with what was sent before it."""
    window = Window(10, 0, MUCH)
    window.mark(5)
    assert window.confirmed == 5
    window.put(Chunk(b"a", 1, 0), 0)
    window.mark(7)
    assert window.confirmed == 5
    window.prune(10)
    assert window.confirmed == 7


def test_a_second_time() -> None:
    """With ``again`` everything is written twice, and kept for its time after that."""
    window = filled(Window(10, 30, MUCH), b"a", b"b")
    assert window.next_due() == 30
    assert texts(window, 29) == []
    assert texts(window, 30) == [b"a"]
    assert window.next_due() == 31
    window.prune(39)
    assert window.confirmed == 0
    window.prune(40)
    assert window.confirmed == 1
    assert texts(window, 41) == [b"b"]
    assert window.next_due() is None
    window.broken()
    assert texts(window, 60) == [b"b"]
    assert window.next_due() == 90
    assert texts(window, 90) == [b"b"]


def test_too_much_is_let_go() -> None:
    """Beyond the bound the oldest go, counted, as if they were confirmed."""
    window = Window(10, 0, 100)
    for number in range(20):
        window.put(Chunk(bytes(range(number, number + 50)), 3, number + 1), number / 100)
        window.prune(number / 100)
    assert window.size <= 100
    assert window.confirmed == 19
    assert window.let_go == 19 * 3


def test_taken_back() -> None:
    """Others may have what is not confirmed; then nothing is kept here."""
    window = filled(Window(10, 0, MUCH), b"a", b"b", b"c")
    window.prune(10)
    assert [chunk.data for chunk in window.take_back()] == [b"b", b"c"]
    assert (window.size, window.first, texts(window, 50)) == (0, None, [])


def test_bytes_are_kept_small() -> None:
    """Lines of one period resemble each other."""
    lines = b"".join(b"stats.counters.web%d.requests.count %d 1700000000\n" % (n, n * 7) for n in range(500))
    window = filled(Window(10, 0, MUCH), lines)
    assert window.size < len(lines) / 5
    window.broken()
    assert texts(window, 0) == [lines]


def test_what_memory_has_no_room_for_is_sent_again_too(tmp_path: Path) -> None:
    """From files, in the same order, and taken back from there; nothing is left when all is confirmed."""
    window = Window(10, 0, 64 * MUCH, tmp_path)
    pieces = [bytes([number]) + os.urandom(CARBON_WINDOW_MEMORY // 3) for number in range(9)]
    filled(window, *pieces)
    assert window.size > 2 * CARBON_WINDOW_MEMORY
    assert window.held <= CARBON_WINDOW_MEMORY
    window.broken()
    assert texts(window, 8) == pieces
    window.prune(18)
    assert (window.size, window.held, window.confirmed) == (0, 0, 9)
    filled(window, *pieces)
    assert [chunk.data for chunk in window.take_back()] == pieces
    assert (window.size, window.held) == (0, 0)


def test_what_cannot_be_read_from_its_file_is_left_out_and_counted(tmp_path: Path) -> None:
    """The rest is sent again all the same."""
    window = Window(10, 0, 64 * MUCH, tmp_path)
    pieces = [bytes([number]) + os.urandom(CARBON_WINDOW_MEMORY) for number in range(2)]
    filled(window, *pieces)
    links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    (number,) = [int(path.name) for path in links if str(tmp_path) in os.readlink(path)]
    os.truncate(number, os.fstat(number).st_size - 1)
    window.broken()
    assert texts(window, 2) == [pieces[0]]
    assert window.let_go == 1
    window.prune(20)
    assert window.confirmed == 2
