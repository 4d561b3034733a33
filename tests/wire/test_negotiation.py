"""Who gets which form of the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel.families import Escaping
from metronome.wire.negotiation import Form, Wanted, wanted

OPEN_METRICS = "application/openmetrics-text"
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
PROMETHEUS_2 = (
    f"{OPEN_METRICS};version=1.0.0;q=0.8,{OPEN_METRICS};version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    f"{OPEN_METRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,{OPEN_METRICS};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.TEXT),
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        ("text/html, */*", Form.TEXT),
        ("image/png", Form.TEXT),
        (PROMETHEUS_2, Form.OPEN_METRICS),
        (PROMETHEUS_3, Form.OPEN_METRICS),
        (f"{PROTOBUF};q=0.7,{PROMETHEUS_3}", Form.PROTOBUF),
        (f"{PROTOBUF.replace('delimited', 'text')}", Form.TEXT),
        (f"{PROTOBUF.replace('MetricFamily', 'Other')}, {OPEN_METRICS};q=0.1", Form.OPEN_METRICS),
        ("application/vnd.google.protobuf", Form.PROTOBUF),
        (OPEN_METRICS, Form.OPEN_METRICS),
        ('Application/OpenMetrics-Text; version="1.0.0"', Form.OPEN_METRICS),
        (f"{OPEN_METRICS}; version=0.0.1", Form.OPEN_METRICS_0),
        (f"{OPEN_METRICS}; version=2.0.0", Form.TEXT),
        (f"{OPEN_METRICS};q=0", Form.TEXT),
        (f"{OPEN_METRICS};q=0.2, text/plain;q=0.8", Form.TEXT),
        (f"text/plain, {OPEN_METRICS}", Form.OPEN_METRICS),
        (f"*/*, {OPEN_METRICS}", Form.OPEN_METRICS),
        (f"*/*;q=0.5, {OPEN_METRICS};q=0.4", Form.TEXT),
        ("text/plain; version=1.0.0", Form.TEXT_1),
        ("text/plain; version=1.0.0;q=0.3, text/plain; version=0.0.4", Form.TEXT),
        (f"{OPEN_METRICS};q=high", Form.TEXT),
        (";;,=,q=;", Form.TEXT),
    ],
)
def test_forms(accept: str | None, form: Form) -> None:
    """What is liked best of what there is; text for whoever likes nothing of it."""
    assert wanted(accept).form is form


@pytest.mark.parametrize(
    ("parameters", "escaping", "end"),
    [
        ("", Escaping.UNDERSCORES, ""),
        (";escaping=allow-utf-8", Escaping.UTF8, "; escaping=allow-utf-8"),
        ("; Escaping = Dots", Escaping.DOTS, "; escaping=dots"),
        (';escaping="values"', Escaping.VALUES, "; escaping=values"),
        (";escaping=underscores", Escaping.UNDERSCORES, "; escaping=underscores"),
        (";escaping=runes", Escaping.UNDERSCORES, ""),
    ],
)
def test_escapings(parameters: str, escaping: Escaping, end: str) -> None:
    """As the range says that stands; the answer says it too."""
    for accept, form in ((OPEN_METRICS, Form.OPEN_METRICS), ("text/plain;version=1.0.0", Form.TEXT_1)):
        found = wanted(f"{accept}{parameters};q=0.9, */*;q=0.1")
        assert (found.form, found.escaping) == (form, escaping)
        assert found.media_type == form.value + end


def test_open_metrics_has_two_versions() -> None:
    """Both are written alike."""
    assert [Wanted(form).open_metrics for form in Form] == [False, False, True, True, False]


@given(st.text(alphabet='*/;,=q.0159 "textplainversion', max_size=40))
def test_anything_has_an_answer(accept: str) -> None:
    """A scrape never fails for what it accepts."""
    assert wanted(accept).media_type
