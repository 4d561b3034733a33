"""The expressions of the alert rules and of the dashboard that come with Metronome."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).parent.parent / "conf"
ALERTS = CONF / "prometheus" / "alerts.yml"
ALERTS_TEST = CONF / "prometheus" / "alerts_test.yml"
DASHBOARD = CONF / "grafana" / "metronome.json"


def rules() -> list[dict[str, Any]]:
    """Every alert rule."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Every panel of the dashboard."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def dashboard_expressions() -> Iterator[str]:
    """What the dashboard asks, as Grafana would send it."""
    document = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in document["panels"] for target in panel.get("targets", [])]
    asked += [annotation["expr"] for annotation in document["annotations"]["list"]]
    for expression in asked:
        yield expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The metrics of ours in an expression, and the labels that are asked for."""
    found = re.findall(r"\b(metronome_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", inside))) for name, inside in found]
