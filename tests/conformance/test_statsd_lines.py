"""statsd and DogStatsD lines as eight other systems' own tests expect them.

``data/statsd-lines.jsonl`` and ``data/statsd-differential.jsonl`` hold facts: inputs and what each system's
own test expects, or what five real parsers did with them.  Every line names its source (repository,
path, commit) and licence: MIT (statsd, gostatsd, telegraf, veneur, brubeck), Apache-2.0
(statsd_exporter, datadog-agent), MPL-2.0 (vector), DataDog/documentation.  No code of theirs is here.

The rule is: accept the union, refuse NaN, infinities and rates outside (0, 1].  Where we differ
from a system, ``data/statsd-deviations.json`` says why; a deviation that is none any more fails.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect, Sample
from tests.conformance import statsd_systems as systems
from tests.kernel.conftest import kernel

__all__ = ["kernel"]

DATA = Path(__file__).parent / "data"
DEVIATIONS = json.loads((DATA / "statsd-deviations.json").read_text(encoding="utf-8"))


def cases(name: str) -> list[Any]:
    """The cases of a file, each under its id."""
    found = [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    return [pytest.param(case, id=case["id"]) for case in found]


@pytest.mark.parametrize("case", cases("statsd-lines.jsonl"))
def test_a_case_is_read_as_its_system_reads_it(kernel: ModuleType, case: systems.Case) -> None:
    """We agree with the system's own test, or say why not."""
    found = systems.difference(kernel, case)
    if case["id"] in DEVIATIONS["lines"]:
        assert found, "this deviation is none any more: take it out of the list"
    else:
        assert not found


@pytest.mark.parametrize("case", cases("statsd-differential.jsonl"))
def test_what_any_parser_accepts_is_accepted(kernel: ModuleType, case: systems.Case) -> None:
    """Accept the union of five parsers, or say why not; and never what none of them accepts."""
    raw = systems.input_of(case)
    _, rejects = kernel.parse_statsd(raw, Dialect())
    agreed = (bool(raw) and not rejects) == bool(case["accepted_by"])
    assert agreed is not (case["id"] in DEVIATIONS["differential"])


def readings(case: systems.Case) -> list[list[systems.Value]]:
    """What gostatsd, veneur and statsd_exporter made of a line, one reading each that accepted it."""
    found = []
    for name in ("gostatsd", "veneur"):
        seen = case["observed"][name]
        metrics = [seen["metric"]] if "metric" in seen else seen.get("metrics", [])
        written = []
        for metric in metrics:
            text = metric.get("set_value") or metric.get("value")
            written.append({**metric, "values": metric.get("values") or [text], "set_value": text})
        if written:
            found.append([value[:4] for value in systems.dogstatsd({"expect": {"metrics": written}})])
    exported = case["observed"]["statsd_exporter"]
    if exported["accept"] and "events" in exported:
        found.append([value[:4] for value in systems.exporter({"expect": exported})])
    return found


def told(case: systems.Case, samples: list[Sample]) -> list[list[systems.Value]]:
    """Our samples as the agent's family and as statsd_exporter would tell them."""
    family = [tuple(sample)[:4] for sample in samples]
    if any(sample.kind == 3 for sample in samples):
        return [family]
    return [family, [value[:4] for value in systems.as_exporter(case, samples)]]


@pytest.mark.parametrize("case", cases("statsd-differential.jsonl"))
def test_what_is_accepted_means_what_it_means_elsewhere(kernel: ModuleType, case: systems.Case) -> None:
    """Names, labels, kinds and values are those that at least one other parser reads."""
    raw = systems.input_of(case)
    samples, _ = kernel.parse_statsd(raw, Dialect())
    others = readings(case) if samples else []
    if others:
        mine = told(case, samples)
        assert any(other in mine for other in others) is (case["id"] not in DEVIATIONS["meaning"])


def test_every_deviation_has_a_reason() -> None:
    """The list names known cases and known reasons, and no reason is left over."""
    known = {
        json.loads(line)["id"]
        for path in DATA.glob("*.jsonl")
        for line in path.read_text().splitlines()
        if '"id"' in line
    }
    used = set()
    for table in ("lines", "differential", "meaning", "graphite"):
        assert set(DEVIATIONS[table]) <= known
        used |= set(DEVIATIONS[table].values())
    assert used == set(DEVIATIONS["reasons"])
