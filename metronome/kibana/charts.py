"""Charts as parameters: time series, lists, numbers and tables.

Most are of TSVB, which both programs have: of what they offer it alone divides one sum by
another, and so can show a mean of parts (``n / d``).  Tables of terms are made of
aggregations.  Ids inside a chart only have to differ from each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_COLOURS: Final = ("#54B399", "#6092C0", "#D36086", "#9170B8", "#CA8EAE", "#D6BF57")
_ROWS: Final = 20


Metrics = tuple[dict[str, Any], ...]


class Measure(NamedTuple):
    """What is measured in each step, of what a query finds."""

    label: str
    metrics: Metrics
    """The last one is shown."""
    query: str = ""
    by: str = ""
    """A field: a line for each of its values that has most of the first metric."""
    chart: str = "line"
    format: str = "number"


def count() -> Metrics:
    """Documents."""
    return ({"id": "m1", "type": "count"},)


def of(aggregation: str, field: str) -> Metrics:
    """One number of a field: ``sum``, ``max``, ``avg``, ``cardinality``."""
    return ({"id": "m1", "type": aggregation, "field": field},)


def ratio(numerator: str, denominator: str) -> Metrics:
    """The sum of one field by that of another."""
    variables = [{"id": "v1", "name": "n", "field": "m1"}, {"id": "v2", "name": "d", "field": "m2"}]
    return (
        {"id": "m1", "type": "sum", "field": numerator},
        {"id": "m2", "type": "sum", "field": denominator},
        {"id": "m3", "type": "math", "variables": variables, "script": "divide(params.n, params.d)"},
    )


def share(part: str, whole: str) -> Metrics:
    """Documents that one query finds, of those of another."""
    queries = {"numerator": _query(part), "denominator": _query(whole)}
    return ({"id": "m1", "type": "filter_ratio", "metric_agg": "count", **queries},)


def lines(measures: Sequence[Measure], query: str = "") -> dict[str, Any]:
    """Over time."""
    return {
        **_panel("timeseries", measures, query),
        "axis_min": "",
        "axis_max": "",
        "drop_last_bucket": 1,
        "tooltip_mode": "show_all",
        "max_lines_legend": 1,
        "truncate_legend": 1,
    }


def bars(measures: Sequence[Measure], query: str = "") -> dict[str, Any]:
    """A list of the largest, over the whole time."""
    return {**_panel("top_n", measures, query), **_WHOLE, "bar_color_rules": [{"id": "rule"}]}


def number(measure: Measure, query: str = "") -> dict[str, Any]:
    """One number, over the whole time."""
    return {**_panel("metric", [measure], query), **_WHOLE, "background_color_rules": [{"id": "rule"}]}


def rows(field: str, label: str, measures: Sequence[Measure], query: str = "") -> dict[str, Any]:
    """A row for each value of a field, a column for each measure."""
    return {
        **_panel("table", measures, query),
        **_WHOLE,
        "pivot_id": field,
        "pivot_label": label,
        "pivot_rows": str(_ROWS),
        "pivot_type": "string",
        "bar_color_rules": [{"id": "rule"}],
    }


def terms(fields: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A classic table: documents for each combination of fields, given with their headings."""
    aggregations: list[dict[str, Any]] = [
        {"id": "1", "enabled": True, "type": "count", "params": {}, "schema": "metric"}
    ]
    for index, (field, label) in enumerate(fields, 2):
        params = {
            "field": field,
            "orderBy": "1",
            "order": "desc",
            "size": _ROWS,
            "otherBucket": False,
            "otherBucketLabel": "Other",
            "missingBucket": False,
            "missingBucketLabel": "Missing",
            "customLabel": label,
        }
        aggregations.append(
            {"id": str(index), "enabled": True, "type": "terms", "params": params, "schema": "bucket"}
        )
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return {"type": "table", "aggs": aggregations, "params": params}


_WHOLE: Final = {
    "time_range_mode": "entire_time_range",
    "drop_last_bucket": 0,
    "hide_last_value_indicator": True,
}


def _panel(kind: str, measures: Sequence[Measure], query: str) -> dict[str, Any]:
    return {
        "id": "panel",
        "type": kind,
        "series": [_series(index, measure, kind) for index, measure in enumerate(measures)],
        "interval": "",
        "axis_position": "left",
        "axis_formatter": "number",
        "axis_scale": "normal",
        "show_legend": 1,
        "show_grid": 1,
        "filter": _query(query),
        "isModelInvalid": False,
    }


def _series(index: int, measure: Measure, kind: str) -> dict[str, Any]:
    # Metrics are told apart by their ids, in the whole chart.
    metrics = [_renamed(metric, f"s{index}") for metric in measure.metrics]
    split = {
        "split_mode": "terms",
        "terms_field": measure.by,
        "terms_size": "10",
        "terms_order_by": metrics[0]["id"],
        "terms_direction": "desc",
    }
    return {
        "id": f"s{index}",
        "label": measure.label,
        "color": _COLOURS[index % len(_COLOURS)],
        "metrics": metrics,
        "filter": _query(measure.query),
        "formatter": measure.format,
        "value_template": "{{value}}",
        "chart_type": measure.chart,
        "line_width": 1 if measure.chart == "line" else 0,
        "point_size": 1,
        "fill": 0.2 if measure.chart == "line" else 0.8,
        "stacked": "stacked" if measure.chart == "bar" else "none",
        "separate_axis": 0,
        "axis_position": "left",
        "palette": {"type": "palette", "name": "default"},
        "split_color_mode": "kibana",
        **(split if measure.by and kind != "table" else {"split_mode": "everything"}),
    }


def _renamed(metric: dict[str, Any], prefix: str) -> dict[str, Any]:
    renamed = {**metric, "id": f"{prefix}{metric['id']}"}
    if "variables" in metric:
        renamed["variables"] = [{**one, "field": f"{prefix}{one['field']}"} for one in metric["variables"]]
    return renamed


def _query(query: str) -> dict[str, str]:
    return {"query": query, "language": "kuery"}
