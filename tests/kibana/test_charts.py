"""Charts as parameters: what they measure and how ids hang together."""

from __future__ import annotations

from typing import Any

import pytest

from metronome.kibana import charts
from metronome.kibana.charts import Measure

MEAN = Measure("mean", charts.ratio("n", "d"), 'kind : "timer"', "name")


def ids(panel: dict[str, Any]) -> list[str]:
    return [metric["id"] for series in panel["series"] for metric in series["metrics"]]


def test_a_mean_is_a_sum_by_a_sum() -> None:
    """The variables of the formula name the metrics before it; lines are those of the largest n."""
    (series,) = charts.lines([MEAN])["series"]
    first, second, formula = series["metrics"]
    assert [(one["type"], one["field"]) for one in (first, second)] == [("sum", "n"), ("sum", "d")]
    assert [one["field"] for one in formula["variables"]] == [first["id"], second["id"]]
    assert [one["name"] for one in formula["variables"]] == ["n", "d"]
    assert formula["script"] == "divide(params.n, params.d)"
    assert (series["split_mode"], series["terms_field"]) == ("terms", "name")
    assert series["terms_order_by"] == first["id"]
    assert series["filter"] == {"query": 'kind : "timer"', "language": "kuery"}


@pytest.mark.parametrize(
    ("panel", "kind", "whole"),
    [
        (charts.lines([MEAN, MEAN]), "timeseries", False),
        (charts.bars([MEAN]), "top_n", True),
        (charts.number(MEAN), "metric", True),
        (charts.rows("name", "name", [MEAN, MEAN]), "table", True),
    ],
)
def test_each_kind_of_chart(panel: dict[str, Any], kind: str, whole: bool) -> None:
    """Ids differ within a chart; all but lines are about the whole time."""
    assert panel["type"] == kind
    assert len(set(ids(panel))) == len(ids(panel))
    assert (panel.get("time_range_mode") == "entire_time_range") is whole
    assert [series["id"] for series in panel["series"]] == [f"s{i}" for i in range(len(panel["series"]))]


def test_a_tables_rows_are_its_pivots() -> None:
    """So its columns are not split again."""
    panel = charts.rows("name", "name", [MEAN], 'kind : "timer"')
    assert panel["pivot_id"] == "name"
    assert panel["filter"]["query"] == 'kind : "timer"'
    assert panel["series"][0]["split_mode"] == "everything"


def test_shares_and_single_numbers() -> None:
    """A share has two queries; bars are stacked, lines are not."""
    (metric,) = charts.share("a : 1", "b : 2")
    assert (metric["numerator"]["query"], metric["denominator"]["query"]) == ("a : 1", "b : 2")
    (bar,) = charts.lines([Measure("x", charts.count(), chart="bar")])["series"]
    assert (bar["stacked"], bar["chart_type"]) == ("stacked", "bar")
    assert charts.of("max", "p95") == ({"id": "m1", "type": "max", "field": "p95"},)


def test_a_table_of_terms() -> None:
    """A count, and a bucket for each field under its heading."""
    state = charts.terms([("id", "item"), ("format", "format")])
    assert [(one["type"], one["schema"]) for one in state["aggs"]] == [
        ("count", "metric"),
        ("terms", "bucket"),
        ("terms", "bucket"),
    ]
    assert [one["params"].get("customLabel") for one in state["aggs"]] == [None, "item", "format"]
    assert all(one["params"].get("orderBy", "1") == "1" for one in state["aggs"])
