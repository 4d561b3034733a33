"""What a parser made of a line, in a few characters: a cell of the table in ``doc/dialects.md``.

Accepted: ``kind value @rate {tags}``, with the name in front where it is not the one that was sent.
Refused: ``✗`` and the reason.  A value that repeats is written once with ``×``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

from metronome.kernel.interface import Reject, Sample

Seen = dict[str, Any]
LONGEST = 90
SHORT = {"counter": "c", "gauge": "g", "timer": "ms", "timing": "ms", "observer": "h", "set": "s"}
SHORT |= {"histogram": "h", "distribution": "d"}
OURS = ("c", "g", "ms", "s")


def number(value: object) -> str:
    """A number as short as it can be said; null is what JSON has for what is not finite."""
    if value is None:
        return "not finite"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def joined(parts: list[str]) -> str:
    """Parts in their order, neighbours that are the same counted."""
    counted = [(part, len(list(same))) for part, same in groupby(parts)]
    return ", ".join(part if times == 1 else f"{part} ×{times}" for part, times in counted)


def braced(tags: list[str]) -> str:
    """Tags behind a value; nothing where there are none."""
    return " {" + ", ".join(tags) + "}" if tags else ""


def rated(rate: float) -> str:
    """A rate that says something."""
    return "" if rate == 1 else f" @{number(rate)}"


def named(name: str, sent: str, rest: str) -> str:
    """The name in front where it is another one."""
    return rest if name == sent else f"{name or '(no name)'} {rest}"


def refused(reason: str) -> str:
    """Why a line is refused, without what every sentence of that parser begins with."""
    short = re.sub(r"^(Invalid metric packet, |strconv\.ParseFloat: parsing )", "", reason)
    return f"✗ {short.strip()}"


def event(seen: Seen) -> str:
    """An event or a check."""
    if "event" in seen:
        return f"event {seen['event']['title'] or '(no title)'}"
    check = seen["service_check"]
    return f"check {check['name']} {check['status']}"


def of_gostatsd(seen: Seen, sent: str) -> str:
    """gostatsd: one metric with its values."""
    if not seen["accept"]:
        return refused(seen["error"])
    if "metric" not in seen:
        return event(seen)
    metric = seen["metric"]
    kind = SHORT[metric["type"]]
    values = [metric["set_value"]] if kind == "s" else [number(value) for value in metric["values"]]
    text = f"{kind} {joined(values) or '(no value)'}{rated(metric['rate'])}{braced(metric['tags'] or [])}"
    return named(metric["name"], sent, text)


def of_statsd_exporter(seen: Seen, sent: str) -> str:
    """statsd_exporter: events, and errors beside them."""
    errors = " ".join(seen.get("errors", []))
    if not seen["accept"]:
        return refused(errors)
    parts = []
    for one in seen["events"]:
        sign = "±" if one.get("relative") else ""
        labels = [f"{label}={value}" for label, value in sorted(one["labels"].items())]
        text = f"{SHORT[one['kind']]} {sign}{number(one['value'])}{braced(labels)}"
        parts.append(named(one["name"], sent, text))
    if seen.get("tag_errors"):
        errors = f"{errors} {seen['tag_errors']} tag errors".strip()
    return joined(parts) + (f" ({errors})" if errors else "")


def of_veneur(seen: Seen, sent: str) -> str:
    """veneur: one metric a value."""
    if not seen["accept"]:
        return refused(seen["error"])
    if "metrics" not in seen:
        return event(seen)
    parts = []
    for metric in seen["metrics"]:
        text = f"{SHORT[metric['type']]} {number(metric['value'])}{rated(metric['rate'])}"
        parts.append(named(metric["name"], sent, text + braced(metric["tags"])))
    return joined(parts) or "(nothing)"


def of_telegraf(seen: Seen, sent: str) -> str:
    """telegraf: gathered points, with what it keeps of a line that it complains about."""
    parts = []
    for metric in seen.get("metrics", []):
        tags, fields = dict(metric["tags"]), metric["fields"]
        kind = SHORT.get(tags.pop("metric_type", ""), "")
        if not kind:
            parts.append(f"check {tags['check_name']}" if "status" in fields else f"event {metric['name']}")
            continue
        value = number(fields["value"] if "value" in fields else fields["mean"])
        times = f" ×{number(fields['count'])}" if fields.get("count", 1) != 1 else ""
        labels = [f"{label}={value}" for label, value in sorted(tags.items())]
        parts.append(named(metric["name"], sent, f"{kind} {value}{times}{braced(labels)}"))
    if seen["accept"]:
        return joined(parts)
    return refused(seen["error"]) + (f"; kept {joined(parts)}" if parts else "")


def of_statsd(seen: Seen, sent: str) -> str:
    """statsd: what is stored, tags as part of the key, and how many bad lines it counted."""
    parts = []
    for kind, table in (("c", "counters"), ("g", "gauges"), ("ms", "timers"), ("s", "sets")):
        for name, value in seen.get(table, {}).items():
            if kind == "ms":
                times = f" ×{number(value['count'])}" if value["count"] != len(value["values"]) else ""
                text = joined([number(one) for one in value["values"]]) + times
            else:
                text = ", ".join(value) if kind == "s" else number(value)
            parts.append(named(name, sent, f"{kind} {text}"))
    if seen["accept"]:
        return joined(parts)
    return refused(f"{seen['bad_lines']} bad") + (f"; kept {joined(parts)}" if parts else "")


PARSERS: dict[str, Callable[[Seen, str], str]] = {
    "gostatsd": of_gostatsd,
    "statsd_exporter": of_statsd_exporter,
    "veneur": of_veneur,
    "telegraf": of_telegraf,
    "statsd": of_statsd,
}


def of_us(samples: list[Sample], rejects: list[Reject], raw: bytes, sent: str) -> str:
    """What this project makes of the line."""
    if rejects:
        return "✗ " + " ".join(reject.reason for reject in rejects)
    if not samples:
        return {b"_e{": "event", b"_sc": "check"}.get(raw[:3], "(no value)")
    parts = []
    for sample in samples:
        sign = "±" if sample.delta else ""
        value = sample.value if isinstance(sample.value, str) else number(sample.value)
        time = "" if sample.time is None else f" at {number(sample.time)}"
        labels = [f"{label}={value}" for label, value in sample.labels]
        text = f"{OURS[sample.kind]} {sign}{value}{rated(sample.rate)}{time}{braced(labels)}"
        parts.append(named(sample.name, sent, text))
    return joined(parts)


def code(text: str) -> str:
    """Text as code in a table: one line, the bars kept apart, the middle of long text left out."""
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    if len(shown) > LONGEST:
        shown = f"{shown[: LONGEST - 21]}…{shown[-20:]}"
    fence = "``" if "`" in shown else "`"
    padding = " " if shown != shown.strip() or "`" in shown else ""
    return fence + padding + shown.replace("|", "\\|") + padding + fence
