"""Remote write's requests, read back by the library of protocol buffers with Prometheus' schema."""

from __future__ import annotations

import math
import struct

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.wire import remote_write as wire
from metronome.wire.prometheus_protobuf import Native, Side
from tests.remote_write import Histogram, read_1, read_2, read_natives

TIME = 1_700_000_010_000
LABELS = wire.sorted_labels("hits_total", [("code", "200"), ("Zone", "ü"), ("empty", "")])


def test_labels_are_sorted_and_not_empty() -> None:
    """By name, byte by byte; a label without a value is none."""
    assert LABELS == (("Zone", "ü"), ("__name__", "hits_total"), ("code", "200"))


def test_a_request_of_1() -> None:
    """Series with labels and one sample each."""
    pieces = wire.joined([wire.piece_1(LABELS), wire.piece_1((("__name__", "up"),))])
    request = wire.filled(pieces, np.array([3.5, -1.0]), TIME)
    assert read_1(wire.compressed(request)) == {
        LABELS: [(TIME, 3.5)],
        (("__name__", "up"),): [(TIME, -1.0)],
    }


def test_a_request_of_2() -> None:
    """Texts stand once in a table; each series has its type, help and start."""
    symbols = wire.Symbols()
    counter = wire.Family("hits_total", "counter", "hits")
    gauge = wire.Family("up", "gauge", "hits")
    pieces = wire.joined(
        [
            wire.piece_2(LABELS, counter, TIME - 10_000, symbols),
            wire.piece_2((("__name__", "up"),), gauge, 0, symbols),
        ]
    )
    request = symbols.written() + wire.filled(pieces, np.array([3.5, -1.0]), TIME)
    found, told = read_2(wire.compressed(request))
    assert found == {LABELS: [(TIME, 3.5)], (("__name__", "up"),): [(TIME, -1.0)]}
    assert told == {LABELS: (1, "hits", "", TIME - 10_000), (("__name__", "up"),): (2, "hits", "", 0)}
    assert len(symbols) == len({"", "Zone", "ü", "__name__", "hits_total", "code", "200", "up", "hits"})


@given(
    st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=5),
    st.floats(allow_nan=False),
    st.integers(0, 2**42 - 1),
)
def test_any_text_value_and_time(labels: dict[str, str], value: float, time: int) -> None:
    """What is written is read back, whatever it is, in both protocols."""
    named = wire.sorted_labels("x", {k: v for k, v in labels.items() if k != wire.NAME}.items())
    request = wire.filled(wire.joined([wire.piece_1(named)]), np.array([value]), time)
    assert read_1(wire.compressed(request)) == {named: [(time, value)]}
    symbols = wire.Symbols()
    piece = wire.piece_2(named, wire.Family("x", "gauge", ""), 0, symbols)
    request = symbols.written() + wire.filled(wire.joined([piece]), np.array([value]), time)
    assert read_2(wire.compressed(request))[0] == {named: [(time, value)]}


def test_the_marker_of_a_series_that_ends_has_its_bits() -> None:
    """Prometheus knows the marker by its bits, so they must arrive."""
    (piece,) = [wire.piece_1(LABELS)]
    request = wire.filled(wire.joined([piece]), np.array([wire.STALE]), TIME)
    ((_, value),) = read_1(wire.compressed(request))[LABELS]
    assert math.isnan(value)
    assert struct.pack("<d", value) == (0x7FF0000000000002).to_bytes(8, "little")


def test_native_histograms() -> None:
    """Buckets of both signs, whole counts as differences, others as they are."""
    symbols = wire.Symbols()
    head = wire.head_2(LABELS, wire.Family("hits", "histogram", ""), symbols)
    for factor in (1.0, 0.5):
        below = Side([-3, 2], [4.0 * factor, 2.0 * factor])
        above = Side([0, 1, 5], [3.0 * factor, factor, 7.0 * factor])
        buckets = Native(2, 1e-9, 6 * factor, below, above)
        request = symbols.written() + wire.native(head, buckets, 12.5, TIME - 1, TIME)
        ((time, found),) = read_natives(wire.compressed(request))[LABELS]
        assert time == TIME
        assert found == Histogram(
            23 * factor,
            12.5,
            2,
            6 * factor,
            ((-3, 4 * factor), (2, 2 * factor)),
            ((0, 3 * factor), (1, factor), (5, 7 * factor)),
            TIME - 1,
        )


def test_metadata_of_1() -> None:
    """Families' types and help stand apart from the series."""
    written = wire.metadata_1(
        [wire.Family("hits_total", "counter", "say hits"), wire.Family("a", "summary", "")]
    )
    assert read_1(wire.compressed(written), metadata=True) == [(1, "hits_total", "say hits"), (5, "a", "")]


def test_no_series_are_no_bytes() -> None:
    """Nothing to send is nothing."""
    assert wire.filled(wire.joined([]), np.empty(0), TIME) == b""


@pytest.mark.parametrize("time", [-1, 2**42])
def test_times_that_do_not_fit(time: int) -> None:
    """A time before 1970 or after 2109 is a mistake."""
    with pytest.raises(ValueError, match="no time"):
        wire.filled(wire.joined([wire.piece_1(LABELS)]), np.array([1.0]), time)


def test_snappy_is_one_block() -> None:
    """The block form, whose first bytes are the length, and not the framed one."""
    assert bytes(cramjam.snappy.decompress_raw(wire.compressed(b"a" * 300))) == b"a" * 300
    assert wire.compressed(b"a" * 300)[:2] == b"\xac\x02"
