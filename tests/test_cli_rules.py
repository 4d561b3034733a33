"""``metronome rules test``."""

from __future__ import annotations

import json

import pytest

from metronome.cli import main
from metronome.cli_rules import labels_of
from metronome.errors import ConfigError

RULES = """
[[rollup]]
match = "http.*"
by = ["status"]
every = 60
stats = ["count", "p95"]
graphite = ["web.{status}", "all.{name}.{status}"]
prometheus = "http_requests"
buckets = [10, 100]
[[rollup]]
match = "*"
where = { host = "test*" }
drop = true
"""


@pytest.fixture
def told(tmp_path, capfdbinary):
    file = tmp_path / "metronome.toml"
    file.write_text(RULES)

    def run(*arguments: str) -> list[dict]:
        assert main(["rules", "test", "--config", str(file), *arguments]) == 0
        return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]

    return run


def test_what_comes_out(told) -> None:
    """Paths and families of each rule that takes the series."""
    assert told("http.requests", "status=503", "host=web1") == [
        {
            "rule": 1,
            "match": "http.*",
            "every": 60,
            "graphite": ["web.503.count", "all.http.requests.503.count"],
            "type": "counter",
            "prometheus": ['http_requests_total{status="503"}'],
        }
    ]
    (timer,) = told("http.requests", "--kind", "timer")
    assert timer["graphite"][:2] == ["web._.count", "web._.p95"]
    assert timer["prometheus"][0] == 'http_requests_bucket{status=""}'
    assert told("other") == []


def test_drop_and_default_sets(told) -> None:
    """A rule that drops comes last; the sets come behind the rules."""
    dropped = {"rule": 2, "match": "*", "drop": True}
    assert told("other", "host=test7") == [dropped]
    assert told("other", "--rules", "statsd", "--rules", "prometheus") == [
        {"rules": "statsd", "graphite": ["stats.counters.other.rate", "stats.counters.other.count"]},
        {"rules": "prometheus", "type": "counter", "prometheus": ["other_total"]},
    ]
    (tags,) = told("wait", "who=x", "--kind", "set", "--rules", "tags")
    assert tags["graphite"] == ["wait.count;who=x"]


def test_labels_of_the_command_line(tmp_path, capsys) -> None:
    """Everything behind the first equals sign is the value; one without is told."""
    assert labels_of(["b=1=2", "a="]) == (("a", ""), ("b", "1=2"))
    with pytest.raises(ConfigError, match="status=500 would be right"):
        labels_of(["status"])
    assert main(["rules", "test", "a", "=x"]) == 1
    assert "is no label" in capsys.readouterr().err
