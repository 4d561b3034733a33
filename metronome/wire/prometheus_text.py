"""Prometheus' text formats for families of our own, and what all of them are called.

The many series that others send are written by the kernel (``kernel/samples.py``); here are
the few of our own, with the same rules.  Sources: "Exposition formats" of the Prometheus
documentation; the OpenMetrics 1.0 specification.  The rules that the writers obey:

- A family is one block: HELP, TYPE, then all its samples, no series twice.
- A metric name is ``[a-zA-Z_][a-zA-Z0-9_]*`` here (colons are for recording rules), a label
  name the same and not beginning with ``__``; ``le`` and ``quantile`` belong to the format.
- Label values escape backslash, double quote and line feed; help escapes backslash and line
  feed, in OpenMetrics also the double quote.
- A counter's sample is ``NAME_total``; text names the family so too, OpenMetrics without
  the suffix.  A family whose name ends in a unit says so in OpenMetrics.  OpenMetrics ends with
  ``# EOF``.
- In OpenMetrics counts are whole, and counts, sums and quantiles of a summary not negative;
  what breaks that is left out there.  A histogram with negative buckets has no sum and no count.
- Buckets add up: each counts what is at or below its limit, the last, ``+Inf``, everything.
- Two families may not share a sample name, nor one's name be another's sample name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from metronome.kernel import families
from metronome.kernel.families import quoted
from metronome.kernel.samples import UNITS, value_text
from metronome.wire.negotiation import Wanted

OPEN_METRICS_END: Final = "# EOF\n"
SUFFIXES: Final[dict[str, tuple[str, ...]]] = {
    "counter": ("", "_total", "_created"),
    "gauge": ("",),
    "summary": ("", "_sum", "_count", "_created"),
    "histogram": ("", "_bucket", "_sum", "_count", "_created"),
}
"""Family type to the endings of the names that a family takes for itself."""
_RESERVED_LABELS: Final = ("le", "quantile")


def metric_name(text: str) -> str:
    """Any text as a metric name."""
    return families.metric_name(text)


def family_name(text: str, kind: str) -> str:
    """The name of a family: of a counter without ``_total``, which its sample ends in."""
    return metric_name(families.base_of(text, kind == "counter"))


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
    return ",".join([f'{name}="{quoted(value)}"' for name, value in sorted(found.items())])


def head(name: str, kind: str, meaning: str, form: Wanted) -> str:
    """HELP, TYPE and UNIT of a family of our own, a counter or a gauge with a plain name."""
    counter = kind == "counter"
    base = families.base_of(name, counter)
    shown = families.family_name(base, counter, form.escaping, form.open_metrics)
    meaning = meaning.replace("\\", r"\\").replace("\n", r"\n")
    if form.open_metrics:
        meaning = meaning.replace('"', r"\"")
    lines = f"# HELP {shown} {meaning}\n# TYPE {shown} {kind}\n"
    unit = unit_of(shown)
    return f"{lines}# UNIT {shown} {unit}\n" if unit and form.open_metrics else lines


def unit_of(name: str) -> str:
    """The unit that the name of a family (without ``_total``) ends in; empty where it ends in none."""
    return next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")


def line(
    name: str, kind: str, labels: dict[str, str], value: float, form: Wanted, created: float = 0.0
) -> str:
    """One sample of it; in OpenMetrics behind a counter's when it began to count (epoch seconds), where
    that is known."""
    counter = kind == "counter"
    base = families.base_of(name, counter)
    pairs = ((families.escaped(label, form.escaping, label=True), text) for label, text in labels.items())
    inside = labels_text(pairs)
    told = [(families.TOTAL if counter else 0, value)]
    if counter and created and form.open_metrics:
        told.append((families.CREATED, created))
    lines = []
    for suffix, number in told:
        shown = families.sample_name(base, suffix, counter, form.escaping)
        lines.append(f"{shown}{{{inside}}}" if inside else shown)
        lines.append(f" {value_text(number)}\n")
    return "".join(lines)
