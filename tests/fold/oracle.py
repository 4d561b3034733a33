"""The fold algebra written out row by row with dictionaries: slow, and plain to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from metronome.fold import distinct, sketch
from metronome.fold.columns import join
from metronome.fold.select import Source, wanted
from metronome.kernel import hash64
from metronome.model import Columns, Folded, Kind, Ragged, Selection, Series, canonical_labels, series_key
from metronome.wire.records import Row, columns_of

Answer = dict[tuple[Any, ...], dict[int, dict[str, Any]]]
"""By labels, kind and name; by time; by field."""


class Part(NamedTuple):
    """What one gateway adds to one series in one period, in readable form.

    ``samples`` are values with weights; of a gauge the last one stands.  ``members`` are the
    numbers of a set's members.  ``large`` writes bins or registers instead.
    """

    series: Series
    time: int
    samples: tuple[tuple[float, float], ...]
    members: frozenset[int]
    large: bool


class Record(NamedTuple):
    gateway: str
    position: int
    parts: list[Part]

    def source(self) -> Source:
        return self.gateway, self.position, columns(self.parts)


NAMES = ("a.b", "a.c")
LABELS = (
    (),
    (("host", "x"),),
    (("host", "y"), ("status", "200")),
    (("host", "y"), ("status", "500")),
)
PARTS = st.builds(
    Part,
    series=st.builds(Series, st.sampled_from(NAMES), st.sampled_from(LABELS), st.sampled_from(Kind)),
    time=st.integers(0, 11).map(lambda number: number * 5000),
    # Whole numbers, so that sums are exact in any order.
    samples=st.lists(
        st.tuples(st.integers(-9, 99).map(float), st.sampled_from([1.0, 2.0, 10.0])), min_size=1, max_size=3
    ).map(tuple),
    members=st.frozensets(st.integers(0, 20), min_size=1, max_size=4),
    large=st.booleans(),
)
RECORDS = st.lists(
    st.builds(Record, st.sampled_from(["g1", "g2"]), st.integers(0, 5), st.lists(PARTS, max_size=5)),
    max_size=5,
    unique_by=lambda record: record[:2],
)
SELECTION = Selection("main", "*")


def columns(parts: Sequence[Part]) -> Columns:
    """Parts as columns, samples and members as bins and registers where they are large."""
    return join([columns_of([])] + [_large(part) if part.large else _small(part) for part in parts])


def row(part: Part) -> Row:
    """The plain numbers of a part."""
    key, kind = series_key(part.series), part.series.kind
    values = [value for value, _ in part.samples]
    n, d, squares = values[-1], 1.0, 0.0
    if kind in (Kind.COUNTER, Kind.TIMER):
        n = sum(value * weight for value, weight in part.samples)
        d = sum(weight for _, weight in part.samples)
    if kind is Kind.TIMER:
        squares = sum(value * value * weight for value, weight in part.samples)
    if kind is Kind.SET:
        n = float(len(part.members))
    low, high = (min(values), max(values)) if kind in (Kind.GAUGE, Kind.TIMER) else (n, n)
    samples = values if kind is Kind.TIMER else []
    hashes = hashes_of(part.members) if kind is Kind.SET else []
    return Row(key, hash64(key), kind, part.time, 5.0, len(values), n, d, low, high, squares, samples, hashes)


def hashes_of(members: Iterable[int]) -> list[int]:
    return [hash64(bytes([member])) for member in members]


def _small(part: Part) -> Columns:
    made = columns_of([row(part)])
    weights = [weight for _, weight in part.samples]
    if part.series.kind is Kind.TIMER and weights != [1.0] * len(weights):
        made = replace(made, weights=Ragged(made.samples.ends, np.array(weights)))
    return made


def _large(part: Part) -> Columns:
    made = columns_of([row(part)])
    nothing = Ragged(np.empty(0, np.uint32), np.empty(0))
    if part.series.kind is Kind.TIMER:
        bins, counts = sketch.sketch_of(*(np.array(each) for each in zip(*part.samples, strict=True)))
        ends = np.array([len(bins)], np.uint32)
        return replace(made, samples=nothing, bins=Ragged(ends, bins), bin_counts=Ragged(ends, counts))
    if part.series.kind is Kind.SET:
        registers = distinct.registers_of(np.asarray(made.hashes.flat, np.uint64))
        ends = np.array([len(registers)], np.uint32)
        empty = Ragged(ends[:0], np.empty(0, np.uint64))
        return replace(made, hashes=empty, registers=Ragged(ends, registers))
    return made


@dataclass
class Cell:
    """What one series, or one group, has in one step."""

    n: float = 0.0
    d: float = 0.0
    counts: float = 0.0
    sources: set[Series] = field(default_factory=set)
    low: float = float("inf")
    high: float = float("-inf")
    squares: float = 0.0
    bins: dict[int, float] = field(default_factory=dict)
    members: set[int] = field(default_factory=set)
    large: bool = False
    latest: dict[Series, tuple[tuple[Any, ...], float]] = field(default_factory=dict)

    def add(self, part: Part, order: tuple[Any, ...]) -> None:
        plain = row(part)
        self.sources.add(part.series)
        self.counts += plain.counts
        self.n, self.d, self.squares = self.n + plain.n, self.d + plain.d, self.squares + plain.squares
        self.low, self.high = min(self.low, plain.low), max(self.high, plain.high)
        if part.series.kind is Kind.TIMER:
            for value, weight in part.samples:
                bin_ = int(sketch.bins_of(np.array([value]))[0])
                self.bins[bin_] = self.bins.get(bin_, 0) + weight
        if part.series.kind is Kind.SET:
            self.members |= set(hashes_of(part.members))
            self.large |= part.large
        self.latest[part.series] = max(self.latest.get(part.series, ((), 0.0)), (order, plain.n))

    def result(self, kind: Kind) -> dict[str, Any]:
        n, d, low, high = self.n, self.d, self.low, self.high
        registers = None
        if kind is Kind.GAUGE:
            n, d = sum(value for _, value in self.latest.values()), 1.0
        if kind is Kind.SET:
            n = float(len(self.members))
            if self.large:
                filled = distinct.registers_of(np.array(sorted(self.members), np.uint64))
                n, registers = distinct.estimate(np.empty(0, np.uint64), filled), filled.tobytes()
            d, low, high = 1.0, n, n
        return {
            "n": n,
            "d": d,
            "counts": self.counts,
            "sources": float(len(self.sources)),
            "low": low,
            "high": high,
            "squares": self.squares,
            "sketch": self.bins,
            "hashes": set() if self.large else self.members,
            "registers": registers,
        }


def fold(records: Iterable[Record], selection: Selection, step: int, by: tuple[str, ...] | None) -> Answer:
    """The answer that folding these records has to give."""
    cells: dict[tuple[Any, ...], dict[int, Cell]] = {}
    for record in records:
        for place, part in enumerate(record.parts):
            if not (selection.start <= part.time < selection.end and wanted(part.series, selection)):
                continue
            labels, name = part.series.labels, part.series.name
            if by is not None:
                present = dict(labels)
                labels, name = canonical_labels({one: present.get(one, "") for one in by}), ""
            steps = cells.setdefault((labels, part.series.kind, name), {})
            cell = steps.setdefault(part.time // step * step if step else part.time, Cell())
            cell.add(part, (part.time, record.gateway, record.position, place))
    return {
        key: {time: steps[time].result(key[1]) for time in sorted(steps)}
        for key, steps in sorted(cells.items())
    }


def plain(groups: list[Folded]) -> Answer:
    """An answer with sketches and members as the same plain values, in its own order."""
    out: Answer = {}
    for group in groups:
        steps: dict[int, dict[str, Any]] = {}
        for index, time in enumerate(group.times.tolist()):
            bins, counts = group.sketches[index] if group.sketches else (np.empty(0), np.empty(0))
            hashes, registers = group.members[index] if group.members else (np.empty(0), np.empty(0))
            steps[time] = {
                name: float(getattr(group, name)[index])
                for name in ("n", "d", "counts", "sources", "low", "high", "squares")
            } | {
                "sketch": dict(zip(bins.tolist(), counts.tolist(), strict=True)),
                "hashes": set(hashes.tolist()),
                "registers": registers.tobytes() if len(registers) else None,
            }
        out[group.labels, group.kind, group.name] = steps
    return out


def differs(one: Answer, two: Answer) -> list[str]:
    """Where two answers differ, in words; their order matters."""
    if list(one) != list(two):
        return [f"groups {list(one)} and {list(two)}"]
    found = []
    for key, steps in one.items():
        if list(steps) != list(two[key]):
            found.append(f"steps of {key}: {list(steps)} and {list(two[key])}")
            continue
        found += [
            f"{name} of {key} at {time}: {value!r} and {two[key][time][name]!r}"
            for time, fields in steps.items()
            for name, value in fields.items()
            if value != two[key][time][name]
        ]
    return found
