"""Selections as queries."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.glob import matches
from metronome.model import EventSelection, Kind, Selection
from metronome.store.elastic_query import lucene, of_events, of_selection, unapplied

GLOBS = st.text(st.sampled_from("ab.*?[]{},\\!-"), max_size=8)


@pytest.mark.parametrize(
    ("glob", "expression", "exact"),
    [
        ("*", ".*", True),
        ("http.*", r"http\..*", True),
        ("{a,b}?", "(a|b).", True),
        ('q"<1>', r"q\"\<1\>", True),
        ("[ab]c*", "..*".replace("..", ".c."), False),
        ("{,a}", ".*", False),
        ("a*b*c*d*e*f", "a.*", False),
        ("x" * 900 + "*", "x" * 900 + ".*", False),
    ],
)
def test_globs_as_lucene_has_them(glob: str, expression: str, exact: bool) -> None:
    """Exactly where that can be said; else more than is wanted."""
    assert lucene(glob) == (expression, exact)


@given(GLOBS, st.text(st.sampled_from("ab.,!-*?[]{}\\"), max_size=6))
def test_no_expression_takes_less_than_its_glob(glob: str, text: str) -> None:
    """And one that says it is exact takes no more.  (Escapes mean the same to Python here.)"""
    expression, exact = lucene(glob)
    taken = re.fullmatch(expression, text, re.DOTALL) is not None
    assert taken or not matches(glob, text)
    if exact:
        assert taken == matches(glob, text)


def test_a_selection_is_a_list_of_conditions() -> None:
    """Stream, time, kind, name, labels; nothing for what is not asked for."""
    assert of_selection(Selection("main", "*")).wanted == [{"term": {"stream": "main"}}]
    filters = of_selection(
        Selection("main", "http.x", (("a", "b"), ("c", "*"), ("d", "e*")), Kind.TIMER, 5, 10)
    )
    assert filters.exact
    assert filters.wanted == [
        {"term": {"stream": "main"}},
        {"range": {"@timestamp": {"gte": 5, "lt": 10, "format": "epoch_millis"}}},
        {"term": {"kind": "timer"}},
        {"term": {"name": "http.x"}},
        {"term": {"label_pairs": "a=b"}},
        {"prefix": {"label_pairs": "c="}},
        {"regexp": {"label_pairs": {"value": r"d=e.*", "flags": "NONE"}}},
    ]
    assert not of_selection(Selection("main", "[ab]")).exact
    assert not of_selection(Selection("main", "*", (("a", "[ab]"),))).exact


def test_events_without_an_item_can_be_asked_for() -> None:
    """Their documents have no ``id``."""
    assert of_events(EventSelection("m", item="")).unwanted == [{"exists": {"field": "id"}}]
    assert {"term": {"id": "a"}} in of_events(EventSelection("m", item="a")).wanted
    assert {"terms": {"type": ["view"]}} in of_events(EventSelection("m", types=("view",))).wanted


def test_what_is_not_applied_is_left_out() -> None:
    """Of each gateway what stands at its position or behind."""
    (clause,) = unapplied({"g": 7})
    assert clause["bool"]["filter"] == [{"term": {"gateway": "g"}}, {"range": {"position": {"gte": 7}}}]
