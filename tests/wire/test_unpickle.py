"""Points come out of pickles of every protocol; nothing else ever does."""

from __future__ import annotations

import pickle
import struct
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import parse_graphite
from metronome.kernel.interface import Dialect
from metronome.limits import PICKLE_TEXT_BYTES
from metronome.wire import pickle as writer
from metronome.wire.graphite import Line
from metronome.wire.unpickle import PickleFraming, is_harmless, lines_of

PROTOCOLS = range(6)
POINTS: list[Any] = [
    ("a.b", (1_700_000_000, 1.5)),
    ("a.c", (1_700_000_001.25, 7)),
    ("long." + "n" * 300 + ";dc=eu", (-1, -2e-9)),
    ("käse.größe", (1, 2**40)),
]
LINES = (
    b"a.b 1.5 1700000000\na.c 7 1700000001.25\n"
    + f"long.{'n' * 300};dc=eu -2e-9 -1\nkäse.größe {2**40} 1\n".encode()
)


def numbers(block: bytes) -> list[tuple[bytes, float, float]]:
    """Lines taken apart, so that a number may be written in more than one way."""
    parts = [line.rsplit(b" ", 2) for line in block.splitlines()]
    return [(path, float(value), float(time)) for path, value, time in parts]


def reasons(frame: bytes) -> list[tuple[str, int]]:
    return [(reason, number) for reason, _, number in lines_of(frame)[1]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("shape", [list, tuple])
def test_every_protocol_and_either_sequence(protocol: int, shape: type) -> None:
    """Lists or tuples all the way down; equal to what plaintext would say."""
    content = shape(shape([path, shape(pair)]) for path, pair in POINTS)
    block, refused = lines_of(pickle.dumps(content, protocol))
    assert not refused
    assert numbers(block) == numbers(LINES)


@pytest.mark.parametrize(
    "frame",
    [
        b"(lp0\n(S'a.b'\np1\n(I1700000000\nF2.5\ntp2\ntp3\na.",
        b"(lp0\n(Va.b\np1\n(L1700000000L\nF2.5\ntp2\ntp3\na.",
        b"]q\x00(U\x03a.bq\x01J\x00\xf1SeG@\x04\0\0\0\0\0\0\x86q\x02\x86q\x03e.",
        b"\x80\x02]q\x00(T\x03\0\0\0a.bq\x01J\x00\xf1SeG@\x04\0\0\0\0\0\0\x86\x86e.",
        b"((U\x03a.b(J\x00\xf1SeG@\x04\0\0\0\0\0\0ttl.",
    ],
)
def test_what_python_2_and_others_write(frame: bytes) -> None:
    """Its texts are bytes, and lists may be made by other instructions."""
    assert numbers(lines_of(frame)[0]) == [(b"a.b", 2.5, 1700000000.0)]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (("a", ("1", "2.5")), b"a 2.5 1\n"),
        (("a", (b"1", b"2.5")), b"a 2.5 1\n"),
        ((b"a", (1, True)), b"a 1 1\n"),
        (("a", ("N", 2)), b"a 2 N\n"),
        (("  a b ", (1, 2)), b"a b 2 1\n"),
        (("a", (1, 2**70)), b"a %d 1\n" % 2**70),
        (("a\ud800", (1, 2)), "a\ufffd 2 1\n".encode()),
    ],
)
def test_numbers_may_be_text_and_paths_bytes(item: Any, line: bytes) -> None:
    """What carbon accepts; plaintext's own rules do the rest."""
    block, refused = lines_of(pickle.dumps([item], 3))
    assert not refused
    got, wanted = (parse_graphite(text, Dialect())[0] for text in (block, line))
    assert len(wanted) == 1
    assert got[0].name.strip("\ufffd") == wanted[0].name.strip("\ufffd")
    assert got[0][1:] == wanted[0][1:]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("ab", "malformed_line"),
        (("a", "12"), "malformed_line"),
        (("a", (1,)), "malformed_line"),
        (("a", (1, 2), 3), "malformed_line"),
        (5, "malformed_line"),
        (None, "malformed_line"),
        ((5, (1, 2)), "bad_name"),
        (("", (1, 2)), "bad_name"),
        ((" \t", (1, 2)), "bad_name"),
        (("a\nb 1 2\nc", (1, 2)), "bad_name"),
        (("a", (1, None)), "bad_value"),
        (("a", (1, [2])), "bad_value"),
        (("a", (1, "1 2")), "bad_value"),
        (("a", (1, "x")), "bad_value"),
        (("a", (1, "N")), "bad_value"),
        (("a", (1, float("nan"))), "not_finite"),
        (("a", (1, float("-inf"))), "not_finite"),
        (("a", (None, 1)), "bad_time"),
        (("a", (float("nan"), 1)), "bad_time"),
        (("a", ("soon", 1)), "bad_time"),
    ],
)
def test_a_bad_item_costs_only_itself(item: Any, reason: str) -> None:
    """Its neighbours count; it is refused by its reason."""
    frame = pickle.dumps([("x", (1, 2)), item, ("y", (3, 4.5)), item], 2)
    block, refused = lines_of(frame)
    assert numbers(block) == [(b"x", 2, 1), (b"y", 4.5, 3)]
    assert [(one.reason, one.number) for one in refused] == [(reason, 2)]


class Hostile:
    """What must never be made, called or looked up."""

    def __init__(self, *how: Any):
        self.how = how

    def __reduce__(self) -> Any:
        return self.how


UNWANTED: list[Any] = [
    {"a": 1},
    {1, 2},
    frozenset([1]),
    bytearray(b"x"),
    1j,
    int,
    len,
    sys,
    Hostile(print, ("called",)),
    Hostile(exec, ("raise SystemExit",)),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("content", UNWANTED[:7] + UNWANTED[8:], ids=repr)
def test_whatever_names_a_class_or_calls_is_refused_unread(content: Any, protocol: int) -> None:
    """In the place of a value, of a path, of an item, or of everything."""
    for whole in (content, [content], [(content, (1, 2))], [("a", (1, content))]):
        frame = pickle.dumps(whole, protocol)
        assert lines_of(frame)[0] == b""
        if not is_harmless(frame):
            assert reasons(frame) == [("bad_pickle", 1)]
    # Protocol 5's own byte arrays need no class; whatever else is here does, or is no list.
    assert not is_harmless(pickle.dumps([content], protocol))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b".",
        b"N.",
        b"I1\n.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x02]q\x00(\x82\x01e.",
        b"P1\n.",
        b"]r\xff\xff\xff\x7f.",
        b"]p99999999\n.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f].",
        b"X\xff\xff\xff\x7f.",
        b"X\xff",
        b"B\xff\xff\xff\xff",
        b"I" + b"9" * 5000 + b"\n.",
        b"]h\x09a.",
        b"]e.",
        b"(((.",
        b"K\x01K\x02a.",
        b"\x80\x63].",
        b"S'\xff\n.",
        b"](K\x01e",
        b"F1e+3003\n.",
    ],
)
def test_damage_and_bombs_are_refused(frame: bytes) -> None:
    """No exception, no great memory, one reason."""
    assert reasons(frame) == [("bad_pickle", 1)]


def test_what_the_memo_repeats_is_bounded() -> None:
    """Three bytes of a frame can name a long text; what they would add up to is counted."""
    for path in ("x" * 6000, b"x" * 6000):
        rows = [(path, (1, 2))] * 3000
        block, refused = lines_of(pickle.dumps(rows, 3))
        assert len(block) <= PICKLE_TEXT_BYTES + 6010
        assert [one.reason for one in refused] == ["too_large"]
        assert refused[0].number + block.count(b"\n") == 3000
    tracemalloc.start()
    block, refused = lines_of(pickle.dumps([("x" * 500_000, (1, 2))] * 2000, 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * PICKLE_TEXT_BYTES
    assert sum(one.number for one in refused) + block.count(b"\n") == 2000
    nested: Any = 1
    for _ in range(60):
        nested = [nested, nested]
    assert reasons(pickle.dumps([("a", (1, nested))], 2)) == [("bad_value", 1)]


def test_an_empty_list_is_nothing() -> None:
    """Neither lines nor refusals."""
    assert lines_of(pickle.dumps([], 2)) == (b"", [])


def test_what_we_write_we_read() -> None:
    """The writer's frames come back, cut at any byte."""
    points = [Line(f"a.b{index}", index * 0.1, 1_700_000_000 + index) for index in range(3)]
    stream = writer.encode(points)
    for at in range(len(stream) + 1):
        framing = PickleFraming()
        block = framing.feed(stream[:at]).block + framing.feed(stream[at:]).block
        assert numbers(block) == [(path.encode(), value, time) for path, value, time in points]


def test_a_bad_frame_costs_only_itself() -> None:
    """One too long, one damaged: the next ones count, and the connection goes on."""
    good = pickle.dumps([("a", (1, 2))], 2)
    framing = PickleFraming(limit=len(good))
    bodies = [b"x" * (len(good) + 1), good, b"cos\nsystem\n.", good]
    taken = framing.feed(b"".join(struct.pack("!L", len(body)) + body for body in bodies))
    assert taken.block.count(b"\n") == 2
    assert [one.reason for one in taken.refused] == ["frame_too_long", "bad_pickle"]
    assert not taken.lost
    framing.feed(b"\0\0")
    assert [one.reason for one in framing.end(True).refused] == ["unfinished_line"]


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)


@given(st.data(), st.sampled_from(PROTOCOLS), WILD, st.integers(0, 3))
def test_a_wild_field_never_costs_a_neighbour(data: Any, protocol: int, wild: Any, place: int) -> None:
    """A good frame with one field, pair or item replaced: the rest counts, and sums up."""
    rows: list[Any] = [("a.b", (10, 1.5)), ("c.d", (20, 2)), ("e.f", (30, -3e9))]
    at = data.draw(st.integers(0, 2))
    path, (time, value) = rows[at]
    rows[at] = [wild, (wild, (time, value)), (path, (wild, value)), (path, (time, wild))][place]
    frame = pickle.dumps(rows, protocol)
    if not is_harmless(frame):
        assert reasons(frame) == [("bad_pickle", 1)]
        return
    block, refused = lines_of(frame)
    samples, rejects = parse_graphite(block, Dialect())
    assert len(samples) + len(rejects) + sum(one.number for one in refused) == 3
    assert {sample.name for sample in samples} >= {row[0] for index, row in enumerate(rows) if index != at}


@given(st.binary(max_size=60), st.integers(0, 60))
def test_noise_never_raises(noise: bytes, at: int) -> None:
    """Bytes put into the middle of a good frame."""
    good = pickle.dumps(POINTS[:2], 2)
    frame = good[:at] + noise + good[at:]
    block, refused = lines_of(frame)
    assert block or refused or not noise.strip(b"\x80\x02")
