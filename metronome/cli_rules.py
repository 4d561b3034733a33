"""``metronome rules test``: which rules take a series, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from metronome.errors import ConfigError
from metronome.fold.cells import Header
from metronome.fold.rules import (
    NAME,
    Book,
    Rule,
    Slot,
    filled,
    graphite_slots,
    naming_of,
    prometheus_slots,
)
from metronome.fold.statsd import Namer, Naming
from metronome.gateway.rollup_lines import clean_for, endings_of, stems_of
from metronome.gateway.shown import TYPES
from metronome.kernel import hash64
from metronome.model import Kind, Labels, Series, canonical_labels, series_key
from metronome.wire import prometheus_text as text
from metronome.wire.records import Row, columns_of

_ENDINGS = {
    "counter": ("_total",),
    "summary": ("", "_sum", "_count"),
    "histogram": ("_bucket", "_sum", "_count"),
}


def labels_of(pairs: Iterable[str]) -> Labels:
    """Labels as they stand on the command line, ``status=500``."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"{pair!r} is no label; status=500 would be right")
        found[name] = value
    return canonical_labels(found)


def told(book: Book, naming: Naming, series: Series, stream: str) -> Iterator[dict[str, Any]]:
    """One answer for each rule that takes the series, in their order, then for each default set."""
    rules, to_sets = book.taking(series, stream)
    for rule in rules:
        about = {"rule": rule.number, "match": rule.match}
        yield {**about, "drop": True} if rule.drop else {**about, **_rolled(rule, series)}
    for name in book.graphite_sets if to_sets else ():
        yield {"rules": name, "graphite": _paths(Namer(naming_of(name, naming)), series)}
    if to_sets and book.shows_every_series:
        kind = TYPES[series.kind]
        yield {"rules": "prometheus", "type": kind, "prometheus": _samples(series.name, kind, series.labels)}


def _rolled(rule: Rule, series: Series) -> dict[str, Any]:
    said: dict[str, Any] = {"every": rule.every}
    for slot in graphite_slots([rule], clean_for):
        header = slot.header(series)
        stems, endings = stems_of(rule, header), endings_of(rule, series.kind)
        said["graphite"] = [stem.head + ending + stem.tail for stem in stems for ending in endings]
    for slot in prometheus_slots([rule]):
        if series.kind in slot.kinds:
            said |= _family(slot, slot.header(series))
    return said


def _family(slot: Slot, header: Header) -> dict[str, Any]:
    kind = "histogram" if slot.buckets and header.kind is Kind.TIMER else TYPES[header.kind]
    name = filled(slot.rule.prometheus, lambda place: header.name if place == NAME else "")
    return {"type": kind, "prometheus": _samples(name, kind, header.labels)}


def _samples(name: str, kind: str, labels: Labels) -> list[str]:
    base = text.family_name(name, kind)
    shown = text.labels_text([(text.label_name(label, ("stream",)), value) for label, value in labels])
    tail = f"{{{shown}}}" if shown else ""
    return [base + ending + tail for ending in _ENDINGS.get(kind, ("",))]


def _paths(namer: Namer, series: Series) -> list[str]:
    key = series_key(series)
    timer = series.kind is Kind.TIMER
    members = (1,) if series.kind is Kind.SET else ()
    row = Row(
        key, hash64(key), series.kind, 0, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 1.0, (1.0,) if timer else (), members
    )
    return [path for path, _ in namer.lines(columns_of([row]))]
