"""Values of the page as protocol buffers, read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel.families import Escaping
from metronome.model import U8
from metronome.wire.prometheus_protobuf import (
    Exemplar,
    Native,
    Side,
    counter,
    counters,
    gauges,
    histogram,
    own_family,
    summaries,
)
from tests.wire.protobuf_kit import buckets, delimited, labels, read, time, unfolded

TRACE = Exemplar((("trace_id", "abc"), ("span_id", "1")), 2.5, 100.25)
NONE = Side([], [])


def bodies(rows: U8, field: int) -> list[dict]:
    return [read(read(row.tobytes())[field][0]) for row in rows]


def test_many_counters_and_gauges() -> None:
    """A row of bytes for each."""
    values, created = np.array([1.5, np.inf]), np.array([7.0, 1.7e9])
    assert [one[1] for one in bodies(gauges(values), 2)] == [[1.5], [np.inf]]
    found = bodies(counters(values, created), 3)
    assert [one[1] for one in found] == [[1.5], [np.inf]]
    assert [time(one[3][0]) for one in found] == [7, 1.7e9]


@pytest.mark.parametrize("quantiles", [(0.5,), tuple(np.arange(1, 20) / 20)])
def test_many_summaries(quantiles: tuple[float, ...]) -> None:
    """However many quantiles there are; counts are as long as they need to be."""
    values = np.arange(2.0 * len(quantiles)).reshape(2, -1)
    rows = summaries(quantiles, values, np.array([3.0, 1e308]), np.array([-1.0, 2.0]), np.array([1.0, 2.0]))
    first, second = bodies(rows, 4)
    assert (first[1], first[2], time(first[4][0])) == ([3], [-1.0], 1)
    assert (1 << 62) < second[1][0] < (1 << 63)
    assert [(read(one)[1][0], read(one)[2][0]) for one in second[3]] == list(
        zip(quantiles, values[1].tolist(), strict=True)
    )


def test_classic_histograms() -> None:
    """Each bucket counts what is at or below its limit, the count all; an exemplar is in its bucket."""
    (found,) = bodies(
        np.frombuffer(histogram((1.0, 5.0), np.array([2.0, 2.0, 4.0]), 9.0, 5.0, None, (TRACE,)), np.uint8)[
            None
        ],
        7,
    )
    assert (found[1], found[2], time(found[15][0])) == ([4], [9.0], 5)
    first, second = map(read, found[3])
    assert (first[1], first[2], second[1], second[2]) == ([2], [1.0], [2], [5.0])
    assert 3 not in first
    one = read(second[3][0])
    assert (labels(one), one[2], time(one[3][0])) == ({"trace_id": "abc", "span_id": "1"}, [2.5], 100.25)
    assert not {5, 6, 12, 16} & found.keys()


SIDES = st.dictionaries(st.integers(-3000, 3000), st.integers(1, 1 << 40), max_size=12)


@given(SIDES, SIDES, st.integers(0, 9), st.booleans(), st.integers(-4, 5))
def test_native_histograms(
    below: dict[int, int], above: dict[int, int], zero: int, whole: bool, schema: int
) -> None:
    """Spans and counts say the same buckets, whole or not, and the count is what is in them."""
    share = 1.0 if whole else 0.25
    sides = [Side(sorted(one), [one[index] * share for index in sorted(one)]) for one in (below, above)]
    native = Native(schema, 1e-9, zero * share, *sides)
    body = histogram((), np.array([1.0]), 3.0, 5.0, native, (TRACE,))
    found = read(read(body)[7][0])
    assert (unfolded(found[5][0]), found[6]) == (schema, [1e-9])
    plain = native.whole
    assert found[7 if plain else 8] == [native.zero]
    assert found[1 if plain else 4] == [native.values]
    assert buckets(found, 9, 10, 11) == {index: count * share for index, count in below.items()}
    assert buckets(found, 12, 13, 14) == {index: count * share for index, count in above.items()}
    assert not {8, 11, 14, 4} & found.keys() or not plain
    assert labels(read(found[16][0])) == dict(TRACE.labels)
    assert 9 in found or 12 in found, "a native histogram says that it is one"


def test_an_exemplar_of_a_counter() -> None:
    """Stands beside its value."""
    found = read(read(counter(3.0, 5.0, TRACE))[3][0])
    assert (found[1], time(found[3][0]), read(found[2][0])[2]) == ([3.0], 5, [2.5])


def test_our_own_families() -> None:
    """Behind their length: name, help, type, unit and what is in them."""
    samples = [({"x_y": "é"}, 1.0), ({}, 2.0)]
    (message,) = delimited(own_family("a_bytes_total", "counter", "told", samples, Escaping.DOTS))
    found = read(message)
    assert (found[1], found[2], found[3]) == ([b"a__bytes__total"], [b"told"], [0])
    assert [(labels(read(one)), read(read(one)[3][0])[1]) for one in found[4]] == [
        ({"x__y": "é"}, [1]),
        ({}, [2]),
    ]
    (message,) = delimited(own_family("a_bytes", "gauge", "told", samples, Escaping.UTF8))
    found = read(message)
    assert (found[3], found[5], read(read(found[4][1])[2][0])) == ([1], [b"bytes"], {1: [2.0]})


def test_when_our_own_counters_began() -> None:
    """Stands in a counter, where it is known, and never in a gauge."""
    for kind, wanted in (("counter", [5]), ("gauge", [])):
        (message,) = delimited(own_family("a_total", kind, "told", [({}, 1.0)], Escaping.UTF8, 5.0))
        value = read(read(read(message)[4][0])[3 if kind == "counter" else 2][0])
        assert [time(one) for one in value.get(3, [])] == wanted
