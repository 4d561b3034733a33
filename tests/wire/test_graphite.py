"""Graphite lines, written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.wire.graphite import Line, encode, number_text, safe_path, tag_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (3.0, "3"),
        (-12.5, "-12.5"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1e300, "1e+300"),
        (1 / 3, "0.3333333333333333"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    """Whole numbers have no decimal point, others are as short as they can be."""
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back(value: float) -> None:
    """Every finite double reads back as itself, its sign of zero apart."""
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((), ""),
        ((("a", "1"), ("b", "x y")), ";a=1;b=x_y"),
        ((("a=b;c", "1;2=3"),), ";a_b_c=1_2=3"),
        ((("a", "~x"), ("b", "")), ";a=_x;b=_"),
    ],
)
def test_tags(labels: tuple[tuple[str, str], ...], text: str) -> None:
    """What carbon forbids in tags becomes an underscore, and so does an empty value."""
    assert tag_text(labels) == text


def test_encode() -> None:
    """A line for each value, in order, with whole seconds."""
    points = [Line("a.b;c=d", 1.5, 1700000000), Line("größe", 2.0, 1)]
    assert encode(points) == b"a.b;c=d 1.5 1700000000\n" + "größe 2 1\n".encode()


@given(st.text(min_size=1), st.dictionaries(st.text(min_size=1), st.text()))
def test_always_one_line_of_three_words(name: str, labels: dict[str, str]) -> None:
    """Whatever a name or a label holds, it cannot end the line or add a word to it."""
    path = safe_path(name) + tag_text(tuple(sorted(labels.items())))
    line = encode([Line(path, math.pi, 5)]).decode()
    assert line.split() == [path, "3.141592653589793", "5"]
    assert line.endswith("\n")
    assert line.count("\n") == 1
