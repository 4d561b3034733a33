"""Mapping rules: from a dotted name to a series' name and labels.

The language is that of statsd_exporter's mapping file (https://github.com/prometheus/
statsd_exporter, README, "Metric Mapping and Configuration"):

- A **glob** rule matches part by part between the dots; ``*`` takes one whole part.  Of the
  rules that match, the first in the file stands; with ``glob_disable_ordering`` the most
  specific does: reading from the left, a rule that names a part comes before one with ``*``.
- A **regex** rule matches anywhere in the name unless anchored.  Regex rules are tried in
  order, and only when no glob rule has matched, wherever they stand in the file.
- ``match_metric_type`` narrows a rule to one kind: ``counter``, ``gauge``, ``observer`` (a
  timer) or, which statsd_exporter does not have, ``set``.
- ``$1`` or ``${1}`` in the name and in label values is what the first ``*`` or group took,
  ``$0`` of a regex the whole match, ``${word}`` of a regex a named group.  A reference to
  what is not there is empty: also ``$1_x``, because ``1_x`` is its name.
- ``action: drop`` refuses the sample.  A name that no rule matches stays as it is, with its unit.
- Tags of the sample are labels beside those of the rule; of one that both have the rule's stands,
  with ``honor_labels`` the sample's.
- Values are multiplied by ``scale``.  Of a name that a rule matches, what was sent as ``ms`` is turned
  into seconds before: rules, with their buckets, think in Prometheus' units.

``mapping.py`` reads the file and checks it, ``shapes.py`` says how rules want series shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from metronome.kernel.interface import Mapped, Mapper
from metronome.model import Kind, Labels, canonical_labels

REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")

KINDS: Final = {
    "counter": Kind.COUNTER,
    "gauge": Kind.GAUGE,
    "observer": Kind.TIMER,
    "set": Kind.SET,
}
"""Words of ``match_metric_type``."""


class Objective(NamedTuple):
    """A quantile that a summary shows, and the error that is allowed there."""

    quantile: float
    error: float


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """How observations become a summary; 0 leaves a number to whoever shows it."""

    quantiles: tuple[Objective, ...] = (Objective(0.5, 0.05), Objective(0.9, 0.01), Objective(0.99, 0.001))
    max_age: float = 0.0
    """Seconds."""
    age_buckets: int = 0
    buf_cap: int = 0


@dataclass(frozen=True, slots=True)
class HistogramOptions:
    """How observations become a histogram."""

    buckets: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
    native_histogram_bucket_factor: float = 1.1
    native_histogram_max_buckets: int = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``mappings``, with the defaults filled in."""

    match: str
    name: str
    labels: Labels = ()
    """Templates of the label values."""
    is_regex: bool = False
    pattern: re.Pattern[str] | None = None
    """Of a regex rule."""
    kind: Kind | None = None
    """``match_metric_type``; None matches every kind."""
    drop: bool = False
    honor_labels: bool = False
    """Labels that the sample brings stand before those of the rule."""
    observer_type: str = ""
    """``summary`` or ``histogram``; empty: the file says nothing, and a rule means a summary."""
    help: str = ""
    ttl: float = 0.0
    """Seconds after which an idle series is no longer shown; 0 is never."""
    scale: float | None = None
    """Values are multiplied by it."""
    summary: SummaryOptions = SummaryOptions()
    histogram: HistogramOptions = HistogramOptions()


class Match(NamedTuple):
    """What a rule makes of a name."""

    rule: Rule
    name: str
    labels: Labels


class Mapping:
    """A mapping file, ready to be asked."""

    def __init__(self, rules: Sequence[Rule], *, ordered: bool = True, default: Rule | None = None):
        """``default`` has what the file says of names that no rule takes."""
        self.rules = tuple(rules)
        self.default = default or Rule(match="", name="")
        self._ordered = ordered
        self._globs = _Node()
        for place, rule in enumerate(self.rules):
            if not rule.is_regex:
                self._globs.add(rule.match.split("."), place)
        self._regexes = [(rule, rule.pattern) for rule in self.rules if rule.pattern is not None]

    def find(self, name: str, kind: Kind) -> Match | None:
        """The rule that a name of this kind goes by, and what it makes of it."""
        return self._find_glob(name, kind) or self._find_regex(name, kind)

    def apply(self, name: str, kind: int, labels: Labels = ()) -> Mapped | None:
        """What becomes of samples that may bring labels themselves; None drops them."""
        match = self.find(name, Kind(kind))
        if match is None:
            return Mapped(name, labels, ruled=False)
        if match.rule.drop:
            return None
        first, second = (match.labels, labels) if match.rule.honor_labels else (labels, match.labels)
        factor = 1.0 if match.rule.scale is None else match.rule.scale
        return Mapped(match.name, canonical_labels((*first, *second)), factor)

    def mapper(self) -> Mapper:
        """The function that a folding table asks for each new name, tags and kind."""
        return self.apply

    def _find_glob(self, name: str, kind: Kind) -> Match | None:
        wanted = (
            (place, stars)
            for place, stars in self._globs.walk(name.split("."), ())
            if self.rules[place].kind in (None, kind)
        )
        found = min(wanted, key=lambda match: match[0], default=None) if self._ordered else next(wanted, None)
        if found is None:
            return None
        place, stars = found
        return _matched(self.rules[place], {str(number): text for number, text in enumerate(stars, 1)}.get)

    def _find_regex(self, name: str, kind: Kind) -> Match | None:
        for rule, pattern in self._regexes:
            if rule.kind in (None, kind) and (match := pattern.search(name)) is not None:
                groups = {str(number): text for number, text in enumerate((match[0], *match.groups()))}
                return _matched(rule, (groups | match.groupdict()).get)
        return None


@dataclass(slots=True)
class _Node:
    """Glob rules part by part: what may follow, and the rules that end here."""

    parts: dict[str, _Node] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)

    def add(self, parts: Sequence[str], place: int) -> None:
        node = self
        for part in parts:
            node = node.parts.setdefault(part, _Node())
        node.places.append(place)

    def walk(self, parts: Sequence[str], stars: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Rules that match, the most specific first, and what their stars took."""
        if not parts:
            for place in self.places:
                yield place, stars
            return
        head, rest = parts[0], parts[1:]
        if head != "*" and head in self.parts:
            yield from self.parts[head].walk(rest, stars)
        if "*" in self.parts:
            yield from self.parts["*"].walk(rest, (*stars, head))


def _matched(rule: Rule, group: Callable[[str], str | None]) -> Match:
    labels = tuple((label, _filled(template, group)) for label, template in rule.labels)
    return Match(rule, _filled(rule.name, group), labels)


def _filled(template: str, group: Callable[[str], str | None]) -> str:
    def text(reference: re.Match[str]) -> str:
        return reference[1] or group(reference[2] or reference[3]) or ""

    return REFERENCE.sub(text, template) if "$" in template else template
