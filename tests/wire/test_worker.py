"""What a gateway and its workers say to each other survives the way, however it is cut."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel.interface import Dialect, Reject
from metronome.wire import worker as wire

SETTINGS = wire.Settings(
    [wire.Place(3, "main", Dialect()), wire.Place(4, "shop", Dialect(gauge_delta=False, influx_tags=False))],
    1000,
    "mappings: []\n",
)
COUNTED = wire.Counted(
    "main", {"lines": 3, "rejected:bad_name": 1}, [Reject("bad_name", bytes(range(256)), "::1")], [("::1", 2)]
)

FRAMES = [
    (wire.settings(SETTINGS), wire.SETTINGS),
    (wire.number(wire.TAKE, 7), wire.TAKE),
    (wire.frame(wire.REST), wire.REST),
    (wire.counts(COUNTED), wire.COUNTS),
    (wire.of_stream(wire.EVENTS, "main", b"_e{1,1}:a|b\n_sc|a|0"), wire.EVENTS),
    (wire.of_stream(wire.SHOWN, "main", b"a\0b:1|c"), wire.SHOWN),
]
"""One of each, and what it is."""


def test_what_is_said_is_what_is_heard() -> None:
    """Settings, numbers, counts, and bytes of a stream, every byte of them."""

    def content(frame: bytes) -> bytes:
        return wire.Frames().feed(frame)[0][1]

    assert wire.read_settings(content(FRAMES[0][0])) == SETTINGS
    assert wire.read_number(content(FRAMES[1][0])) == 7
    assert wire.read_number(content(wire.number(wire.WATCH, True))) == 1
    assert content(FRAMES[2][0]) == b""
    assert wire.read_counts(content(FRAMES[3][0])) == COUNTED
    assert wire.read_of_stream(content(FRAMES[5][0])) == ("main", b"a\0b:1|c")


def test_frames_are_cut_anywhere() -> None:
    """At every byte, and byte by byte: the same frames in the same order."""
    said = b"".join(frame for frame, _ in FRAMES)
    whole = wire.Frames().feed(said)
    assert [what for what, _ in whole] == [what for _, what in FRAMES]
    for at in range(len(said) + 1):
        frames = wire.Frames()
        assert frames.feed(said[:at]) + frames.feed(said[at:]) == whole
    frames = wire.Frames()
    assert [found for byte in said for found in frames.feed(bytes([byte]))] == whole


@pytest.mark.parametrize("length", [0, (64 << 20), 0xFFFFFFFF])
def test_a_length_that_can_be_none_is_damage(length: int) -> None:
    """It is told at once, not when so much has come in."""
    with pytest.raises(ValueError, match="a frame of"):
        wire.Frames().feed(length.to_bytes(4, "little") + b"\x01")


@given(
    st.one_of(st.binary(max_size=40), st.sampled_from([b"[]", b"[1,2,3]", b'["a",{"b":"c"},[]]', b"null"])),
    st.sampled_from([wire.read_number, wire.read_settings, wire.read_counts, wire.read_of_stream]),
)
def test_damage_is_a_value_error(content: bytes, read: Callable[[bytes], object]) -> None:
    """Whatever is read, nothing else is raised."""
    with suppress(ValueError):
        assert read(content) is not None
