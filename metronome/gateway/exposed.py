"""What Prometheus gets of a series: its family, its labels and the samples that it has.

The same names, labels and samples as on ``/metrics``: a counter is ``NAME_total``; a timer a summary
with quantiles or, where a rule has buckets, a histogram; gauges and sets are gauges.

A series lies in **cells**, numbers side by side, and each of its samples is one of them.

=========  ==============================================  ==================================
type       cells                                           samples
=========  ==============================================  ==================================
counter    total                                           ``_total``
gauge      value                                           the name itself
summary    a quantile each, sum, count                     the quantiles, ``_sum``, ``_count``
histogram  at or below each limit, all of them, sum        ``_bucket``, ``_sum``, ``_count``
=========  ==============================================  ==================================
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from metronome.fold.cells import Header
from metronome.fold.native import schema_of
from metronome.fold.rules import NAME, Rule, Slot, filled
from metronome.fold.shapes import Shape
from metronome.gateway.beside import CLASSIC, QUANTILES
from metronome.gateway.natives import NATIVE_SCHEMA
from metronome.gateway.shown import MAIN, TYPES
from metronome.kernel.families import Escaping, base_of, escaped
from metronome.limits import NATIVE_BUCKETS
from metronome.model import Kind, Labels, Series
from metronome.wire import prometheus_text as text
from metronome.wire.remote_write import Family, sorted_labels

LAST: Final = 0
"""A cell that holds the last value."""
TOTAL: Final = 1
"""One that adds up."""
COUNT: Final = 2
"""One that adds up and is told as a whole number."""
QUANTILE: Final = 3
"""One that says nothing once it is old."""
_RESERVED: Final = ("le", "quantile", "stream")


class Exposed(NamedTuple):
    """One series as Prometheus knows it.  Equal ones are one series."""

    type: str
    base: str
    """Name of the family; of a counter without ``_total``."""
    labels: Labels
    """Escaped names, sorted, none of them empty."""
    points: tuple[float, ...] = ()
    """The quantiles of a summary, the limits of a histogram."""
    schema: int = CLASSIC
    """Of the native buckets that a histogram has beside."""
    most: int = NATIVE_BUCKETS
    """How many of those may be told."""

    def packed(self) -> bytes:
        """As bytes, equal for equal ones; labels never hold NUL."""
        pairs = [text for pair in self.labels for text in pair]
        points = " ".join([repr(float(point)) for point in self.points])
        if self.native:
            points += f"|{self.schema} {self.most}"
        return "\0".join([self.type, self.base, points, *pairs]).encode()

    @property
    def native(self) -> bool:
        """Whether there are native buckets."""
        return self.schema != CLASSIC

    @property
    def labels_of_native(self) -> Labels:
        """Of the sample that is a native histogram."""
        return self._named(self.base)

    @property
    def codes(self) -> list[int]:
        """What is in each cell."""
        if self.type == "summary":
            return [*[QUANTILE] * len(self.points), TOTAL, COUNT]
        if self.type == "histogram":
            return [*[COUNT] * (len(self.points) + 1), TOTAL]
        return [TOTAL if self.type == "counter" else LAST]

    def samples(self) -> list[tuple[Labels, int]]:
        """The labels of each sample, with its name among them, and its cell."""
        base, size = self.base, len(self.points)
        if self.type == "counter":
            return [(self._named(f"{base}_total"), 0)]
        if self.type == "gauge":
            return [(self._named(base), 0)]
        if self.type == "summary":
            found = [
                (self._named(base, ("quantile", f"{point:.10g}")), place)
                for place, point in enumerate(self.points)
            ]
            return [*found, (self._named(f"{base}_sum"), size), (self._named(f"{base}_count"), size + 1)]
        limits = [*(repr(float(point)) for point in self.points), "+Inf"]
        found = [(self._named(f"{base}_bucket", ("le", le)), place) for place, le in enumerate(limits)]
        return [*found, (self._named(f"{base}_sum"), size + 1), (self._named(f"{base}_count"), size)]

    def _named(self, name: str, *more: tuple[str, str]) -> Labels:
        return sorted_labels(name, (*self.labels, *more))


def unpacked(data: bytes) -> Exposed:
    """The reverse of :meth:`Exposed.packed`."""
    kind, base, points, *pairs = data.decode().split("\0")
    labels = tuple(zip(pairs[::2], pairs[1::2], strict=True))
    points, _, native = points.partition("|")
    return Exposed(
        kind, base, labels, tuple([float(point) for point in points.split()]), *map(int, native.split())
    )


def of_series(
    series: Series, stream: str, shape: Shape | None = None, escaping: Escaping = Escaping.UNDERSCORES
) -> tuple[Exposed, str]:
    """A series as it is, or as mapping rules want it shown, and what is told of its family."""
    name, labels, kind = series
    shape, word = shape or Shape(), TYPES[kind]
    points: tuple[float, ...] = QUANTILES if kind is Kind.TIMER else ()
    native: tuple[int, ...] = ()
    if shape.histogram is not None:
        options = shape.histogram
        word, points = "histogram", options.buckets
        native = schema_of(options.native_histogram_bucket_factor), options.native_histogram_max_buckets
    elif shape.summary is not None:
        points = tuple(objective.quantile for objective in shape.summary.quantiles)
    base = escaped(base_of(name, word == "counter"), escaping)
    exposed = Exposed(word, base, _labels(labels, stream, escaping), points, *native)
    return exposed, shape.help or f"{name} ({kind.word})"


def of_group(
    slot: Slot, header: Header, stream: str, escaping: Escaping = Escaping.UNDERSCORES
) -> tuple[Exposed, str]:
    """A group of a rule, and what is told of its family."""
    rule, (labels, kind, name) = slot.rule, header
    family = filled(rule.prometheus, lambda place: name if place == NAME else "")
    told = f"{rule.match} by {', '.join(rule.by) or 'nothing'} ({kind.word})"
    word, points = TYPES[kind], wanted_quantiles(rule) if kind is Kind.TIMER else ()
    if kind is Kind.TIMER and rule.buckets:
        word, points = "histogram", rule.buckets
    base = escaped(base_of(family, word == "counter"), escaping)
    schema = NATIVE_SCHEMA if rule.native and word == "histogram" else CLASSIC
    return Exposed(word, base, _labels(labels, stream, escaping), points, schema), told


def wanted_quantiles(rule: Rule) -> tuple[float, ...]:
    """The quantiles of a rule's summaries: those among its stats, or the usual ones."""
    return tuple(stat.quantile for stat in rule.stats if stat.quantile is not None) or QUANTILES


def _labels(labels: Labels, stream: str, escaping: Escaping) -> Labels:
    """Escaped; of equal names the first stands; a stream other than main is a label."""
    found: dict[str, str] = {}
    for name, value in labels:
        found.setdefault(_label_name(name, escaping), value)
    if stream != MAIN:
        found["stream"] = stream
    return tuple(sorted(pair for pair in found.items() if pair[1]))


@lru_cache(maxsize=4096)
def _label_name(name: str, escaping: Escaping) -> str:
    """With a prefix where the name has a meaning of its own."""
    name = escaped(name, escaping, label=True)
    return f"exported_{name}" if name.startswith("__") or name in _RESERVED else name


class Names:
    """Families by their names: of two that would share one the first stays."""

    def __init__(self) -> None:
        self.freed = 0
        """How often a name has become free: who was refused may ask again when this has changed."""
        self._families: dict[str, tuple[str, str]] = {}
        self._sizes: dict[str, int] = {}
        self._taken: set[str] = set()

    def family(self, base: str) -> Family:
        """What is told of a family that is here."""
        kind, meaning = self._families[base]
        return Family(f"{base}_total" if kind == "counter" else base, kind, meaning)

    def meaning(self, base: str) -> str:
        """What is told of a family; nothing of one that is here no longer."""
        return self._families.get(base, ("", ""))[1]

    def families(self) -> dict[str, tuple[str, str]]:
        """Every family: its base to type and meaning."""
        return dict(self._families)

    def enter(self, base: str, kind: str, meaning: str) -> bool:
        """A series wants into a family; whether it may."""
        known = self._families.get(base)
        if known is None:
            names = _names(base, kind)
            if not self._taken.isdisjoint(names):
                return False
            self._taken.update(names)
            self._families[base] = kind, meaning
        elif known[0] != kind:
            return False
        self._sizes[base] = self._sizes.get(base, 0) + 1
        return True

    def leave(self, base: str) -> None:
        """A series has left its family; the last frees the name."""
        self.freed += 1
        self._sizes[base] -= 1
        if not self._sizes[base]:
            kind, _ = self._families.pop(base)
            del self._sizes[base]
            self._taken.difference_update(_names(base, kind))

    def reserve(self, base: str, kind: str) -> None:
        """Names that are ours for good."""
        self._taken.update(_names(base, kind))


def _names(base: str, kind: str) -> list[str]:
    return [base + suffix for suffix in text.SUFFIXES[kind]]
