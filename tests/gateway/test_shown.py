"""Series on the page: who has which name, and who leaves."""

from __future__ import annotations

import numpy as np

from metronome.gateway.beside import HISTOGRAM, QUANTILES, SUMMARY, Manner
from metronome.gateway.shown import DROPPED, NEW, TYPES
from metronome.kernel import samples
from metronome.model import Kind
from tests.gateway.page_kit import Shown, key, rows_of


def test_the_first_has_the_name() -> None:
    """A series whose name or labels are another's waits, and takes the place that becomes free."""
    shown = Shown([("own", "gauge")])
    first, second = key("a"), key("a", Kind.COUNTER)
    numbers, clashes = shown.hear([first])
    assert clashes == 0
    assert shown.hear([second])[1] == 1
    assert shown.hear([second])[1] == 0, "it is told once"
    assert shown.hear([key("own")])[1] == 1
    assert shown.hear([key("a", Kind.SET)])[1] == 1
    assert shown.lines() == ["a 0"]
    shown.board.remove(shown.sheet(), numbers)
    assert shown.hear([second])[1] == 0
    assert shown.lines() == ["a_total 0"]
    assert len(shown.board) == 3


def test_streams_are_told_apart() -> None:
    """Equal series of two streams are both shown; of one stream one of them."""
    shown = Shown()
    assert shown.hear([key("a.b"), key("a_b")])[1] == 1
    assert shown.hear([key("a.b")], stream="shop")[1] == 0
    assert shown.hear([key("a-b")], stream="shop")[1] == 1
    assert shown.lines() == ["a_b 0", 'a_b{stream="shop"} 0']


def test_who_is_not_heard_of_leaves() -> None:
    """Each at its time; hearing of it again begins anew."""
    shown = Shown()
    one, two = key("a", x="1"), key("a", x="2")
    shown.put(one, 1.0, 1.0)
    shown.put(two, 2.0, 2.0)
    shown.put(one, 3.0, 3.0)
    list(shown.board.expire(5.0, 3.0))
    assert shown.lines() == ['a{x="1"} 3']
    list(shown.board.expire(6.0, 3.0))
    assert (shown.lines(), len(shown.board), len(shown.sheet().roster)) == ([], 0, 0)
    shown.hear([one], 4.0)
    assert shown.lines() == ['a{x="1"} 0']


def test_what_a_rule_drops_is_known() -> None:
    """It leaves the page, its name is free, and it is not heard of again."""
    shown = Shown()
    numbers, _ = shown.hear([key("a")])
    shown.board.drop(shown.sheet(), numbers)
    assert shown.sheet().state[numbers] == DROPPED
    assert shown.hear([key("a")])[1] == 0
    assert shown.hear([key("a", Kind.COUNTER)])[1] == 0
    assert shown.lines() == ["a_total 0"]
    assert len(shown.board) == 1


def test_new_series() -> None:
    """They are told once, have their beginning, and are not shown before they are heard of."""
    shown = Shown()
    shown.hear([key("a")])
    numbers, new = shown.sheet().numbers(rows_of([key("b"), key("a"), key("b")]), 7.0, 5.0)
    assert (numbers.tolist(), new.tolist()) == ([1, 0, 1], [1])
    sheet = shown.sheet()
    assert (sheet.state[1], sheet.seen[1], sheet.born[1]) == (NEW, 7, 5)
    assert shown.lines() == ["a 0"]
    shown.board.remove(sheet, new)
    assert len(shown.board) == 1


def test_manners() -> None:
    """By kind, unless it is said; what stands beside a value has as many numbers as its manner."""
    shown = Shown()
    sheet = shown.sheet(manners=(Manner(SUMMARY, "m", (0.5,)), Manner(HISTOGRAM, "h", (), (1.0, 2.0))))
    numbers, _ = sheet.numbers(rows_of([key("a", Kind.TIMER), key("b", Kind.TIMER)]), 1.0, 1.0)
    sheet.of_manner(numbers, 1)
    sheet.of_manner(numbers[:1], 0)
    assert sheet.types(numbers).tolist() == [SUMMARY, HISTOGRAM]
    values, places = sheet.beside(numbers[1:], 1)
    values[places] += [1.0, 2.0, 3.0]
    assert sheet.beside(numbers[:1], 0)[0].shape[1] == 2
    sheet.clear(numbers)
    values, places = sheet.beside(numbers[1:], 1)
    assert values[places].tolist() == [[0, 0, 0]]
    plain = shown.sheet("plain")
    numbers, _ = shown.hear([key("x", kind) for kind in Kind], stream="plain")
    kinds = [plain.manners[number].type for number in plain.manner(numbers)]
    assert [samples.TYPES[kind] for kind in kinds] == [TYPES[kind] for kind in Kind]
    assert plain.manners[SUMMARY].quantiles == QUANTILES


def test_what_a_counter_costs() -> None:
    """20 bytes, and what arrays grow ahead."""
    shown = Shown()
    for begin in range(0, 10_000, 1000):
        shown.hear([key(f"n{begin + at}", Kind.COUNTER) for at in range(1000)])
    assert shown.sheet().memory <= 10_000 * 20 * 1.5
    assert np.count_nonzero(shown.sheet().state) == 10_000
