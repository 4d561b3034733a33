"""Points that come as ticks: an item with ``n``, and the metrics of a ``perf`` event.

A point (contract.md section 2) has a ``name``, a numerator ``n``, and, where they differ from
the defaults, a denominator ``d``, a period ``p`` in seconds and a ``kind``.  Its labels are
the object ``v`` and every parameter that is not reserved, as text; ``v`` wins where both
name a label.

==========  ======================================================================
kind        what n and d are
==========  ======================================================================
counter     both add up
gauge       n is the value; a gauge has no denominator, so d may only be 1
timer       n is the sum of d values; one value (d = 1) is also kept as a sample
set         n is a member, number or text, as in statsd's ``name:member|s``
==========  ======================================================================

``trace_id`` and ``span_id``, or ``traceparent`` as W3C's "Trace Context" has it, say which trace the
value is of: they are no labels, they become an exemplar on ``/metrics``.

The time of a point is the start of its period, so it is moved back to a multiple of p.

A ``perf`` event is kept as an event, and each metric in it is also a point of the timer
``perf`` with the label ``metric``: n = delta, or value where there is no delta, and d = 1 if
the value is reported for the first time (value = delta), else 0.  So the mean n/d is that
of the final values although browsers report a metric several times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from metronome.kernel import hash64
from metronome.limits import LABEL_VALUE_BYTES, LABELS_PER_SERIES, NAME_BYTES, PERIOD_SECONDS, TRACE_BYTES
from metronome.model import Kind, Labels, Series, canonical_labels, series_key
from metronome.wire import times
from metronome.wire.records import Row

Params = Mapping[str, Any]
"""The flat parameters of an item: text, numbers, truth values and None."""

RESERVED: Final = frozenset(
    (
        *("name", "n", "d", "p", "v", "kind", "stream", "key", "tick", "eid", "event.id"),
        *("ts", "@timestamp", "timestamp", "date", "time"),
        *("trace_id", "span_id", "traceparent"),
    )
)
"""Parameters of a point that are not labels."""

PERF: Final = "perf"
"""The series of page performance, and the type of the events that it comes from."""

VITALS: Final = ("lcp", "inp", "cls", "fcp", "ttfb", "dns", "tcp", "tls", "srv", "dom", "load")
"""Metrics that a perf event may carry under their own names."""

_KINDS: Final = {kind.word: kind for kind in Kind}
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*", re.ASCII)
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


class BadItem(Exception):
    """An item that is refused: its reason and the parameter at fault."""

    def __init__(self, reason: str, param: str):
        super().__init__(reason, param)
        self.reason = reason
        self.param = param


def given(params: Params, name: str) -> Any:
    """A reserved parameter; None when it is missing, null or empty (as forms send it)."""
    value = params.get(name)
    return None if value == "" else value


def number(params: Params, name: str, default: float) -> float:
    """A finite numeric parameter; text is read by the house's grammar."""
    value = given(params, name)
    if value is None:
        return default
    found = to_number(value)
    if found is None:
        raise BadItem("bad_param", name)
    return found


def to_number(value: Any) -> float | None:
    """A finite number, from a number or from text; None otherwise."""
    if isinstance(value, str):
        value = times.number(value.strip())
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def as_text(value: Any) -> str:
    """A scalar as the text of a label."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def period(params: Params, default: float) -> float:
    """The period of a point in seconds, 0 for an instant."""
    seconds = number(params, "p", default)
    if not 0 <= seconds <= PERIOD_SECONDS:
        raise BadItem("bad_param", "p")
    return seconds


def aligned(time: int, seconds: float) -> int:
    """The start of the period (ms) that a time (ms) falls into."""
    length = round(seconds * 1000)
    return time - time % length if length else time


def point(params: Params, labels: Mapping[str, str], time: int, seconds: float) -> Row:
    """The part that a point is; ``labels`` are added to its own."""
    name = given(params, "name")
    if not isinstance(name, str) or _CONTROL.search(name) or len(name.encode()) > NAME_BYTES:
        raise BadItem("bad_param", "name")
    kind = _KINDS.get(given(params, "kind") or "counter")
    if kind is None:
        raise BadItem("bad_param", "kind")
    series = Series(name, canonical_labels({**_labels(params), **labels}), kind)
    _check_number(series.labels)
    start = aligned(time, seconds)
    if kind is Kind.SET:
        return _member(series, params, start, seconds)
    n = to_number(params.get("n"))
    if n is None:
        raise BadItem("bad_param", "n")
    d = number(params, "d", 1.0)
    if (kind is Kind.GAUGE and d != 1) or (kind is Kind.TIMER and d < 0):
        raise BadItem("bad_param", "d")
    if kind is Kind.TIMER:
        mean = n / d if d else n
        return timer(series, start, seconds, n, d, mean)
    key = series_key(series)
    return Row(key, hash64(key), kind, start, seconds, 1, n, d, n, n, 0.0, ())


def trace(params: Params) -> Labels:
    """The trace that a point is of, as labels of an exemplar; none where it cannot be told."""
    parent = given(params, "traceparent")
    if isinstance(parent, str):
        found = _TRACE_PARENT.fullmatch(parent.strip())
        if found and found[1].strip("0") and found[2].strip("0"):
            return (("trace_id", found[1]), ("span_id", found[2]))
    names = [name for name in ("trace_id", "span_id") if _is_trace(given(params, name))]
    return tuple((name, params[name]) for name in names) if "trace_id" in names else ()


def _is_trace(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= TRACE_BYTES


def timer(series: Series, start: int, seconds: float, n: float, d: float, value: float) -> Row:
    """A part of a timer; ``value`` stands for its least and greatest sample."""
    key = series_key(series)
    samples = (value,) if d == 1 else ()
    squares = value * value * d
    return Row(key, hash64(key), Kind.TIMER, start, seconds, 1, n, d, value, value, squares, samples)


def vitals(params: Params, time: int, seconds: float) -> Iterator[tuple[str, Row]]:
    """The metrics of a perf event, each with its name."""
    start = aligned(time, seconds)
    metric = given(params, "metric")
    if metric is not None:
        value, delta = given(params, "value"), given(params, "delta")
        if not isinstance(metric, str) or len(metric.encode()) > NAME_BYTES:
            raise BadItem("bad_param", "metric")
        if value is None and delta is None:
            raise BadItem("bad_param", "value")
        n = number(params, "delta" if delta is not None else "value", 0.0)
        last = number(params, "value", n)
        yield _vital(metric.strip().lower(), start, seconds, n, 1.0 if last == n else 0.0, last)
    for name in VITALS:
        if given(params, name) is not None:
            n = number(params, name, 0.0)
            yield _vital(name, start, seconds, n, 1.0, n)


def _vital(metric: str, start: int, seconds: float, n: float, d: float, value: float) -> tuple[str, Row]:
    labels = (("metric", metric.replace("\0", "\ufffd")),)
    return metric, timer(Series(PERF, labels, Kind.TIMER), start, seconds, n, d, value)


def _member(series: Series, params: Params, start: int, seconds: float) -> Row:
    member = params.get("n")
    if isinstance(member, bool) or (isinstance(member, float) and not math.isfinite(member)):
        raise BadItem("bad_param", "n")
    text = as_text(member).encode()
    if not text or len(text) > LABEL_VALUE_BYTES:
        raise BadItem("bad_param", "n")
    key = series_key(series)
    return Row(key, hash64(key), Kind.SET, start, seconds, 1, 1.0, 1.0, 1.0, 1.0, 0.0, (), (hash64(text),))


def _labels(params: Params) -> dict[str, str]:
    plain: dict[str, str] = {}
    chosen: dict[str, str] = _object(params.get("v"))
    for name, value in params.items():
        if value is None or name in RESERVED:
            continue
        if name.startswith("v."):
            chosen[name[2:]] = as_text(value)
        else:
            plain[name] = as_text(value)
        if len(plain) + len(chosen) > 2 * LABELS_PER_SERIES:
            raise BadItem("too_many_labels", "")
    labels = {**plain, **chosen}
    for name, value in labels.items():
        if not _LABEL_NAME.fullmatch(name) or len(name) > NAME_BYTES or _is_long(value):
            raise BadItem("bad_label", name)
    return labels


def _check_number(labels: Labels) -> None:
    if len(labels) > LABELS_PER_SERIES:
        raise BadItem("too_many_labels", "")


def _is_long(value: str) -> bool:
    return len(value) > LABEL_VALUE_BYTES or len(value.encode()) > LABEL_VALUE_BYTES


def _object(value: Any) -> dict[str, str]:
    """The labels of a ``v`` that a form sends as JSON text."""
    if value is None or value == "":
        return {}
    try:
        found = orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or any(isinstance(inner, dict | list) for inner in found.values()):
        raise BadItem("bad_param", "v")
    return {name: as_text(inner) for name, inner in found.items() if inner is not None}
