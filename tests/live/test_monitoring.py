"""Prometheus' own tools and server read the alert rules and what the dashboard asks."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian
from tests.live.tools import which
from tests.monitoring import ALERTS, ALERTS_TEST, dashboard_expressions, rules, selectors

pytestmark = pytest.mark.live


def run(*command: str | Path) -> str:
    """Run promtool; what it says."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_alert_rules() -> None:
    """They are valid, and each fires when it should and only then."""
    require(which("promtool"), "promtool (Debian package prometheus)")
    assert f"{len(rules())} rules found" in run("promtool", "check", "rules", ALERTS)
    assert "SUCCESS" in run("promtool", "test", "rules", ALERTS_TEST)


def test_promtool_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    """Each expression is PromQL."""
    require(which("promtool"), "promtool (Debian package prometheus)")
    asked = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(dashboard_expressions())]
    file = tmp_path / "dashboard.json"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": asked}]}))
    assert f"{len(asked)} rules found" in run("promtool", "check", "rules", file)


def test_a_scraped_gateway_answers_the_dashboard_and_raises_no_alert(tmp_path: Path) -> None:
    """A Prometheus that scrapes a gateway which does well has values for all that the dashboard shows of
    metrics that are there, and no alert is pending."""
    program = debian()
    require(program, "prometheus (Debian package)")
    assert program is not None
    with RunningGateway(tmp_path / "var") as gateway:
        place = (f"127.0.0.1:{gateway.port('http', 'tcp')}", gateway.token)
        settings = f"rule_files: ['{ALERTS}']\n"
        with RunningPrometheus(
            program, tmp_path / "prometheus", scrapes={"metronome": place}, settings=settings
        ) as server:
            with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
                connection.sendall(b"hits:1|c\nwait:3|ms\n" * 50)
            assert eventually(lambda: set(server.query('up{job="metronome"}').values()), bool) == {1}

            def unanswered() -> list[str] | None:
                here = set(server.ask("label/__name__/values"))
                asked = [
                    expression
                    for expression in dashboard_expressions()
                    if {name for name, _ in selectors(expression)} <= here and "> 0" not in expression
                ]
                return None if len(asked) < 20 else [one for one in asked if not server.query(one)]

            assert eventually(unanswered, lambda found: found == []) == []
            alerts = server.ask("alerts")["alerts"]
            assert [alert["labels"]["alertname"] for alert in alerts] == []
