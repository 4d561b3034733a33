"""Mapping files of statsd_exporter's own test suite: what is accepted, and what names become.

The cases (``data/statsd-exporter-mapping.jsonl``) are facts out of prometheus/statsd_exporter,
``pkg/mapper/mapper_test.go``, Apache-2.0; each line names its place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from metronome.errors import ConfigError
from metronome.fold.mapping import load
from metronome.fold.mapping_rules import KINDS, Objective, Rule, SummaryOptions

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "statsd-exporter-mapping.jsonl").read_text().splitlines()
]
DURATIONS = {
    "5 * time.Minute": 300,
    "time.Second * 10": 10,
    "time.Second * 5": 5,
    "time.Minute + time.Second*2": 62,
}


def seconds(text: str) -> float:
    """A duration as the cases write it: a Go expression."""
    return DURATIONS[text]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["config_bad"]], ids=lambda case: case["name"]
)
def test_bad_files_are_refused(case: dict[str, Any]) -> None:
    """What statsd_exporter refuses is refused."""
    with pytest.raises(ConfigError):
        load(case["config_yaml"])


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case["config_bad"]], ids=lambda case: case["name"]
)
def test_good_files_map(case: dict[str, Any]) -> None:
    """What statsd_exporter accepts is accepted, and names become what they become there."""
    mapping = load(case["config_yaml"])
    if case.get("extra", {}).get("expectedAction"):
        assert mapping.rules[0].drop is (case["extra"]["expectedAction"] == "ActionTypeDrop")
    for look_up in case["lookups"]:
        found = mapping.find(look_up["statsdMetric"], KINDS[look_up.get("metricType", "counter")])
        if look_up.get("notPresent") or "name" not in look_up:
            assert found is None or found.rule.drop
            continue
        assert found is not None
        assert found.name == look_up["name"]
        assert dict(found.labels) == (look_up.get("labels") or {})
        compare(found.rule, look_up)


def compare(rule: Rule, look_up: dict[str, Any]) -> None:
    """Check what else a look-up says of the rule."""
    if "quantiles" in look_up:
        expected = look_up["quantiles"]
        default = expected == "defaultQuantiles"
        assert rule.summary.quantiles == (
            SummaryOptions().quantiles
            if default
            else tuple(Objective(one["Quantile"], one["Error"]) for one in expected)
        )
    if "ttl" in look_up:
        assert rule.ttl == seconds(look_up["ttl"])
    if "maxAge" in look_up:
        assert rule.summary.max_age == seconds(look_up["maxAge"])
    if "ageBuckets" in look_up:
        assert rule.summary.age_buckets == look_up["ageBuckets"]
    if "bufCap" in look_up:
        assert rule.summary.buf_cap == look_up["bufCap"]
    if "buckets" in look_up:
        assert list(rule.histogram.buckets) == look_up["buckets"]
    scale = look_up.get("scale")
    assert rule.scale == (scale["Val"] if scale else None)
