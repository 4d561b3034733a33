"""Rollup rules: which series they take, which labels survive, what the groups are called.

Every rule is asked for every series, in the order of the file, as carbon's aggregation rules
and Prometheus' recording rules are: a series may feed any number of rollups.  A rule with
``drop`` takes a series away from all that stand behind it, the default sets too, which come
last.  Conditions see a series as it was sent; labels are renamed after that, so that ``by``
and the templates speak of the new names.

A **group** is what a rule folds together: the series that it takes with equal values of the
labels in ``by`` (a label that is missing counts as empty; ``*`` keeps all labels), of one
kind, and of one name where an output has ``{name}`` in it.  A rule keeps ``limit`` groups;
the series of further ones are folded into one whose label values are ``_other_``.

Outputs group for themselves: Graphite by what a label's value becomes in a path, so that
values which look the same there are added up instead of overwriting each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from metronome.fold.cells import Header
from metronome.fold.shapes import Shape, Shapes
from metronome.fold.stat import Stat, parse_stat
from metronome.fold.statsd import Naming
from metronome.glob import matches
from metronome.limits import ROLLUP_GROUPS
from metronome.model import Kind, Labels, Series, canonical_labels

OTHER: Final = "_other_"
"""Name and label values of the group that takes what is beyond a rule's limit."""
ALL_LABELS: Final = ("*",)
"""``by`` of a rule that keeps every label."""
NAME: Final = "name"
"""``{name}`` in a template is the name of the series."""
OVERS: Final = ("sum", "mean", "min", "max", "last")
"""How the gauges of a group become one value."""
GRAPHITE_SETS: Final = ("statsd", "statsd-legacy", "tags")
PROMETHEUS_SET: Final = "prometheus"
SETS: Final = ("statsd", "statsd-legacy", "prometheus", "tags")
"""Rules that need not be written: what users of statsd, statsd_exporter and tagged Graphite have."""
DEFAULT_STATS: Final = {
    Kind.COUNTER: tuple(map(parse_stat, ("count", "rate"))),
    Kind.GAUGE: (parse_stat("last"),),
    Kind.TIMER: tuple(map(parse_stat, ("count", "rate", "min", "max", "mean", "p95"))),
    Kind.SET: (parse_stat("distinct"),),
}
_NEVER: Final = {
    Kind.COUNTER: {"last", "std", "distinct"},
    Kind.GAUGE: {"count", "rate", "std", "distinct"},
    Kind.TIMER: {"last", "distinct"},
    Kind.SET: {"rate", "mean", "last", "min", "max", "sum", "std"},
}
_PLACE: Final = re.compile(r"\{([^{}]*)\}")

Clean = Callable[[str, str], str]
"""What an output makes of a label's value, given label and value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``[[rollup]]`` of the file, checked.  Rules are equal wherever they stand."""

    number: int = field(compare=False)
    """Its place in the file, from 1."""
    match: str
    where: Labels = ()
    kind: Kind | None = None
    stream: str = "main"
    drop: bool = False
    rename: Labels = ()
    by: tuple[str, ...] = ()
    every: float = 10.0
    stats: tuple[Stat, ...] = ()
    """None of them: those of ``DEFAULT_STATS`` that the kind has."""
    over: str = "sum"
    limit: int = ROLLUP_GROUPS
    graphite: tuple[str, ...] = ()
    tags: bool = False
    """Kept labels that are not in the template follow the path as Graphite's tags."""
    bare: bool = False
    """The path is without the stat."""
    stamp: str = "end"
    prometheus: str = ""
    buckets: tuple[float, ...] = ()
    native: bool = False
    """Beside ``buckets`` there are those of a native histogram."""

    def takes(self, series: Series) -> bool:
        """Whether the conditions hold; one on a label wants the label present."""
        if self.kind not in (None, series.kind) or not matches(self.match, series.name):
            return False
        labels = dict(series.labels)
        return all(name in labels and matches(glob, labels[name]) for name, glob in self.where)

    def kept(self, series: Series) -> Labels:
        """The labels that survive, under their new names; a renamed label stands over another."""
        labels = dict(series.labels)
        for old, new in self.rename:
            if old in labels:
                labels[new] = labels.pop(old)
        if self.by == ALL_LABELS:
            return canonical_labels(labels)
        return canonical_labels((name, labels.get(name, "")) for name in self.by)

    def stats_of(self, kind: Kind) -> tuple[Stat, ...]:
        """What is sent of a group of this kind."""
        return tuple(stat for stat in self.stats or DEFAULT_STATS[kind] if has_stat(kind, stat))


class Book(NamedTuple):
    """All that is to be sent: rules in their order, and the default sets behind them."""

    rules: tuple[Rule, ...] = ()
    sets: tuple[str, ...] = ()
    shapes: Shapes | None = None
    """What mapping rules say of series as they are."""

    def shape(self, series: Series) -> Shape | None:
        """How mapping rules want a series shown; None: as all others are."""
        return None if self.shapes is None else self.shapes.of(series)

    @property
    def graphite_sets(self) -> tuple[str, ...]:
        """The sets for Graphite: those that are named; statsd's when nothing else is for it."""
        named = tuple(name for name in GRAPHITE_SETS if name in self.sets)
        return named or (() if any(rule.graphite for rule in self.rules) else ("statsd",))

    @property
    def shows_every_series(self) -> bool:
        """Whether ``/metrics`` has every series: if it is said, or if no rule is for it."""
        return PROMETHEUS_SET in self.sets or not any(rule.prometheus for rule in self.rules)

    def of(self, stream: str) -> tuple[Rule, ...]:
        """The rules for one stream."""
        return tuple(rule for rule in self.rules if rule.stream == stream)

    def taking(self, series: Series, stream: str) -> tuple[list[Rule], bool]:
        """The rules that take a series, a dropping one last; whether the sets get it too."""
        found = []
        for rule in self.of(stream):
            if rule.takes(series):
                found.append(rule)
                if rule.drop:
                    return found, False
        return found, True


@dataclass(frozen=True, slots=True)
class Slot:
    """A rule, or its share of some kinds, as one output folds it."""

    rule: Rule
    every: int
    """ms; 0 ends with every flush."""
    kinds: frozenset[Kind] = frozenset(Kind)
    named: bool = False
    """Series of different names are different groups."""
    sketches: bool = False
    """Something is worked out from the timers' sketches."""
    buckets: tuple[float, ...] = ()
    """Timers are counted into buckets up to these values instead of sketched."""
    native: bool = False
    """Only for the buckets of native histograms."""
    clean: Clean | None = field(default=None, compare=False)

    def header(self, series: Series) -> Header:
        """The group of a series that the rule takes."""
        labels = self.rule.kept(series)
        if self.clean is not None:
            labels = tuple([(name, self.clean(name, value)) for name, value in labels])
        return Header(labels, series.kind, series.name if self.named else "")

    def other(self, header: Header) -> Header:
        """The group that is taken where a further one would be beyond the limit."""
        names = ("labels",) if self.rule.by == ALL_LABELS else [name for name, _ in header.labels]
        return Header(tuple([(name, OTHER) for name in names]), header.kind, OTHER if self.named else "")


def has_stat(kind: Kind, stat: Stat) -> bool:
    """Whether points of a kind can have a stat at all."""
    return stat.name not in _NEVER[kind] and (stat.quantile is None or kind is Kind.TIMER)


def placed(template: str) -> list[str]:
    """The labels (or ``name``) that stand in a template.  ``ValueError``: a brace is left over."""
    rest = _PLACE.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("a brace stands alone")
    return _PLACE.findall(template)


def filled(template: str, text: Callable[[str], str]) -> str:
    """A template with the text of each place."""
    return _PLACE.sub(lambda place: text(place[1]), template)


def graphite_slots(rules: Sequence[Rule], clean: Callable[[Rule], Clean]) -> list[Slot]:
    """The rules with paths, as Graphite has them."""
    return [
        Slot(
            rule,
            round(rule.every * 1000),
            named=any(NAME in placed(template) for template in rule.graphite),
            sketches=any(stat.quantile is not None for stat in rule.stats_of(Kind.TIMER)),
            clean=clean(rule),
        )
        for rule in rules
        if rule.graphite
    ]


def prometheus_slots(rules: Sequence[Rule]) -> list[Slot]:
    """The rules with families: what only adds up goes on with each flush, the rest each period."""
    adding, lasting = frozenset({Kind.COUNTER, Kind.TIMER}), frozenset({Kind.GAUGE, Kind.SET})
    slots = []
    for rule in rules:
        if rule.prometheus:
            named = NAME in placed(rule.prometheus)
            slots.append(Slot(rule, 0, adding, named, sketches=True, buckets=rule.buckets))
            slots.append(Slot(rule, round(rule.every * 1000), lasting, named))
    return slots


def native_slots(rules: Sequence[Rule]) -> list[Slot]:
    """The rules with native histograms: what they have beside what all have."""
    timers = frozenset({Kind.TIMER})
    return [
        Slot(rule, 0, timers, NAME in placed(rule.prometheus), sketches=True, native=True)
        for rule in rules
        if rule.prometheus and rule.native
    ]


def naming_of(name: str, naming: Naming) -> Naming:
    """How one of the sets for Graphite calls what it sends; ``naming`` is what is configured."""
    if name == "statsd-legacy":
        return replace(naming, legacy=True)
    if name == "tags":
        return replace(
            naming,
            legacy=False,
            global_prefix="",
            prefix_counter="",
            prefix_timer="",
            prefix_gauge="",
            prefix_set="",
        )
    return naming
