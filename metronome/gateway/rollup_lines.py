"""Lines of rollups for Graphite: the paths of groups, and the values that stand under them.

A path is the rule's template with the labels' text made safe, then the stat: ``{status}`` of
``5xx/all`` is ``5xx_all``, ``p99.9`` is ``p99_9``, and what is missing or empty is ``_``.  With ``tags``
the kept labels that are not in the template follow as Graphite's tags.  Groups are made of the
safe text, so two values that look the same in a path are added up.

Of two groups that would still have one path, of different kinds or rules, the first stays; the
other is not sent, and is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from metronome.fold.cells import Header
from metronome.fold.rules import NAME, Book, Clean, Rule, Slot, filled, graphite_slots, placed
from metronome.fold.stat import evaluate
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.gateway.shelf import Ended, Group
from metronome.gateway.telemetry import Telemetry
from metronome.kernel.paths import Spelling
from metronome.kernel.writing import Form, joined
from metronome.model import Flushed, Kind, Parts
from metronome.wire import graphite
from metronome.wire.graphite import Rows

_UNSAFE_IN_ELEMENT: Final = re.compile(r"[^\w:@%+-]+")
"""What would end a path's element, or means something in Graphite's expressions."""


class Stem(NamedTuple):
    """A path in two halves, between which the stat goes."""

    head: str
    tail: str


def element(value: str) -> str:
    """A label's value as one element of a path."""
    return _UNSAFE_IN_ELEMENT.sub("_", value) or "_"


def stems_of(rule: Rule, header: Header) -> tuple[Stem, ...]:
    """The paths of a group, one for each template; its labels' values are safe already."""
    labels = {**dict(header.labels), NAME: graphite.safe_path(header.name)}
    stems = []
    for template in rule.graphite:
        places = placed(template)
        rest = tuple([pair for pair in header.labels if pair[0] not in places]) if rule.tags else ()
        head = filled(template, lambda place: labels.get(place) or "_")
        stems.append(Stem(head, graphite.tag_text(rest)))
    return tuple(dict.fromkeys(stems))


def endings_of(rule: Rule, kind: Kind) -> list[str]:
    """What follows a path for each stat that groups of a kind have."""
    return ["" if rule.bare else "." + stat.name.replace(".", "_") for stat in rule.stats_of(kind)]


def clean_for(rule: Rule) -> Clean:
    """How a rule's labels are made safe: by where they stand."""
    in_path = {place for template in rule.graphite for place in placed(template)}

    def clean(name: str, value: str) -> str:
        return element(value) if name in in_path else graphite.safe_value(value)

    return clean


def rows_of(ended: Ended) -> Iterator[Rows]:
    """The lines of what has ended, template after template; values that are none are left out."""
    rule, folded, over = ended.slot.rule, ended.values.folded, ended.values.over
    seconds = np.array([(ended.start if rule.stamp == "start" else ended.end) // 1000])
    endings = endings_of(rule, folded.kind)
    if not endings:
        return
    columns = [
        over if len(over) and stat.name == "last" else evaluate(stat, folded, ended.slot.every)
        for stat in rule.stats_of(folded.kind)
    ]
    values = np.array(columns, np.float64).T
    form = Form(Spelling.READY, (b"",) * len(endings), tuple([ending.encode() for ending in endings]))
    stems: list[tuple[bytes, ...]] = [out if isinstance(out, tuple) else () for out in ended.outs]
    for place in range(max(map(len, stems), default=0)):
        here = [row for row, paths in enumerate(stems) if len(paths) > place]
        texts = joined([stems[row][place] for row in here])
        yield Rows(texts, form, values if len(here) == len(stems) else values[here], seconds)


class Paths:
    """Who has which path."""

    def __init__(self) -> None:
        self._bits: dict[str, int] = {}
        self._taken: dict[bytes, int] = {}

    def take(self, slot: Slot, header: Header) -> tuple[bytes, ...] | None:
        """The paths of a new group, as halves with NUL between them; None when one is somebody's."""
        mine = self._mask(slot.rule, header.kind)
        stems = tuple([f"{head}\0{tail}".encode() for head, tail in stems_of(slot.rule, header)])
        if any(self._taken.get(stem, 0) & mine for stem in stems):
            return None
        for stem in stems:
            self._taken[stem] = self._taken.get(stem, 0) | mine
        return stems

    def leave(self, slot: Slot, group: Group) -> None:
        """A group is gone, and its paths are free."""
        mine = self._mask(slot.rule, group.header.kind)
        for stem in group.out if isinstance(group.out, tuple) else ():
            left = self._taken[stem] & ~mine
            if left:
                self._taken[stem] = left
            else:
                del self._taken[stem]

    def _mask(self, rule: Rule, kind: Kind) -> int:
        """The stats' endings as bits: groups with one stem may differ in those."""
        return sum(1 << self._bits.setdefault(ending, len(self._bits)) for ending in endings_of(rule, kind))


class RuleLines:
    """What the rules send to one destination."""

    def __init__(self, output: str, telemetry: Telemetry):
        """``output`` is its name on ``/metrics``."""
        self._output = output
        self._telemetry = telemetry
        self._paths = Paths()
        self._rollups = StreamRollups(self._of_stream, lambda rules: graphite_slots(rules, clean_for))
        telemetry.gauge("metronome_rollup_groups", lambda: self._rollups.groups, output=output)

    @property
    def needed(self) -> int | None:
        """From when on (ms) a new run would have to see parts again; None: it needs none."""
        return self._rollups.needed

    def use(self, book: Book) -> None:
        """Go by these rules; those that have not changed keep what they have."""
        self._rollups.use(book)

    def begin(self, since: int) -> None:
        """All parts from this time on (ms) are seen."""
        self._rollups.begin(since)

    def keep(self, parts: Parts) -> None:
        """Take parts of any stream."""
        self._rollups.keep(parts)

    def end(self, flushed: Flushed, main: str) -> Iterator[Iterator[Rows]]:
        """A flush has ended: lines in portions, some without any."""
        for ended in self._rollups.end(flushed, main):
            yield iter(()) if ended is None else rows_of(ended[1])

    def _of_stream(self, stream: str) -> Rollups:
        return Rollups(self._make, self._paths.leave, self._count)

    def _make(self, slot: Slot, header: Header) -> object:
        stems = self._paths.take(slot, header)
        if stems is None:
            self._count("clash", 1)
        return stems

    def _count(self, reason: str, number: int) -> None:
        self._telemetry.count("metronome_rollup_left_out_total", number, output=self._output, reason=reason)
