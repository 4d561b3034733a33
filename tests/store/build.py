"""Parts, events and batches in a word each, and answers as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np

from metronome.fold.columns import no_rows, take
from metronome.kernel import pack
from metronome.model import (
    Batch,
    Columns,
    Event,
    Events,
    Folded,
    Kind,
    Parts,
    Ragged,
    Record,
    Series,
    canonical_labels,
    series_key,
)
from metronome.wire.records import Row, columns_of

RECORD = 100_000
"""How far apart the positions of records are."""


def identity(key: bytes) -> int:
    """A 64-bit id: any good hash will do for a store."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")


def row(kind: Kind, name: str, time: int, labels: dict[str, str], **values: Any) -> Row:
    """A part; ``time`` in ms."""
    key = series_key(Series(name, canonical_labels(labels), kind))
    n = float(values["n"])
    defaults: dict[str, Any] = {"period": 10.0, "counts": 1, "d": 1.0, "low": n, "high": n}
    return Row(
        key=key,
        series_id=identity(key),
        kind=kind,
        time=time,
        **{"squares": 0.0, "samples": (), **defaults, **values},
    )


def counter(name: str, time: int, n: float, d: float = 1.0, period: float = 10.0, **labels: str) -> Row:
    return row(Kind.COUNTER, name, time, labels, n=n, d=d, counts=int(d), period=period)


def gauge(name: str, time: int, n: float, **labels: str) -> Row:
    return row(Kind.GAUGE, name, time, labels, n=n, period=0.0)


def timer(name: str, time: int, samples: Sequence[float], **labels: str) -> Row:
    return row(
        Kind.TIMER,
        name,
        time,
        labels,
        n=sum(samples),
        d=float(len(samples)),
        counts=len(samples),
        low=float(min(samples)),
        high=float(max(samples)),
        squares=float(sum(sample * sample for sample in samples)),
        samples=samples,
    )


def members(name: str, time: int, words: Iterable[str], **labels: str) -> Row:
    hashes = sorted({identity(word.encode()) for word in words})
    return row(Kind.SET, name, time, labels, n=len(hashes), counts=len(hashes), hashes=hashes)


def parts(*rows: Row, stream: str = "main", ids: tuple[tuple[int, str], ...] = ()) -> Parts:
    return Parts(stream, columns_of(rows) if rows else no_rows(), ids)


def packed(content: Parts) -> Parts:
    """Parts as a table gives them: the points of a gauge are one row, packed if there are several."""
    columns = content.columns
    instants = (columns.kinds == Kind.GAUGE) & (columns.periods == 0)
    bunches: dict[int, list[int]] = {}
    for index in range(len(columns)):
        bunches.setdefault(int(columns.ids[index]) if instants[index] else -1 - index, []).append(index)
    ordered = [sorted(bunch, key=lambda index: columns.times[index]) for bunch in bunches.values()]
    several = [bunch if len(bunch) > 1 else [] for bunch in ordered]
    points = np.array([index for bunch in several for index in bunch], np.int64)
    packs = pack(list(map(len, several)), columns.times[points], columns.n[points])
    last = take(columns, np.array([bunch[-1] for bunch in ordered], np.int64))
    return content._replace(
        columns=replace(
            last,
            counts=np.array([columns.counts[bunch].sum() for bunch in ordered], np.uint32),
            low=np.array([columns.low[bunch].min() for bunch in ordered], np.float64),
            high=np.array([columns.high[bunch].max() for bunch in ordered], np.float64),
            packs=packs if len(points) else last.packs,
        )
    )


def happened(time: int, type_: str = "view", id_: str = "a", **values: Any) -> Event:
    event: Any = {"time": time, "type": type_, "id": id_, **values}
    return event


def events(*happenings: Event, stream: str = "main") -> Events:
    return Events(stream, list(happenings))


def batch(gateway: str, *contents: Any, begin: int = 0) -> Batch:
    """Records of these contents from a position on."""
    records = [Record(begin + index * RECORD, content) for index, content in enumerate(contents)]
    return Batch(gateway, records, begin + len(contents) * RECORD)


def with_bins(columns: Columns, bins: dict[int, dict[int, float]]) -> Columns:
    """Columns whose rows have sketch bins instead of samples."""
    ends, flat, counts = [], [], []
    for index in range(len(columns)):
        for number, count in sorted(bins.get(index, {}).items()):
            flat.append(number)
            counts.append(count)
        ends.append(len(flat))
    return _replaced(
        columns,
        samples=Ragged(np.empty(0, np.uint32), np.empty(0)),
        bins=Ragged(np.array(ends, np.uint32), np.array(flat, np.int16)),
        bin_counts=Ragged(np.array(ends, np.uint32), np.array(counts, np.float64)),
    )


def with_registers(columns: Columns, registers: np.ndarray) -> Columns:
    """Columns of one row that has registers instead of members."""
    return _replaced(
        columns,
        hashes=Ragged(np.empty(0, np.uint32), np.empty(0, np.uint64)),
        registers=Ragged(np.array([len(registers)], np.uint32), registers.astype(np.uint8)),
    )


def _replaced(columns: Columns, **ragged: Ragged) -> Columns:
    values = {name: getattr(columns, name) for name in Columns.__slots__}
    return Columns(**{**values, **ragged})


def plain(groups: Sequence[Folded]) -> list[Any]:
    """An answer as values that compare: exact where they are names, times and hashes, numbers
    rounded so far that the order of adding does not show."""
    return [
        (
            group.labels,
            group.kind,
            group.name,
            group.times.tolist(),
            [
                _rounded(getattr(group, name))
                for name in ("n", "d", "counts", "sources", "low", "high", "squares")
            ],
            [(bins.tolist(), _rounded(counts)) for bins, counts in group.sketches],
            [(hashes.tolist(), registers.tolist()) for hashes, registers in group.members],
        )
        for group in groups
    ]


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.9e}") for value in values.tolist()]
