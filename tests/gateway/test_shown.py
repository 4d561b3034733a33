"""Series on the page: who has which name, and who leaves."""

from __future__ import annotations

from metronome.gateway.shown import Board, Family, Shown
from metronome.wire import prometheus_text as text


def shown(name: str, kind: str = "gauge", stream: str = "main", **labels: str) -> Shown:
    return Shown(name, kind, "meaning", tuple(labels.items()), stream)


def lines(board: Board, recent: float = 0.0) -> str:
    return "".join(board.lines(recent, False))


def test_the_first_has_the_name() -> None:
    """A series whose name or labels are another's waits, and takes the place that becomes free."""
    board = Board([Family("own", "gauge", "")])
    first, second = shown("a"), shown("a", "counter")
    assert board.put("first", first, 1.0)
    assert not board.put("second", second, 1.0)
    assert board.put("second", second, 2.0), "it is told once"
    assert not board.put("own", shown("own"), 2.0)
    assert not board.put("same", shown("a"), 2.0)
    board.remove("first")
    board.put("second", second, 3.0)
    assert "a_total 0\n" in lines(board)
    assert len(board) == 3


def test_who_is_not_heard_of_leaves() -> None:
    """Each at its time; hearing of it again begins anew."""
    board = Board([])
    one, two = shown("a", x="1"), shown("a", x="2")
    board.put(1, one, 1.0)
    board.put(2, two, 2.0)
    board.put(1, one, 3.0)
    board.expire(2.0)
    assert (board.find(1), board.find(2)) == (one, None)
    assert board.places() == [1]
    board.expire(3.0)
    assert lines(board) == ""
    board.remove("nobody")


def test_values() -> None:
    """A summary has the quantiles that are wanted, none from before; a histogram its buckets."""
    summary, histogram = shown("s", "summary", "shop"), shown("h", "histogram")
    summary.wanted, summary.quantiles, summary.seen = (0.999,), (7.0,), 5.0
    summary.n, summary.observations = 14.0, 2.0
    histogram.buckets, histogram.counts, histogram.n = (1.0,), [2.0, 1.0], 9.0
    assert summary.value(5.0) == text.Summary((("0.999", 7.0),), 14.0, 2.0)
    assert str(summary.value(6.0).quantiles) == "(('0.999', nan),)"
    assert histogram.value(0.0) == text.Histogram((1.0,), (2.0, 1.0), 9.0)
    assert summary.labels == 'stream="shop"'
