"""Prometheus' text formats, written: text 0.0.4 and OpenMetrics 1.0.

Sources: "Exposition formats" of the Prometheus documentation; the OpenMetrics 1.0
specification.  The rules that the writer obeys:

- A family is one block: HELP, TYPE, then all its samples, no series twice.
- A metric name is ``[a-zA-Z_][a-zA-Z0-9_]*`` here (colons are for recording rules), a label
  name the same and not beginning with ``__``; ``le`` and ``quantile`` belong to the format.
- Label values escape backslash, double quote and line feed; help escapes backslash and line
  feed, in OpenMetrics also the double quote.
- A counter's sample is ``NAME_total``; text 0.0.4 names the family so too, OpenMetrics without
  the suffix.  OpenMetrics ends with ``# EOF``.
- In OpenMetrics counts are whole, and counts, sums and quantiles of a summary not negative;
  what breaks that is left out there.  A histogram with negative buckets has no sum and no count.
- Buckets add up: each counts what is at or below its limit, the last, ``+Inf``, everything.
- Two families may not share a sample name, nor one's name be another's sample name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

TEXT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OPEN_METRICS_END: Final = "# EOF\n"

SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "summary": ("", "_sum", "_count", "_created"),
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
}
"""Family type to the endings of the names that a family takes for itself."""

_NOT_NAME = re.compile(r"[^a-zA-Z0-9_]")
_RESERVED_LABELS: Final = ("le", "quantile")
_EXACT_INTEGERS: Final = 1e15
_LARGEST: Final = 1e308
"""A count beyond is shown as this: an infinite one is not whole."""


class Summary(NamedTuple):
    """The value of a summary."""

    quantiles: tuple[tuple[str, float], ...]
    """The quantile as text, and the value; NaN where there is none."""
    total: float
    observations: float


class Histogram(NamedTuple):
    """The value of a histogram."""

    buckets: tuple[float, ...]
    """Upper limits, ascending, without the infinite one."""
    counts: tuple[float, ...]
    """How many are in each bucket alone, and last how many are above them all."""
    total: float


def metric_name(text: str) -> str:
    """Any text as a metric name."""
    name = _NOT_NAME.sub("_", text)
    return name if name and not name[0].isdigit() else "_" + name


def family_name(text: str, kind: str) -> str:
    """The name of a family: of a counter without ``_total``, which its sample ends in."""
    name = metric_name(text)
    return name.removesuffix("_total") or name if kind == "counter" else name


@lru_cache(maxsize=4096)
def label_name(text: str, reserved: tuple[str, ...] = ()) -> str:
    """Any text as a label name; those that have a meaning of their own get ``exported_``."""
    name = metric_name(text)
    if name.startswith("__") or name in _RESERVED_LABELS or name in reserved:
        return f"exported_{name}"
    return name


def labels_text(pairs: Iterable[tuple[str, str]]) -> str:
    """``a="x",b="y"`` of escaped names and any values, by name; of equal names the first stands."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return ",".join([f'{name}="{_escaped(value)}"' for name, value in sorted(found.items())])


def number_text(value: float) -> str:
    """A double as Prometheus reads it."""
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS and value == int(value):
        return str(int(value))
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def head(name: str, kind: str, meaning: str, open_metrics: bool) -> str:
    """HELP and TYPE of a family; ``name`` as :func:`family_name` gives it."""
    meaning = meaning.replace("\\", r"\\").replace("\n", r"\n")
    if open_metrics:
        meaning = meaning.replace('"', r"\"")
    elif kind == "counter":
        name += "_total"
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def lines(name: str, kind: str, labels: str, value: float | Summary | Histogram, open_metrics: bool) -> str:
    """The samples of one series; ``labels`` as :func:`labels_text` gives them."""
    if isinstance(value, Histogram):
        return "".join(_histogram(name, labels, value, open_metrics))
    if isinstance(value, Summary):
        return "".join(_summary(name, labels, value, open_metrics))
    if kind == "counter":
        name += "_total"
    return f"{name}{{{labels}}} {number_text(value)}\n" if labels else f"{name} {number_text(value)}\n"


def wants_open_metrics(accept: str | None) -> bool:
    """Whether a client would rather have OpenMetrics, by its ``Accept`` header (RFC 9110)."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in (accept or "").lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media in best and values.get("version", "").strip('"') in ("", "1.0.0", "0.0.4"):
            best[media] = max(best[media], _quality(values.get("q", "1")))
    return best["application/openmetrics-text"] > 0 and (
        best["application/openmetrics-text"] >= best["text/plain"]
    )


def _quality(text: str) -> float:
    match = re.fullmatch(r"[01](?:\.[0-9]{0,3})?", text)
    return min(float(match[0]), 1.0) if match else 0.0


def _summary(name: str, labels: str, value: Summary, open_metrics: bool) -> Iterator[str]:
    comma = "," if labels else ""
    for quantile, number in value.quantiles:
        if not (open_metrics and number < 0):
            yield f'{name}{{{labels}{comma}quantile="{quantile}"}} {number_text(number)}\n'
    tail = f"{{{labels}}}" if labels else ""
    if not open_metrics or value.total >= 0:
        yield f"{name}_sum{tail} {number_text(value.total)}\n"
    yield f"{name}_count{tail} {number_text(round(min(value.observations, _LARGEST)))}\n"


def _histogram(name: str, labels: str, value: Histogram, open_metrics: bool) -> Iterator[str]:
    comma, below, count = "," if labels else "", 0.0, "0"
    for limit, number in zip((*value.buckets, math.inf), value.counts, strict=True):
        below += number
        count = number_text(round(min(below, _LARGEST)))
        # The same text in both formats, or one bucket would be two series to Prometheus.
        text = "+Inf" if limit == math.inf else repr(float(limit))
        yield f'{name}_bucket{{{labels}{comma}le="{text}"}} {count}\n'
    tail = f"{{{labels}}}" if labels else ""
    if not open_metrics or (value.total >= 0 and value.buckets[0] >= 0):
        yield f"{name}_sum{tail} {number_text(value.total)}\n"
        yield f"{name}_count{tail} {count}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
