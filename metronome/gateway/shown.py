"""What stands on ``/metrics``: series in families, each name used once.

Where two families would share a name, or two series of one all their labels, the first stays
as long as it is shown; the later waits.  So the page is always valid.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import takewhile
from math import nan
from typing import Final

from metronome.model import Kind, Labels
from metronome.wire import prometheus_text as text

MAIN: Final = "main"
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
TYPES: Final = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.TIMER: "summary", Kind.SET: "gauge"}


class Shown:
    """One series: where it is shown, and its present value."""

    __slots__ = (
        "base",
        "buckets",
        "counts",
        "family",
        "labels",
        "meaning",
        "n",
        "observations",
        "quantiles",
        "seen",
        "type",
        "wanted",
    )

    def __init__(self, name: str, kind: str, meaning: str, labels: Labels, stream: str):
        """``kind`` is Prometheus' type; labels of a stream other than main name it."""
        self.type = kind
        self.meaning = meaning
        self.base = text.family_name(name, kind)
        pairs = [(text.label_name(name, ("stream",)), value) for name, value in labels]
        self.labels = text.labels_text(pairs if stream == MAIN else [*pairs, ("stream", stream)])
        self.family: Family | None = None
        """None while a clash keeps it off the page."""
        self.n = 0.0
        self.observations = 0.0
        self.wanted: tuple[float, ...] = QUANTILES
        """The quantiles of a summary."""
        self.quantiles: tuple[float, ...] = ()
        self.buckets: tuple[float, ...] = ()
        self.counts: list[float] = []
        self.seen = 0.0

    def value(self, recent: float) -> float | text.Summary | text.Histogram:
        """What the page says; quantiles from before ``recent`` are none."""
        if self.type == "histogram":
            return text.Histogram(self.buckets, tuple(self.counts), self.n)
        if self.type != "summary":
            return self.n
        quantiles = self.quantiles if self.seen >= recent else (nan,) * len(self.wanted)
        texts = tuple([f"{quantile:.10g}" for quantile in self.wanted])
        return text.Summary(tuple(zip(texts, quantiles, strict=True)), self.n, self.observations)


class Family:
    """Series of one name and type, by their labels' text."""

    __slots__ = ("kind", "meaning", "name", "series")

    def __init__(self, name: str, kind: str, meaning: str):
        self.name = name
        self.kind = kind
        self.meaning = meaning
        self.series: dict[str, Shown] = {}

    @property
    def names(self) -> list[str]:
        """All names that belong to this family alone."""
        return [self.name + suffix for suffix in text.SUFFIXES[self.kind]]


class Board:
    """All families, and all series in the order in which they were last heard of."""

    def __init__(self, own: Iterable[Family]):
        """``own`` are families that stand on the page by themselves."""
        self.families: dict[str, Family] = {}
        self._series: dict[Hashable, Shown] = {}
        self._names = {name for family in own for name in family.names}

    def __len__(self) -> int:
        return len(self._series)

    def find(self, place: Hashable) -> Shown | None:
        """The series of that place, if there is one."""
        return self._series.get(place)

    def put(self, place: Hashable, shown: Shown, now: float) -> bool:
        """A series was heard of.  False when it is new and has no place on the page."""
        known = self._series.pop(place, None)
        self._series[place] = shown
        shown.seen = now
        return shown.family is not None or self._admit(shown) or known is not None

    def remove(self, place: Hashable) -> None:
        """Show a series no longer."""
        shown = self._series.pop(place, None)
        if shown is None or shown.family is None:
            return
        family = shown.family
        del family.series[shown.labels]
        if not family.series:
            del self.families[family.name]
            self._names.difference_update(family.names)

    def expire(self, oldest: float) -> None:
        """Take off what was not heard of since; the series are in that order."""
        for place, _ in list(takewhile(lambda item: item[1].seen <= oldest, self._series.items())):
            self.remove(place)

    def places(self) -> list[Hashable]:
        """The places of all series."""
        return list(self._series)

    def lines(self, recent: float, open_metrics: bool) -> Iterator[str]:
        """Every family with its series; the board may change between two of them."""
        for family in list(self.families.values()):
            shown_now = list(family.series.values())
            if shown_now:
                yield text.head(family.name, family.kind, family.meaning, open_metrics)
            for shown in shown_now:
                yield text.lines(family.name, family.kind, shown.labels, shown.value(recent), open_metrics)

    def _admit(self, shown: Shown) -> bool:
        """Give a series its place on the page, unless somebody else has it."""
        family = self.families.get(shown.base)
        if family is None:
            family = Family(shown.base, shown.type, shown.meaning)
            if not self._names.isdisjoint(family.names):
                return False
            self._names.update(family.names)
            self.families[shown.base] = family
        if family.kind != shown.type or shown.labels in family.series:
            return False
        family.series[shown.labels] = shown
        shown.family = family
        return True
