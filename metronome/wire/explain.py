"""What becomes of input, as plain JSON values: for ``metronome parse`` and ``metronome tail``.

=========  ==================================================================================
sample     ``{"name", "labels", "kind", "value", "rate", "time", "delta"}``: ``value`` is a text
           for sets, ``time`` (epoch seconds) is there when the line carries one, ``delta`` is
           true for a signed change of a gauge; ``"total": true`` for a counter's running total
point      ``{"name", "stream", "time", "n", "d", "p", "v", "kind"}``: contract.md section 2
event      ``{"event": {...}}``: the event as it is kept
reject     ``{"reject": reason, "excerpt": text}``, for a tick also ``param`` and ``index``
=========  ==================================================================================

Order is that of the input.
"""

from __future__ import annotations

from typing import Any

from metronome import kernel
from metronome.kernel.interface import Dialect, Sample
from metronome.limits import EXCERPT_BYTES
from metronome.model import Kind, parse_key
from metronome.wire import dogstatsd, tick
from metronome.wire.records import Row

Told = dict[str, Any]


def statsd(block: bytes, dialect: Dialect, now: int) -> list[Told]:
    """A datagram or whole lines of statsd; ``now`` in ms."""
    told: list[Told] = []
    for line in block.split(b"\n"):
        samples, rejects = kernel.parse_statsd(line, dialect)
        if line.startswith((b"_e{", b"_sc|")) and not rejects:
            told.append(_happening(line.removesuffix(b"\r"), now, dialect.container_labels))
        told += [_sample(sample) for sample in samples]
        told += [_reject(reject.reason, reject.excerpt) for reject in rejects]
    return told


def graphite(block: bytes, dialect: Dialect) -> list[Told]:
    """Whole lines of Graphite plaintext."""
    told: list[Told] = []
    for line in block.split(b"\n"):
        samples, rejects = kernel.parse_graphite(line, dialect)
        told += [_sample(sample) for sample in samples]
        told += [_reject(reject.reason, reject.excerpt) for reject in rejects]
    return told


def ticks(body: bytes, content_type: str, now: int) -> list[Told]:
    """The body of a request with ticks; ``now`` in ms."""
    batch = tick.parse(body, content_type, tick.Context(now))
    if batch.reason:
        return [_reject(batch.reason, body[:EXCERPT_BYTES])]
    by_item: list[tuple[int, Told]] = []
    for one in batch.ticks:
        by_item += [(one.item, _point(one.stream, row)) for row, _ in one.rows]
        if one.event is not None:
            by_item.append((one.item, {"event": dict(one.event)}))
    for refused in batch.refused:
        said = _reject(refused.reason, refused.excerpt)
        by_item.append((refused.item, {**said, "param": refused.param, "index": refused.item}))
    return [told for _, told in sorted(by_item, key=lambda pair: pair[0])]


def _sample(sample: Sample) -> Told:
    told: Told = {
        "name": sample.name,
        "labels": dict(sample.labels),
        "kind": Kind(sample.kind).word,
        "value": sample.value,
        "rate": sample.rate,
        "delta": sample.delta,
    }
    if sample.time is not None:
        told["time"] = sample.time
    if sample.total:
        told["total"] = True
    return told


def _happening(line: bytes, now: int, origins: bool) -> Told:
    read = dogstatsd.parse(line, now, origins)
    return _reject(*read) if isinstance(read, tuple) else {"event": dict(read)}


def _point(stream: str, row: Row) -> Told:
    series = parse_key(row.key)
    return {
        "name": series.name,
        "stream": stream,
        "time": row.time / 1000,
        "n": row.n,
        "d": row.d,
        "p": row.period,
        "v": dict(series.labels),
        "kind": series.kind.word,
    }


def _reject(reason: str, excerpt: bytes) -> Told:
    return {"reject": reason, "excerpt": excerpt.decode("utf-8", "replace")}
