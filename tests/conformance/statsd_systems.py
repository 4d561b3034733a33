"""What other systems' statsd cases mean in our words: one reading of ``expect`` for each system.

A reading returns what the case expects in the form of :func:`ours`, so that the two can be
compared.  What only differs in how a result is written is levelled here, by these rules and
no others:

- Names without labels are sanitised as statsd does (``contract.md`` section 3), so what a system
  leaves as sent is sanitised before it is compared.
- A tag without a value is the label value ``true``, of repeated tags the last stands, label names are
  made to fit our model; statsd_exporter's also have ``_`` for ``.`` and ``-`` there.
- Kinds: h, d and ms are timers.  statsd_exporter and vector tell ms in seconds, we in ms; statsd_exporter
  repeats a sample int(1/rate) times, we give it a weight; telegraf's names have ``_`` for ``.``.
- gostatsd, the agent and veneur have no gauge deltas: their cases run with ``gauge_delta`` off.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

from metronome.kernel.interface import Dialect, Sample
from metronome.kernel.naming import label_name, sanitised
from metronome.model import canonical_labels
from tests.kernel.helpers import rows

KINDS = {"counter": 0, "gauge": 1, "timer": 2, "histogram": 2, "distribution": 2, "set": 3}
Case = dict[str, Any]
Value = tuple[Any, ...]
SANITISED = re.compile(r"[a-zA-Z0-9_.;=-]*")


def dialect_of(case: Case) -> Dialect:
    """The switches that a case asks for."""
    system, options = case["system"], case.get("options") or {}
    if system == "statsd_exporter":
        return Dialect(
            dogstatsd_tags=options.get("dogstatsd", True),
            influx_tags=options.get("influxdb", True),
            librato_tags=options.get("librato", True),
            signalfx_tags=options.get("signalfx", True),
            container_labels=True,
        )
    if system == "telegraf":
        return Dialect(container_labels=bool(options.get("datadog_keep_container_tag")))
    return Dialect(gauge_delta=system not in ("gostatsd", "datadog-agent", "dogstatsd-docs", "veneur"))


def input_of(case: Case) -> bytes:
    """The bytes of a case."""
    return base64.b64decode(case["input_b64"])


def ours(sample: Sample) -> Value:
    """One of our samples, as a plain tuple; running totals are brubeck's alone."""
    return tuple(sample[:-1])


def tags_of(tags: list[str] | None) -> Any:
    """DogStatsD tags as labels."""
    pairs = [tag.partition(":") for tag in tags or [] if tag]
    return canonical_labels((label_name(k.encode()), v if colon else "true") for k, colon, v in pairs)


def name_of(name: str, labels: Any) -> str:
    """A name as we keep it."""
    return name if labels else sanitised(name.encode("utf-8", "replace"))


def dogstatsd(case: Case) -> list[Value]:
    """gostatsd, datadog-agent, dogstatsd-docs, veneur: values not divided by the rate."""
    found = []
    for metric in case["expect"]["metrics"]:
        labels = tags_of(metric["tags"])
        kind = KINDS[metric["type"]]
        time = float(metric["timestamp"]) if metric.get("timestamp") and kind < 2 else None
        values = [metric["set_value"]] if kind == 3 else [float(value) for value in metric["values"]]
        name = name_of(metric["name"], labels)
        found += [(name, labels, kind, value, float(metric["rate"]), time, False) for value in values]
    return found


def exporter(case: Case) -> list[Value]:
    """statsd_exporter's events: (name, labels, kind, value, delta)."""
    return [
        (
            name_of(event["name"], event["labels"]),
            canonical_labels(event["labels"]),
            {"counter": 0, "gauge": 1, "observer": 2}[event["kind"]],
            round(event["value"], 9),
            bool(event.get("relative")),
        )
        for event in case["expect"]["events"]
    ]


def as_exporter(case: Case, samples: list[Sample]) -> list[Value]:
    """Our samples as statsd_exporter would tell them."""
    found = []
    seconds = b"|ms" in input_of(case)
    for sample in samples:
        labels = canonical_labels((re.sub(r"[.-]", "_", label), value) for label, value in sample.labels)
        value = sample.value
        assert isinstance(value, float)
        if sample.kind == 0:
            value /= sample.rate
        scaled = value / 1000 if sample.kind == 2 and seconds else value
        one = (sample.name, labels, sample.kind, round(scaled, 9), sample.delta)
        found += [one] * (int(1 / sample.rate) if sample.kind == 2 else 1)
    return found


def vector(case: Case) -> list[Value]:
    """vector's metrics as (name, labels, kind, value, weight, delta)."""
    found = []
    milliseconds = case["options"]["convert_to"] == "milliseconds" or b"|h" in input_of(case)
    for metric in case["expect"]["metrics"]:
        pairs = [(label, "true" if value is None else value) for label, value in metric.get("tags", [])]
        labels = canonical_labels(pairs)
        kind, value, weight = KINDS[metric["kind"]], metric["value"], 1.0
        if kind == 2:
            (value, weight), *_ = metric["value"]
            value = value if milliseconds else value * 1000
        elif kind == 3:
            value = metric["value"][0]
        delta = kind == 1 and metric["mode"] == "incremental"
        found.append((name_of(metric["name"], labels), labels, kind, value, weight, delta))
    return found


def as_vector(case: Case, samples: list[Sample]) -> list[Value]:
    """Our samples as vector would tell them."""
    return [
        (
            sample.name,
            sample.labels,
            sample.kind,
            sample.value / sample.rate if sample.kind == 0 else sample.value,  # type: ignore[operator]
            1 / sample.rate if sample.kind == 2 else 1.0,
            sample.delta,
        )
        for sample in samples
    ]


def brubeck(case: Case) -> list[Value]:
    """brubeck's messages as (value, weight, delta)."""
    return [(m["value"], m["sample_freq"], m["relative"]) for m in case["expect"]["metrics"]]


def as_brubeck(case: Case, samples: list[Sample]) -> list[Value]:
    """Our samples as brubeck would tell them."""
    return [(sample.value, 1 / sample.rate, sample.delta) for sample in samples]


FIELDS: dict[str, Callable[[dict[str, Any]], float]] = {
    "value": lambda row: row["n"],
    "count": lambda row: row["d"],
    "sum": lambda row: row["n"],
    "mean": lambda row: row["n"] / row["d"],
    "lower": lambda row: row["low"],
    "upper": lambda row: row["high"],
}


def telegraf(kernel: ModuleType, case: Case) -> str:
    """telegraf's cases are gathered points: fold and look each of them up; what is missing."""
    table = kernel.Table()
    table.feed_statsd(input_of(case), dialect_of(case))
    found = rows(table.flush(0, 10.0))
    expect = case["expect"]
    for metric in expect.get("aggregated", expect.get("metrics", [])):
        tags = dict(metric.get("tags", metric.get("tags_contains", {})))
        tags.pop("metric_type", None)
        if "container" in tags:
            tags["container_id"] = tags.pop("container")
        fields = metric.get("fields") or ({"value": metric["value"]} if "value" in metric else {})
        kind = KINDS.get(metric.get("type", ""))
        if not any(_gathered(row, metric["name"], tags, fields, kind) for row in found):
            return f"no row for {metric}"
    return ""


def _gathered(row: dict[str, Any], name: str, tags: Any, fields: Any, kind: int | None) -> bool:
    if row["series"] != (row["series"][0], canonical_labels(tags)) or (
        kind is not None and row["kinds"] != kind
    ):
        return False
    if row["series"][0].replace(".", "_") != name:
        return False
    return all(abs(FIELDS[field](row) - value) < 1e-9 for field, value in fields.items() if field in FIELDS)


def _differs(case: Case, samples: list[Sample]) -> str:
    system = case["system"]
    found: list[Value]
    if system == "statsd_exporter":
        expected, found = exporter(case), as_exporter(case, samples)
        if case["strength"] == "exact-prefix":
            found = found[: max(len(expected), 1)]
    elif system == "vector":
        expected, found = vector(case), as_vector(case, samples)
    elif system == "brubeck":
        expected, found = brubeck(case), as_brubeck(case, samples)
    else:
        expected, found = dogstatsd(case), [ours(sample) for sample in samples]
        if case["kind"] == "packet":  # these are folded already
            expected, found = _summed(expected), _summed(found)
    return "" if expected == found else f"expected {expected}, found {found}"


def _summed(samples: list[Value]) -> list[Value]:
    sums: dict[Value, float] = {}
    for name, labels, kind, value, *_ in samples:
        sums[name, labels, kind] = sums.get((name, labels, kind), 0.0) + value
    return list(sums.items())


def difference(kernel: ModuleType, case: Case) -> str:
    """How our reading of a case differs from what its system's own test wants; empty if not."""
    samples, rejects = kernel.parse_statsd(input_of(case), dialect_of(case))
    accepted = not rejects
    if case["kind"] in ("packet", "sequence"):
        accepted = bool(samples) or (accepted and bool(input_of(case).strip()))
    elif not input_of(case):
        accepted = False
    if accepted != case["accept"]:
        return f"accept {case['accept']}, but {samples} {rejects}"
    if not accepted or case["strength"] == "accept-only" or case["kind"] in ("event", "service_check"):
        return ""
    if case["system"] == "telegraf":
        return telegraf(kernel, case)
    return _differs(case, samples)
