"""Prometheus text, written, and read back by Prometheus' own Python parsers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from metronome.kernel.families import Escaping
from metronome.wire.negotiation import Form, Wanted
from metronome.wire.prometheus_text import (
    OPEN_METRICS_END,
    family_name,
    head,
    label_name,
    labels_text,
    line,
    metric_name,
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


def test_labels() -> None:
    """They are sorted; of equal names the first stands."""
    assert labels_text([("b", "1"), ("a", 'x"\\\n'), ("b", "2")]) == 'a="x\\"\\\\\\n",b="1"'


def test_blocks() -> None:
    """A family in both formats, letter by letter."""
    labels = {"b": "1", "a": 'x"\\\n'}
    text, open_metrics = Wanted(), Wanted(Form.OPEN_METRICS)
    counter = head("hits_total", "counter", 'a \\ \n "b"', text) + line(
        "hits_total", "counter", labels, 2.0, text
    )
    assert counter == (
        '# HELP hits_total a \\\\ \\n "b"\n# TYPE hits_total counter\nhits_total{a="x\\"\\\\\\n",b="1"} 2\n'
    )
    counter = head("hits_total", "counter", '"b"', open_metrics)
    assert counter == '# HELP hits \\"b\\"\n# TYPE hits counter\n'
    assert head("x_bytes", "gauge", "b", open_metrics).endswith("# UNIT x_bytes bytes\n")
    assert line("x_bytes", "gauge", {}, math.nan, open_metrics, 5.0) == "x_bytes NaN\n"


def test_when_a_counter_began() -> None:
    """OpenMetrics is told, where it is known."""
    open_metrics, dots = Wanted(Form.OPEN_METRICS), Wanted(Form.OPEN_METRICS, Escaping.DOTS)
    told = line("hits_total", "counter", {"a": "x"}, 2.0, open_metrics, 5.0)
    assert told == 'hits_total{a="x"} 2\nhits_created{a="x"} 5\n'
    (family,) = parse_open_metrics(head("hits_total", "counter", "m", open_metrics) + told + OPEN_METRICS_END)
    assert [sample.name for sample in family.samples] == ["hits_total", "hits_created"]
    assert line("hits_total", "counter", {}, 2.0, dots, 5.0) == "hits__total 2\nhits__created 5\n"
    assert line("hits_total", "counter", {}, 2.0, Wanted(), 5.0) == "hits_total 2\n"


def test_escapings() -> None:
    """Our own names are escaped as everybody's, so that a client can tell what they are."""
    dots = Wanted(Form.OPEN_METRICS, Escaping.DOTS)
    assert head("a_total", "counter", "m", dots) == "# HELP a_ m\n# TYPE a_ counter\n"
    assert line("a_total", "counter", {"b_c": "x"}, 1.0, dots) == 'a__total{b__c="x"} 1\n'


TEXT = st.text(max_size=12)
NAMES = st.text(alphabet='abé9._- :\n"{}#', min_size=1, max_size=8)
LABELS = st.dictionaries(st.sampled_from(["a", "b", "c_d"]), TEXT, max_size=3)
VALUES = st.floats(min_value=0, allow_nan=False)


@given(NAMES, TEXT, LABELS, VALUES)
def test_counters_read_back(name: str, meaning: str, labels: dict[str, str], value: float) -> None:
    """Any name, help, labels and value give one sample in both formats."""
    for parse, form, end in (
        (parse_text, Wanted(), ""),
        (parse_open_metrics, Wanted(Form.OPEN_METRICS), OPEN_METRICS_END),
    ):
        page = head(name, "counter", meaning, form) + line(name, "counter", labels, value, form)
        (family,) = parse(page + end)
        (sample,) = family.samples
        assert family.type == "counter"
        assert sample.name == family_name(name, "counter") + "_total"
        assert sample.labels == labels
        assert sample.value == value
