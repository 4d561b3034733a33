"""A page: who is on it, and in which pieces it comes."""

from __future__ import annotations

import pytest

from metronome.gateway.beside import SUMMARY
from metronome.limits import METRICS_CHUNK_LINES
from metronome.model import Kind
from metronome.wire.negotiation import Form, Wanted
from tests.gateway.page_kit import Shown, key
from tests.wire.protobuf_kit import delimited, read


@pytest.mark.parametrize("form", [Form.TEXT, Form.PROTOBUF])
def test_nothing_of_a_page_is_lost_between_its_pieces(form: Form) -> None:
    """Whatever family goes over how many of them."""
    shown = Shown()
    for name in ("c", "d", "e"):
        shown.hear([key(name, Kind.COUNTER, x=str(at)) for at in range(METRICS_CHUNK_LINES // 2 + 7)])
    shown.hear([key(f"single{at}") for at in range(2 * METRICS_CHUNK_LINES)])
    whole = b"".join(shown.begin(wanted=Wanted(form)).pieces())
    count = 3 * (METRICS_CHUNK_LINES // 2 + 7) + 2 * METRICS_CHUNK_LINES
    if form is Form.TEXT:
        lines = whole.decode().splitlines()
        assert len([line for line in lines if not line.startswith("#")]) == count
        assert len(set(lines)) == len(lines) == count + 2 * (2 * METRICS_CHUNK_LINES + 3)
    else:
        families = [read(message) for message in delimited(whole)]
        assert len({family[1][0] for family in families}) == len(families) == 2 * METRICS_CHUNK_LINES + 3
        assert sum(len(family[4]) for family in families) == count


def test_pieces() -> None:
    """They have about as many samples as can be written in one turn, whatever they are of."""
    shown = Shown()
    shown.hear([key("c", Kind.COUNTER, x=str(at)) for at in range(METRICS_CHUNK_LINES)])
    numbers, _ = shown.hear([key("t", Kind.TIMER, x=str(at)) for at in range(METRICS_CHUNK_LINES)])
    shown.sheet().beside(numbers, SUMMARY)
    pieces = [piece.decode() for piece in shown.begin().pieces()]
    assert [piece.count("# HELP") for piece in pieces].count(0) == len(pieces) - 2
    lines = [len(piece.splitlines()) for piece in pieces]
    assert sum(lines) == 7 * METRICS_CHUNK_LINES + 4
    assert max(lines) < 1.1 * METRICS_CHUNK_LINES


def test_who_leaves_while_a_page_is_written() -> None:
    """Is left out of what is still to come, and its number is nobody else's until the page ends."""
    shown = Shown()
    keys = [key(f"n{at}") for at in range(2 * METRICS_CHUNK_LINES)]
    numbers, _ = shown.hear(keys)
    pieces = shown.begin().pieces()
    first = next(pieces)
    shown.board.remove(shown.sheet(), numbers)
    later, _ = shown.hear([key(f"later{at}") for at in range(3)])
    assert later.min() >= len(keys)
    assert b"".join(pieces) == b""
    assert b"n0 0\n" in first
    again, _ = shown.hear([key(f"then{at}") for at in range(3)])
    assert again.max() < len(keys)


def test_a_page_that_nobody_reads_on() -> None:
    """Holds nothing back once it is closed."""
    shown = Shown()
    numbers, _ = shown.hear([key("a")])
    pieces = shown.begin().pieces()
    next(pieces)
    shown.board.remove(shown.sheet(), numbers)
    assert len(shown.sheet().roster) == 1
    pieces.close()
    assert len(shown.sheet().roster) == 0
