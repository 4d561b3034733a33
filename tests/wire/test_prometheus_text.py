"""Prometheus text, written, and read back by Prometheus' own Python parsers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from metronome.wire.prometheus_text import (
    OPEN_METRICS_END,
    Histogram,
    Summary,
    family_name,
    head,
    label_name,
    labels_text,
    lines,
    metric_name,
    number_text,
    wants_open_metrics,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app.web.hits", "app_web_hits"),
        ("9lives", "_9lives"),
        ("a:b", "a_b"),
        ("größe", "gr__e"),
        ("", "_"),
        ("a--b", "a__b"),
    ],
)
def test_metric_names(text: str, name: str) -> None:
    """What Prometheus does not take becomes an underscore."""
    assert metric_name(text) == name


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("hits", "counter", "hits"),
        ("hits.total", "counter", "hits"),
        ("_total", "counter", "_total"),
        ("hits_total", "gauge", "hits_total"),
    ],
)
def test_family_names(text: str, kind: str, name: str) -> None:
    """A counter that is called total already gets no second one."""
    assert family_name(text, kind) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("code", "code"),
        ("http.status", "http_status"),
        ("le", "exported_le"),
        ("quantile", "exported_quantile"),
        ("__name__", "exported___name__"),
        ("..x", "exported___x"),
        ("stream", "exported_stream"),
    ],
)
def test_label_names(text: str, name: str) -> None:
    """A label that means something to Prometheus is renamed."""
    assert label_name(text, ("stream",)) == name


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (0.5, "0.5"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1e300, "1e+300")],
)
def test_numbers(value: float, text: str) -> None:
    """Whole numbers are short; what is no number has Prometheus' words."""
    assert number_text(value) == text


def test_blocks() -> None:
    """A family in both formats, letter by letter."""
    labels = labels_text([("a", 'x"\\\n'), ("b", "1"), ("b", "2")])
    counter = head("hits", "counter", 'a \\ \n "b"', False) + lines("hits", "counter", labels, 2.0, False)
    assert counter == (
        '# HELP hits_total a \\\\ \\n "b"\n# TYPE hits_total counter\nhits_total{a="x\\"\\\\\\n",b="1"} 2\n'
    )
    counter = head("hits", "counter", '"b"', True) + lines("hits", "counter", "", 2.0, True)
    assert counter == '# HELP hits \\"b\\"\n# TYPE hits counter\nhits_total 2\n'
    value = Summary((("0.5", 1.5), ("0.9", math.nan)), 3.0, 2.4)
    assert lines("t", "summary", 'a="b"', value, False) == (
        't{a="b",quantile="0.5"} 1.5\nt{a="b",quantile="0.9"} NaN\nt_sum{a="b"} 3\nt_count{a="b"} 2\n'
    )
    assert lines("t", "summary", "", Summary((), 3.0, math.inf), True).endswith("t_count 1e+308\n")


def test_negative_timers() -> None:
    """OpenMetrics forbids negative quantiles and sums; they are left out there only."""
    value = Summary((("0.5", -1.5),), -3.0, 2.0)
    assert lines("t", "summary", "", value, True) == "t_count 2\n"
    assert lines("t", "summary", "", value, False).splitlines()[0] == 't{quantile="0.5"} -1.5'


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/html, */*", False),
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ('Application/OpenMetrics-Text; version="1.0.0"', True),
        ("application/openmetrics-text; version=2.0.0", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.8", False),
        ("text/plain, application/openmetrics-text", True),
        ("application/openmetrics-text;q=high", False),
        (";;,=,q=;", False),
    ],
)
def test_negotiation(accept: str | None, open_metrics: bool) -> None:
    """OpenMetrics for those who ask for it, text for all others."""
    assert wants_open_metrics(accept) is open_metrics


TEXT = st.text(max_size=12)
NAMES = st.text(alphabet='abé9._- :\n"{}#', min_size=1, max_size=8)
LABELS = st.lists(st.tuples(NAMES, TEXT), max_size=4)
VALUES = st.floats(min_value=0, allow_nan=False)


@given(NAMES, TEXT, LABELS, VALUES)
def test_counters_read_back(name: str, meaning: str, pairs: list[tuple[str, str]], value: float) -> None:
    """Any name, help, labels and value give one sample in both formats."""
    base = family_name(name, "counter")
    labels = [(label_name(label), value) for label, value in pairs]
    for parse, open_metrics, end in ((parse_text, False, ""), (parse_open_metrics, True, OPEN_METRICS_END)):
        page = head(base, "counter", meaning, open_metrics) + lines(
            base, "counter", labels_text(labels), value, open_metrics
        )
        (family,) = parse(page + end)
        (sample,) = family.samples
        assert family.type == "counter"
        assert sample.name == base + "_total"
        assert sample.labels == dict(reversed(labels))
        assert sample.value == value


@given(NAMES, LABELS, st.lists(st.floats(), min_size=4, max_size=4), st.floats(), st.floats(min_value=0))
def test_summaries_read_back(
    name: str, pairs: list[tuple[str, str]], quantiles: list[float], total: float, count: float
) -> None:
    """Whatever has been measured, a summary is valid in both formats."""
    base = family_name(name, "summary")
    labels = labels_text([(label_name(label), value) for label, value in pairs])
    value = Summary(tuple(zip(("0.5", "0.9", "0.95", "0.99"), quantiles, strict=True)), total, count)
    for parse, open_metrics, end in ((parse_text, False, ""), (parse_open_metrics, True, OPEN_METRICS_END)):
        page = head(base, "summary", name, open_metrics) + lines(base, "summary", labels, value, open_metrics)
        (family,) = parse(page + end)
        assert family.type == "summary"
        assert family.samples[-1].name == base + "_count"
        assert len(family.samples) == 6 or open_metrics


def test_histograms() -> None:
    """Buckets add up, and the last one is the count."""
    value = Histogram((0.5, 10.0), (2.0, 0.0, 1.5), 30.0)
    assert lines("h", "histogram", 'a="b"', value, False) == (
        'h_bucket{a="b",le="0.5"} 2\nh_bucket{a="b",le="10.0"} 2\nh_bucket{a="b",le="+Inf"} 4\n'
        'h_sum{a="b"} 30\nh_count{a="b"} 4\n'
    )


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.floats(0, 1e9), min_size=5, max_size=5),
    st.floats(-1e12, 1e12),
)
def test_histograms_read_back(buckets: list[float], counts: list[float], total: float) -> None:
    """Both parsers read what is written, negative buckets and sums too."""
    value = Histogram(tuple(buckets), tuple(counts[: len(buckets) + 1]), total)
    for open_metrics, parse in ((False, parse_text), (True, parse_open_metrics)):
        page = head("h", "histogram", "", open_metrics) + lines("h", "histogram", "", value, open_metrics)
        (family,) = parse(page + (OPEN_METRICS_END if open_metrics else ""))
        found = [sample for sample in family.samples if sample.name == "h_bucket"]
        assert [float(sample.labels["le"]) for sample in found] == [*buckets, math.inf]
        assert [sample.value for sample in found] == sorted(sample.value for sample in found)
