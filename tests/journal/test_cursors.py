"""Cursors, pins, and the file that may not lie."""

from __future__ import annotations

import pytest

from metronome.journal.cursors import Cursors, decode_cursors


def test_a_new_consumer_begins_at_the_oldest() -> None:
    """And is known from then on; one that fell behind is lifted."""
    cursors = Cursors({"writer": 5})
    assert cursors.at("writer", 0) == (5, False)
    assert cursors.at("writer", 9) == (9, True)
    assert cursors.at("converter", 9) == (9, True)
    assert cursors.at("converter", 9) == (9, False)


def test_moving_is_forward_only() -> None:
    """Back or in place changes nothing and says so."""
    cursors = Cursors({})
    assert cursors.move("writer", 10)
    assert not cursors.move("writer", 10)
    assert not cursors.move("writer", 3)
    assert cursors.at("writer", 0) == (10, False)


def test_who_stands_in_damage_is_lifted_over_it() -> None:
    """And nobody else."""
    cursors = Cursors({"before": 9, "first": 10, "inside": 15, "behind": 20})
    assert cursors.lift(10, 20)
    assert [cursors.at(name, 0)[0] for name in ("before", "first", "inside", "behind")] == [9, 20, 20, 20]
    assert not cursors.lift(10, 20)


def test_the_floor_is_the_least_of_cursors_and_pins() -> None:
    """Without consumers everything is kept, whatever is pinned."""
    cursors = Cursors({})
    pin = cursors.pin(50)
    assert cursors.floor() == 0
    cursors.move("a", 100)
    cursors.move("b", 70)
    assert cursors.floor() == 50
    other = cursors.pin(60)
    cursors.unpin(pin)
    assert cursors.floor() == 60
    cursors.unpin(other)
    assert cursors.floor() == 70
    assert cursors.forget("b")
    assert not cursors.forget("b")
    assert cursors.floor() == 100
    with pytest.raises(KeyError):
        cursors.unpin(pin)


def test_the_file_comes_back() -> None:
    """Pins are not in it: whoever pinned is gone."""
    cursors = Cursors({"wrîter": 1 << 60, "b": 0})
    cursors.pin(3)
    assert decode_cursors(cursors.encode()) == {"wrîter": 1 << 60, "b": 0}
    assert decode_cursors(Cursors({}).encode()) == {}


def test_no_flipped_bit_moves_a_cursor() -> None:
    """Every bit of the file flipped: the same cursors, or an error; never others."""
    cursors = {"writer": 123456, "converter": 99}
    data = Cursors(cursors).encode()
    refused = 0
    for at in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        try:
            assert decode_cursors(bytes(flipped)) == cursors
        except ValueError:
            refused += 1
    assert refused > len(data) * 7


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"cursors": 3}', b'{"cursors": {"a": 1}}', b"\xff"])
def test_other_content_is_refused(data: bytes) -> None:
    """An empty file, another shape, no checksum, no text."""
    with pytest.raises(ValueError, match=r"."):
        decode_cursors(data)
