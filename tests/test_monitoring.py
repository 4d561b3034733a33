"""Alert rules and dashboard ask for metrics that there are, by labels that they have."""

from __future__ import annotations

import re

import pytest
import yaml

from metronome.gateway.telemetry import CATALOGUE
from tests.monitoring import ALERTS_TEST, dashboard_expressions, panels, rules, selectors

TARGET_LABELS = {"instance", "job"}
"""What Prometheus puts on every series that it scrapes."""
EXPRESSIONS = [*(rule["expr"] for rule in rules()), *dashboard_expressions()]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_name_what_there_is(expression: str) -> None:
    """Each metric is in the catalogue, each label is one of its; counters are asked for their rate."""
    found = selectors(expression)
    assert found or expression.startswith("up{")
    for name, labels in found:
        kind, known, _ = CATALOGUE[name]
        assert labels <= set(known) | TARGET_LABELS, name
        if kind == "counter" and "damaged" not in name:
            assert re.search(rf"(rate|increase)\(\s*{name}|{name} (unless|offset)", expression), name
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        known_to_all = set.intersection(*(set(CATALOGUE[name][1]) for name, _ in found))
        assert {label.strip() for label in grouped.split(",")} <= known_to_all | TARGET_LABELS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alerts_say_what_is_wrong(rule: dict) -> None:
    """Each has a severity, a summary that names what it is about, and what to think of it."""
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert "{{ $labels." in rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith((".", "`."))


def test_every_alert_is_tried() -> None:
    """For each there is a case in which it fires, and one in which it does not."""
    fires, is_quiet = set(), set()
    for test in yaml.safe_load(ALERTS_TEST.read_text())["tests"]:
        for case in test["alert_rule_test"]:
            (fires if case.get("exp_alerts") else is_quiet).add(case["alertname"])
    assert fires == is_quiet == {rule["alert"] for rule in rules()}


def test_panels() -> None:
    """Each has an id, a title and a place of its own."""
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids) > 20
    assert all(panel["title"] for panel in panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_metric_that_tells_of_loss_is_watched() -> None:
    """What was lost, refused or left behind is on the dashboard, and the worst of it wakes somebody."""
    shown = {name for expression in dashboard_expressions() for name, _ in selectors(expression)}
    alerted = {name for rule in rules() for name, _ in selectors(rule["expr"])}
    lossy = re.compile("shed|rejected|dropped|damaged_records|unwritable|lag|dead_letter|unwritten")
    watched = {name for name in CATALOGUE if lossy.search(name)}
    assert watched - shown == set()
    assert watched - alerted == set()
