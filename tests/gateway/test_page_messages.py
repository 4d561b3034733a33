"""The page as protocol buffers, read back."""

from __future__ import annotations

import numpy as np

from metronome.fold.native import codes_of
from metronome.gateway.beside import HISTOGRAM, SUMMARY, Manner
from metronome.kernel import hash64
from metronome.kernel.families import Escaping
from metronome.model import Kind
from metronome.wire.negotiation import Form, Wanted
from metronome.wire.prometheus_protobuf import Exemplar
from tests.gateway.page_kit import Shown, key, rows_of
from tests.wire.protobuf_kit import Message, buckets, delimited, labels, read, time, unfolded

ONE = Exemplar((("trace_id", "abc"),), 2.0, 1.5)


def families(
    shown: Shown, escaping: Escaping = Escaping.UNDERSCORES, recent: float = 0.0
) -> dict[str, Message]:
    whole = b"".join(shown.begin(recent, Wanted(Form.PROTOBUF, escaping)).pieces())
    found = [read(message) for message in delimited(whole)]
    assert len({one[1][0] for one in found}) == len(found)
    return {one[1][0].decode(): one for one in found}


def metrics(family: Message, field: int) -> list[tuple[dict[str, str], Message]]:
    return [(labels(one), read(one[field][0])) for one in map(read, family[4])]


def test_counters_and_gauges() -> None:
    """With their names as the client wants them, their beginning, and an exemplar."""
    shown = Shown()
    shown.put(key("a.b", Kind.COUNTER, x="1"), 3, 7.0)
    shown.put(key("a.b", Kind.COUNTER, x="2"), 4, 8.0)
    shown.put(key("size_bytes"), 5, stream="shop")
    shown.exemplars.keep("main", [hash64(key("a.b", Kind.COUNTER, x="2"))], ONE)
    found = families(shown)
    assert list(found) == ["a_b_total", "size_bytes"]
    assert (found["a_b_total"][2], found["a_b_total"][3], found["size_bytes"][5]) == (
        [b"a.b (counter)"],
        [0],
        [b"bytes"],
    )
    (one, first), (other, second) = metrics(found["a_b_total"], 3)
    assert (one, first[1], time(first[3][0]), 2 in first) == ({"x": "1"}, [3], 7, False)
    assert (other, second[1], time(second[3][0])) == ({"x": "2"}, [4], 8)
    assert (labels(read(second[2][0])), read(second[2][0])[2]) == ({"trace_id": "abc"}, [2.0])
    assert metrics(found["size_bytes"], 2) == [({"stream": "shop"}, {1: [5.0]})]
    assert list(families(shown, Escaping.UTF8)) == ["a.b_total", "size_bytes"]


def test_summaries() -> None:
    """Quantiles, sum, count and beginning."""
    shown = Shown()
    numbers, _ = shown.hear([key("t", Kind.TIMER)], 5.0)
    values, places = shown.sheet().beside(numbers, SUMMARY)
    values[places], shown.sheet().n[numbers] = [3.0, 1.0, 2.0, 3.0, 4.0], 9.0
    ((_, found),) = metrics(families(shown)["t"], 4)
    assert (found[1], found[2], time(found[4][0])) == ([3], [9.0], 5)
    quantiles = [(read(one)[1][0], read(one)[2][0]) for one in found[3]]
    assert quantiles == [(0.5, 1.0), (0.9, 2.0), (0.95, 3.0), (0.99, 4.0)]
    ((_, found),) = metrics(families(shown, recent=6.0)["t"], 4)
    assert np.isnan(read(found[3][0])[2][0])


def test_histograms() -> None:
    """Classic buckets and, where a manner wants them, native ones; no more than it says."""
    shown = Shown()
    sheet = shown.sheet(manners=(Manner(HISTOGRAM, "told", (), (2.0,), schema=3, most=3),))
    numbers, _ = sheet.numbers(rows_of([key("t", Kind.TIMER, x=x) for x in "ab"]), 5.0, 5.0)
    sheet.of_manner(numbers, len(sheet.manners) - 1)
    shown.board.hear(sheet, numbers, 5.0)
    values, places = sheet.beside(numbers, len(sheet.manners) - 1)
    values[places], sheet.n[numbers] = [[2.0, 2.0], [1.0, 0.0]], [9.0, 1.0]
    observed = np.array([1.0, 2.0, 3.0, -3.0])
    sheet.spread.add(np.zeros(4, np.int64), codes_of(observed, 3), np.ones(4))
    sheet.spread.add(np.ones(1, np.int64), np.zeros(1, np.int64), np.ones(1))
    shown.exemplars.keep("main", [hash64(key("t", Kind.TIMER, x="a"))], ONE)
    family = families(shown)["t"]
    assert (family[2], family[3]) == ([b"told"], [4])
    (_, first), (_, second) = metrics(family, 7)
    assert (first[1], first[2], read(first[3][0])[1], read(first[3][0])[2]) == ([4], [9.0], [2], [2.0])
    assert len(first[16]) == 1
    assert 3 in read(first[3][0])
    schema = unfolded(first[5][0])
    assert schema < 3
    sides = (first, 12, 13, 14), (first, 9, 10, 11)
    assert [sum(buckets(*side).values()) for side in sides] == [3, 1]
    assert sum(len(buckets(*side)) for side in sides) <= 3
    assert (second[7], buckets(second, 12, 13, 14), unfolded(second[5][0])) == ([1], {}, 3)


def test_nothing() -> None:
    """An empty page is empty."""
    assert families(Shown()) == {}
