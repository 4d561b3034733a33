"""How mapping rules want series shown: for how long, by which words, timers as what.

A series does not remember which rule named it: it may come from another process, from the
journal of a former run, or from a rule that was rewritten since.  So the rule is found by what
it makes: of those for the series' kind whose name and labels can be what the series has, the
first in the file.  A series that none of them can have made goes by the file's defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from metronome.fold.mapping_rules import REFERENCE, HistogramOptions, Mapping, Rule, SummaryOptions
from metronome.model import Kind, Series


@dataclass(frozen=True, slots=True)
class Shape:
    """What rules say of a series beside its name.  Both kinds of options are there for timers only."""

    ttl: float = 0.0
    """Seconds for which it is shown after it was heard of last; 0: as others are."""
    help: str = ""
    """What is told of its family; empty: what is usual."""
    histogram: HistogramOptions | None = None
    summary: SummaryOptions | None = None


_USUAL: Final = Shape()

_Pieces = tuple[str, ...]
"""A template without its references: what stands before, between and behind them."""


class _Maker(NamedTuple):
    """What one rule can make."""

    kind: Kind | None
    name: _Pieces
    labels: tuple[tuple[str, _Pieces], ...]
    shape: Shape
    """Without what is for timers only."""
    observed: Shape

    def made(self, series: Series) -> bool:
        """Whether the rule can have made it."""
        if self.kind not in (None, series.kind) or not _fits(self.name, series.name):
            return False
        labels = dict(series.labels)
        return all(name in labels and _fits(value, labels[name]) for name, value in self.labels)


class Shapes:
    """What one mapping file says."""

    def __init__(self, mapping: Mapping):
        makers = [_maker(rule) for rule in mapping.rules if not rule.drop]
        self._default = _maker(mapping.default)
        self._named: dict[str, list[tuple[int, _Maker]]] = {}
        """By the name, of rules that give each series the same."""
        self._others: list[tuple[int, _Maker]] = []
        for place, (rule, maker) in enumerate(
            zip((rule for rule in mapping.rules if not rule.drop), makers, strict=True)
        ):
            if "$" in rule.name:
                self._others.append((place, maker))
            else:
                self._named.setdefault(rule.name, []).append((place, maker))

        rules = [mapping.default, *mapping.rules]
        self.have_ttl = any(rule.ttl for rule in rules if not rule.drop)
        """Whether any of them says for how long."""

    def of(self, series: Series) -> Shape | None:
        """What is said of a series; None where it is shown as all others are."""
        candidates = self._named.get(series.name, [])
        if self._others:
            candidates = sorted([*candidates, *self._others], key=lambda one: one[0])
        maker = next((maker for _, maker in candidates if maker.made(series)), self._default)
        shape = maker.observed if series.kind is Kind.TIMER else maker.shape
        return None if shape == _USUAL else shape


def _maker(rule: Rule) -> _Maker:
    labels = () if rule.honor_labels else tuple((name, _pieces(value)) for name, value in rule.labels)
    shape = Shape(rule.ttl, rule.help)
    observed = shape
    if rule.observer_type == "histogram":
        observed = replace(shape, histogram=rule.histogram)
    elif rule.observer_type == "summary":
        observed = replace(shape, summary=rule.summary)
    return _Maker(rule.kind, _pieces(rule.name), labels, shape, observed)


def _pieces(template: str) -> _Pieces:
    found, end = [""], 0
    for reference in REFERENCE.finditer(template):
        found[-1] += template[end : reference.start()] + (reference[1] or "")
        if not reference[1]:
            found.append("")
        end = reference.end()
    found[-1] += template[end:]
    return tuple(found)


def _fits(pieces: _Pieces, text: str) -> bool:
    """Whether a template can become the text, whatever stands for its references."""
    first, *others = pieces
    if not others:
        return first == text
    last, at = others.pop(), len(first)
    if not text.startswith(first):
        return False
    for piece in others:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(text) - len(last) >= at and text.endswith(last)
