"""Records as bytes: the layout by hand, and scanning through damage."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.journal.format import CUT, DAMAGED, HEADER_BYTES, MAGIC, MORE, Span, bytes_of, encode, scan
from metronome.limits import RECORD_BYTES


def records(position: int, *payloads: bytes, kind: int = 1) -> bytes:
    """One append for each payload."""
    parts: list[bytes] = []
    for payload in payloads:
        encode(position, kind, [payload], parts)
        position += HEADER_BYTES + len(payload)
    return b"".join(parts)


def test_the_layout_is_what_the_documentation_says() -> None:
    """Magic, CRC seeded with the folded position, length, kind, payload; little endian."""
    position = (7 << 32) + 5
    body = struct.pack("<IB", 3, 9) + b"abc"
    expected = b"\x89Mt\n" + struct.pack("<I", zlib.crc32(body, 7 ^ 5)) + body
    assert records(position, b"abc", kind=9) == expected
    assert bytes_of([b"abc", b""]) == 29


def test_an_append_of_several_marks_all_but_the_last() -> None:
    """The positions follow each other; MORE stands in all records but the last."""
    parts: list[bytes] = []
    assert encode(100, 2, [b"a", b"bb", b""], parts) == [100, 114, 129]
    spans = list(scan(b"".join(parts), 100, 142))
    assert spans == [Span(100, 114, 2 | MORE), Span(114, 129, 2 | MORE), Span(129, 142, 2)]


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 1 << 62))
def test_what_is_encoded_is_scanned(payloads: list[bytes], position: int) -> None:
    """Any payloads at any position come back, one behind the other."""
    data = records(position, *payloads)
    spans = list(scan(data, position, position + len(data)))
    assert [span.kind for span in spans] == [1] * len(payloads)
    starts = [span.position - position for span in spans]
    assert [data[at + 13 : at + 13 + len(one)] for at, one in zip(starts, payloads, strict=True)] == payloads


@pytest.mark.parametrize("elsewhere", [1, 13, 4096, 1 << 32])
def test_a_good_record_in_the_wrong_place_is_damage(elsewhere: int) -> None:
    """The CRC knows where the record belongs."""
    data = records(1000, b"stale")
    assert next(scan(data, 1000 + elsewhere, 1 << 40)).kind == DAMAGED
    end = 1000 + elsewhere + len(data)
    assert list(scan(data, 1000 + elsewhere, end)) == [Span(1000 + elsewhere, end, DAMAGED)]


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_garbage_in_front_costs_no_good_record(garbage: bytes, payload: bytes) -> None:
    """Whatever stands in front, also with magics in it, the record behind is found."""
    for front in (garbage, garbage + MAGIC, MAGIC[:3], garbage + records(0, b"stale")[:15]):
        data = front + records(len(front), payload)
        spans = list(scan(data, 0, len(data)))
        assert spans[-1] == Span(len(front), len(data), 1)
        if front:
            assert spans[:-1] == [Span(0, len(front), DAMAGED)]


def test_every_cut_is_either_complete_or_known_to_be_cut() -> None:
    """Data that ends early yields CUT at the last record with how far to read on."""
    data = records(0, b"first", b"second")  # 18 and 19 bytes
    for size in range(1, len(data)):
        start = 18 if size >= 18 else 0
        rest = size - start
        whole = [Span(0, 18, 1)] if start else []
        known = start + (HEADER_BYTES if rest < HEADER_BYTES else 19 if start else 18)
        cut = [Span(start, known, CUT)] if rest else []
        assert list(scan(data[:size], 0, len(data))) == whole + cut


def test_a_cut_at_the_limit_is_damage() -> None:
    """Nothing can follow there, so there is nothing to wait for."""
    data = records(0, b"payload")
    for size in range(1, len(data)):
        assert list(scan(data[:size], 0, size)) == [Span(0, size, DAMAGED)]


def test_a_magic_cut_in_two_by_the_window_is_found() -> None:
    """The last three bytes of garbage are left for the next window."""
    front = b"twenty bytes of dust"
    data = front + records(20, b"good")
    for size in range(20, 24):
        spans = list(scan(data[:size], 0, len(data)))
        assert [span.kind for span in spans] == [DAMAGED, CUT]
        resumed = spans[-1].position
        assert resumed <= 20
        assert list(scan(data[resumed:], resumed, len(data)))[-1] == Span(20, len(data), 1)


def test_a_length_beyond_the_limit_is_damage() -> None:
    """However much may follow, nobody waits for a record that cannot be."""
    head = MAGIC + struct.pack("<IIB", 0, RECORD_BYTES + 1, 1)
    assert next(scan(head + bytes(20), 0, 1 << 40)).kind == DAMAGED
