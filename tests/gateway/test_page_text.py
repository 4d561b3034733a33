"""The page in text: what the arrays of the board say."""

from __future__ import annotations

import numpy as np
import pytest

from metronome.gateway.beside import HISTOGRAM, SUMMARY, Manner
from metronome.kernel import hash64
from metronome.kernel.families import Escaping
from metronome.model import Kind
from metronome.wire.negotiation import Form, Wanted
from metronome.wire.prometheus_protobuf import Exemplar
from tests.gateway.page_kit import Shown, key, rows_of


def timers(shown: Shown, manner: Manner, beside: list[float], n: float, seen: float = 5.0) -> None:
    """One series that is shown in this manner."""
    sheet = shown.sheet()
    sheet.manners.append(manner)
    last = len(sheet.manners) - 1
    numbers, _ = sheet.numbers(rows_of([key("t", Kind.TIMER, x="1")]), seen, seen)
    sheet.of_manner(np.arange(sheet.roster.room), None)
    sheet.of_manner(numbers, last)
    shown.board.hear(sheet, numbers, seen)
    values, places = sheet.beside(numbers, last)
    values[places] = beside
    sheet.n[numbers] = n


def test_summaries() -> None:
    """They have the quantiles that are wanted, and none from long ago; counts are whole."""
    shown = Shown()
    timers(shown, Manner(SUMMARY, "told", (0.999,)), [2.4, 7.0], 14.0)
    assert shown.page(5.0) == (
        '# HELP t told\n# TYPE t summary\nt{x="1",quantile="0.999"} 7\nt_sum{x="1"} 14\nt_count{x="1"} 2\n'
    )
    assert shown.lines(6.0)[0] == 't{x="1",quantile="0.999"} NaN'
    assert shown.lines(6.0, Form.OPEN_METRICS)[-1] == 't_created{x="1"} 5'


def test_negative_summaries() -> None:
    """OpenMetrics forbids negative quantiles and sums; they are left out there only."""
    shown = Shown()
    timers(shown, Manner(SUMMARY, "told", (0.5, 0.9)), [np.inf, -1.5, 2.0], -3.0)
    assert len(shown.lines()) == 4
    assert shown.lines(form=Form.OPEN_METRICS) == [
        't{x="1",quantile="0.9"} 2',
        't_count{x="1"} 1e+308',
        't_created{x="1"} 5',
    ]


@pytest.mark.parametrize(
    ("limit", "n", "summed"), [(0.5, 30.0, True), (0.5, -1.0, False), (-0.5, 30.0, False)]
)
def test_histograms(limit: float, n: float, summed: bool) -> None:
    """Buckets add up, and the last one is the count; OpenMetrics wants no sum of negative things."""
    shown = Shown()
    timers(shown, Manner(HISTOGRAM, "told", (), (limit, 10.0)), [2.0, 0.0, 1.5], n)
    sums = [f't_sum{{x="1"}} {n:g}', 't_count{x="1"} 4']
    buckets = [
        f't_bucket{{x="1",le="{limit}"}} 2',
        't_bucket{x="1",le="10.0"} 2',
        't_bucket{x="1",le="+Inf"} 4',
    ]
    assert shown.lines() == buckets + sums
    assert shown.lines(form=Form.OPEN_METRICS)[:-1] == buckets + (sums if summed else [])


def test_families_stand_together() -> None:
    """Of whatever stream, each with one head."""
    shown = Shown()
    shown.put(key("a", Kind.COUNTER, x="1"), 1)
    shown.put(key("b"), 2)
    shown.put(key("b", x='"'), 3, stream="shop")
    shown.put(key("a", Kind.COUNTER), 4, stream="shop")
    assert shown.page() == (
        "# HELP a_total a (counter)\n# TYPE a_total counter\n"
        'a_total{x="1"} 1\na_total{stream="shop"} 4\n'
        '# HELP b b (gauge)\n# TYPE b gauge\nb 2\nb{x="\\"",stream="shop"} 3\n'
    )


def test_counters_have_their_beginning() -> None:
    """In OpenMetrics, when they began to be counted."""
    shown = Shown()
    shown.put(key("a.b", Kind.COUNTER), 3, 7.9)
    assert shown.lines(form=Form.OPEN_METRICS) == ["a_b_total 3", "a_b_created 7"]
    text = shown.page(wanted=Wanted(Form.OPEN_METRICS, Escaping.UTF8))
    assert '{"a.b_total"} 3\n{"a.b_created"} 7\n' in text


def test_names_that_are_one_with_underscores() -> None:
    """Who is told names as they were sent has a family for each of them, also when they come in turns."""
    shown = Shown()
    for number, name in enumerate(["b", "a.b", "a_b", "a.b", "a-b", "a_b"]):
        shown.put(key(name, Kind.COUNTER, x=str(number)), number, stream=("main", "shop")[number % 2])
    assert shown.page().count("# TYPE") == 2
    lines = shown.page(wanted=Wanted(Form.TEXT_1, Escaping.UTF8)).splitlines()
    blocks = "\n".join(lines).split("# HELP ")[1:]
    assert {block.partition(" ")[0] for block in blocks} == {
        "b_total",
        '"a.b_total"',
        '"a-b_total"',
        "a_b_total",
    }
    assert len(blocks) == 4
    told = [block.splitlines() for block in blocks if block.startswith('"a.b_total"')]
    assert told == [
        [
            '"a.b_total" a.b (counter)',
            '# TYPE "a.b_total" counter',
            '{"a.b_total",x="1",stream="shop"} 1',
            '{"a.b_total",x="3",stream="shop"} 3',
        ]
    ]
    shown.put(key("c.d", x="1"), 7)
    assert shown.page(wanted=Wanted(Form.TEXT_1, Escaping.DOTS)).count("# TYPE") == 5


def test_an_empty_page() -> None:
    """Has nothing on it."""
    assert Shown().page() == ""
    shown = Shown()
    shown.sheet()
    assert shown.page() == ""


def test_exemplars() -> None:
    """Behind a counter's value, and the bucket that theirs is in; in OpenMetrics alone."""
    shown = Shown()
    one = Exemplar((("trace_id", 'a"b'),), 2.0, 1.5)
    counter, gauge = key("a", Kind.COUNTER), key("b")
    shown.put(counter, 3)
    shown.put(gauge, 3)
    timers(shown, Manner(HISTOGRAM, "told", (), (1.0, 2.0, 3.0)), [0.0, 1.0, 0.0, 0.0], 2.0)
    shown.exemplars.keep("main", [hash64(counter), hash64(gauge), hash64(key("t", Kind.TIMER, x="1"))], one)
    tail = ' # {trace_id="a\\"b"} 2 1.5'
    found = shown.lines(form=Form.OPEN_METRICS)
    assert [line for line in found if "#" in line] == [
        "a_total 3" + tail,
        't_bucket{x="1",le="2.0"} 1' + tail,
    ]
    assert not any("#" in line for line in shown.lines())
