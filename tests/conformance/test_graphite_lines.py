"""Graphite lines and tagged paths as VictoriaMetrics' and graphite_exporter's own tests expect them.

``data/graphite-lines.jsonl`` holds facts (inputs and expected rows; Apache-2.0, each line names its
source); no code of theirs is here.  ``data/statsd-deviations.json`` says where and why we differ.

Levelled: label names are made to fit our model, a missing time is 0 there and None here, ``-1``
means now, graphite_exporter writes ``_`` for ``.`` in names.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect
from metronome.kernel.naming import label_name
from metronome.model import canonical_labels
from tests.kernel.conftest import kernel

__all__ = ["kernel"]

DATA = Path(__file__).parent / "data"
CASES = [
    json.loads(line) for line in (DATA / "graphite-lines.jsonl").read_text(encoding="utf-8").splitlines()
]
DEVIATIONS = json.loads((DATA / "statsd-deviations.json").read_text(encoding="utf-8"))["graphite"]


def labels_of(pairs: Any) -> Any:
    """Tags as our labels."""
    return canonical_labels((label_name(name.encode()), value) for name, value in pairs)


def expected(case: dict[str, Any]) -> list[Any]:
    """The rows that a case wants, as (name, labels, value, time)."""
    expect = case.get("expect", {})
    if not case["accept"]:
        return []
    if case["kind"] == "path":
        return [(expect["metric"], labels_of(expect["tags"]), 1.0, 2.0)]
    if case["kind"] == "line-mapped":
        name = case["input"].split(" ")[0].split(";")[0] if not case["mapping"]["present"] else expect["name"]
        return [
            (name, labels_of(expect["labels"].items()), expect["value"], float(case["input"].split(" ")[2]))
        ]
    return [
        (
            row["metric"],
            labels_of(row["tags"]),
            row["value"],
            row["timestamp"] if row["timestamp"] > 0 else None,
        )
        for row in expect["rows"]
    ]


def given(case: dict[str, Any]) -> bytes:
    """The lines of a case; a bare path gets a value and a time."""
    raw = base64.b64decode(case["input_b64"]) if "input_b64" in case else case["input"].encode()
    if case["kind"] != "path":
        return raw
    return raw + (b" 1 2" if raw else b" 1")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_line_is_read_as_elsewhere(kernel: ModuleType, case: dict[str, Any]) -> None:
    """The rows are those of the system's own test, or the list says why not."""
    samples, rejects = kernel.parse_graphite(given(case), Dialect())
    found = [(sample.name, sample.labels, sample.value, sample.time) for sample in samples]
    agreed = found == expected(case) and (case["accept"] or bool(rejects))
    assert agreed is (case["id"] not in DEVIATIONS), (found, rejects)
