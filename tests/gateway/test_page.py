"""The page in text: what the arrays of the board say, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest

from metronome.gateway.beside import HISTOGRAM, SUMMARY, Manner
from metronome.gateway.page import Page
from metronome.kernel.families import Escaping
from metronome.limits import METRICS_CHUNK_LINES
from metronome.model import Kind
from metronome.wire.negotiation import Form, Wanted
from tests.gateway.page_kit import Shown, key, rows_of


def timers(shown: Shown, manner: Manner, beside: list[float], n: float, seen: float = 5.0) -> None:
    """One series that is shown in this manner."""
    sheet = shown.sheet("main", (manner,))
    numbers, _ = sheet.numbers(rows_of([key("t", Kind.TIMER, x="1")]), seen, seen)
    sheet.of_manner(numbers, 0)
    shown.board.hear(sheet, numbers, seen)
    values, places = sheet.beside(numbers, 0)
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


def test_an_empty_page() -> None:
    """Has nothing on it."""
    assert Shown().page() == ""
    shown = Shown()
    shown.sheet()
    assert shown.page() == ""


def test_pieces() -> None:
    """They have about as many samples as can be written in one turn, whatever they are of."""
    shown = Shown()
    shown.hear([key("c", Kind.COUNTER, x=str(at)) for at in range(METRICS_CHUNK_LINES)])
    numbers, _ = shown.hear([key("t", Kind.TIMER, x=str(at)) for at in range(METRICS_CHUNK_LINES)])
    shown.sheet().beside(numbers, SUMMARY)
    pieces = [piece.decode() for piece in Page(shown.board, Wanted(), 0.0).pieces()]
    assert [piece.count("# HELP") for piece in pieces].count(0) == len(pieces) - 2
    lines = [len(piece.splitlines()) for piece in pieces]
    assert sum(lines) == 7 * METRICS_CHUNK_LINES + 4
    assert max(lines) < 1.1 * METRICS_CHUNK_LINES


def test_who_leaves_while_a_page_is_written() -> None:
    """Is left out of what is still to come, and its number is nobody else's until the page ends."""
    shown = Shown()
    keys = [key(f"n{at}") for at in range(2 * METRICS_CHUNK_LINES)]
    numbers, _ = shown.hear(keys)
    pieces = Page(shown.board, Wanted(), 0.0).pieces()
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
    pieces = Page(shown.board, Wanted(), 0.0).pieces()
    next(pieces)
    shown.board.remove(shown.sheet(), numbers)
    assert len(shown.sheet().roster) == 1
    pieces.close()
    assert len(shown.sheet().roster) == 0
