"""statsd's own flush, case by case: what its ``process_metrics`` answered to these inputs.

The data are facts from the tests of statsd/statsd (MIT), with generated inputs run through
the original; each line of ``data/statsd-aggregation.jsonl`` names its source.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from metronome.fold.statsd import HistogramRule, Namer, Naming
from metronome.fold.statsd_timers import timer_stats
from metronome.kernel import hash64
from metronome.model import Kind, Series, series_key
from metronome.wire.records import Row, columns_of

CASES = [
    orjson.loads(line)
    for line in (Path(__file__).parent / "data" / "statsd-aggregation.jsonl").read_bytes().splitlines()
]


def flat(numbers: dict[str, Any]) -> dict[str, float]:
    """The original nests the histogram and writes NaN as null."""
    out = {}
    for name, value in numbers.items():
        if isinstance(value, dict):
            out |= {f"{name}.{inner}": number for inner, number in value.items()}
        elif value is not None:
            out[name] = value
    return out


def limits(bins: list[float | str]) -> list[float]:
    return [math.inf if limit == "inf" else float(limit) for limit in bins]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}-{case['name']}" for case in CASES])
def test_timer_numbers(case: dict[str, Any]) -> None:
    """A timer's numbers are statsd's to the last digit."""
    given = case["input"]
    rules = given.get("histogram") or []
    for key, values in given["timers"].items():
        numbers = timer_stats(
            np.array(values, np.float64),
            given["timer_counters"].get(key, math.nan),
            case["flush_interval_ms"] / 1000,
            given["pctThreshold"] or (),
            next((limits(rule["bins"]) for rule in rules if rule["metric"] in key), None),
            case.get("calculated_timer_metrics"),
        )
        known = {name: value for name, value in numbers.items() if not math.isnan(value)}
        assert known == flat(case["expect"]["timer_data"][key])


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}-{case['name']}" for case in CASES])
def test_lines(case: dict[str, Any]) -> None:
    """The same case as columns of a flush gives the paths of statsd's Graphite output."""
    given, period = case["input"], case["flush_interval_ms"] / 1000
    rules = given.get("histogram") or []
    naming = Naming(
        thresholds=tuple(given["pctThreshold"] or ()),
        histogram=tuple(HistogramRule(rule["metric"], tuple(limits(rule["bins"]))) for rule in rules),
        calculated=tuple(case.get("calculated_timer_metrics") or ()),
    )
    rows, expected = [], {}
    for name, value in given["counters"].items():
        rows.append(row(name, Kind.COUNTER, period, value, 1, []))
        expected[f"stats.counters.{name}.count"] = value
        expected[f"stats.counters.{name}.rate"] = case["expect"]["counter_rates"][name]
    for name, values in given["timers"].items():
        d = given["timer_counters"].get(name, math.nan)
        rows.append(row(name, Kind.TIMER, period, sum(values), d, values))
        for stat, value in flat(case["expect"]["timer_data"][name]).items():
            expected[f"stats.timers.{name}.{stat}"] = value
    assert dict(Namer(naming).lines(columns_of(rows))) == expected


def row(name: str, kind: Kind, period: float, n: float, d: float, values: list[float]) -> Row:
    key = series_key(Series(name, (), kind))
    squares = sum(value * value for value in values)
    return Row(key, hash64(key), kind, 0, period, 1, n, d, n, n, squares, values)
