"""How mapping rules want series shown."""

from __future__ import annotations

import pytest

from metronome.fold.mapping import load
from metronome.fold.mapping_rules import HistogramOptions, Objective, SummaryOptions
from metronome.fold.shapes import Shape, Shapes
from metronome.model import Kind, Labels, Series


def shape(text: str, name: str, kind: Kind = Kind.COUNTER, labels: Labels = ()) -> Shape | None:
    return Shapes(load(text)).of(Series(name, labels, kind))


def test_a_series_has_what_its_rule_says() -> None:
    """Options of observers are for timers only; a rule means a summary unless it says something else."""
    text = """
mappings:
- match: a.*
  name: wait
  ttl: 1m
  help: how long
  observer_type: histogram
  histogram_options: {buckets: [0.1, 1]}
- {match: b.*, name: load}
"""
    histogram = HistogramOptions(buckets=(0.1, 1))
    assert shape(text, "wait", Kind.TIMER) == Shape(60.0, "how long", histogram=histogram)
    assert shape(text, "wait", Kind.GAUGE) == Shape(60.0, "how long")
    assert shape(text, "load", Kind.TIMER) == Shape(summary=SummaryOptions())
    assert shape(text, "load", Kind.COUNTER) is None
    assert shape(text, "other", Kind.TIMER) is None


def test_what_no_rule_names_has_the_defaults() -> None:
    """As in statsd_exporter: the ttl, and what observers are."""
    text = "defaults: {ttl: 5s, observer_type: histogram, histogram_options: {buckets: [7]}}"
    assert shape(text, "a", Kind.TIMER) == Shape(5.0, histogram=HistogramOptions(buckets=(7,)))
    assert shape(text, "a", Kind.SET) == Shape(5.0)
    text = "defaults: {summary_options: {quantiles: [{quantile: 0.3, error: 0.1}]}}"
    expected = Shape(summary=SummaryOptions(quantiles=(Objective(0.3, 0.1),)))
    assert shape(text, "a", Kind.TIMER) == expected
    assert shape(text, "a", Kind.GAUGE) is None


def test_the_first_rule_that_can_have_made_it_counts() -> None:
    """Name, kind and labels tell; a rule that drops makes nothing."""
    text = r"""
mappings:
- {match: d.*, name: n, action: drop, ttl: 1s}
- {match: c.*, name: n, match_metric_type: counter, ttl: 2s}
- {match: e.*, name: n, labels: {app: shop, part: "x_$1"}, ttl: 3s}
- {match: f.*, name: n, labels: {app: shop}, honor_labels: true, ttl: 4s}
- {match: '^(.*)\.(.*)$', match_type: regex, name: "m_${1}_of_$2", ttl: 5s}
- {match: g, name: m_x_of_, ttl: 6s}
"""
    label = (("app", "shop"), ("part", "x_9"))
    assert [
        one and one.ttl
        for one in (
            shape(text, "n"),
            shape(text, "n", Kind.GAUGE, label),
            shape(text, "n", Kind.GAUGE, (("app", "shop"), ("part", "9"))),
            shape(text, "m_a_of_b"),
            shape(text, "m_x_of_"),
            shape(text, "m_of_"),
            shape(text, "xm_a_of_b"),
        )
    ] == [2.0, 3.0, 4.0, 5.0, 5.0, None, None]


@pytest.mark.parametrize(
    ("template", "name", "fits"),
    [
        ("$1", "anything", True),
        ("a$1", "a", True),
        ("a${1}b$2", "ab", True),
        ("a${1}b${2}a", "aba", True),
        ("a${1}b${2}a", "aa", False),
        ("a${1}b${2}b", "ab", False),
        ("a$1", "ba", False),
        ("x_${1}_${2}_${3}_${4}_${5}_total", "x" + "_" * 150, False),
    ],
)
def test_templates_fit_whatever_stands_for_references(template: str, name: str, fits: bool) -> None:
    """And no name takes long."""
    found = shape(f"mappings: [{{match: a.*.*.*.*.*, name: '{template}', ttl: 1s}}]", name)
    assert (found is not None) is fits


def test_whether_any_rule_has_a_ttl() -> None:
    """Who only wants to know that need not ask for each series."""
    rules = "mappings: [{match: a, name: a}, {match: b, name: b, action: drop, ttl: 1s}]"
    assert not Shapes(load(rules)).have_ttl
    assert Shapes(load("mappings: [{match: a, name: a, ttl: 1s}]")).have_ttl
    assert Shapes(load("defaults: {ttl: 1s}")).have_ttl
