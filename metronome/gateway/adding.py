"""Adds what the flushes of one stream bring to its running totals.

Series as they are, and groups of rules.  A series' key, or a group, is asked once what Prometheus
is to get of it; from then on a flush is arithmetic on arrays.  What a counter of a flush takes
away is left out and counted: to Prometheus a counter that goes down has begun anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from metronome.fold.columns import keys_of, take
from metronome.fold.index import Index, grown
from metronome.fold.native import codes_of
from metronome.fold.ranks import counts_in, quantiles_of, timer_values
from metronome.fold.rules import Book
from metronome.fold.sketch import Sketch, values_of
from metronome.fold.sketch import quantiles as sketch_quantiles
from metronome.gateway.beside import CLASSIC
from metronome.gateway.exposed import Exposed, of_group, of_series
from metronome.gateway.shelf import Ended, Group
from metronome.gateway.totals import Totals
from metronome.kernel.families import Escaping
from metronome.limits import ROLLUP_SERIES
from metronome.model import F64, I64, Columns, Kind, Labels, parse_key

_NOWHERE: Final = -1
"""Instead of a place: another has it."""
_DROPPED: Final = -2
"""No rule wants it."""

Count = Callable[[str, float], None]
"""Told of ``clash`` and ``negative``, and how many."""


class Adding:
    """What brings the totals of one stream up to date."""

    def __init__(
        self,
        stream: str,
        totals: Totals,
        ttl: float,
        count: Count,
        escaping: Escaping = Escaping.UNDERSCORES,
        labels: Labels = (),
    ):
        """``ttl`` seconds is how long a series stays that is not heard of; ``escaping`` is what
        becomes of names: underscores, or they stay as they are; ``labels`` are put on every series
        that has none of their names."""
        self.totals = totals
        self._escaping = escaping
        self._labels = labels
        self._stream = stream
        self._ttl = round(ttl * 1000)
        self._count = count
        self._book = Book()
        self._index = Index()
        self._places: I64 = np.empty(0, np.int64)
        """By the number that the index gives a series."""
        self._asked_in: I64 = np.empty(0, np.int64)
        """The same: how often rules had changed when they were asked for it."""
        self._changes = 1
        self._numbers: I64 = np.empty(0, np.int64)
        """By place: the number of the series, from 1; 0 for a group, and where there is nobody."""
        self._groups: dict[object, int] = {}
        self._group_at: dict[int, object] = {}
        self._refused: dict[object, int] = {}
        """Groups that have no place, and how often names had become free when they asked."""
        self._asked = 0
        self._shapes: list[tuple[str, tuple[float, ...], int]] = []
        """Type, quantiles or limits, and the schema of native buckets."""
        self._shape_at: I64 = np.empty(0, np.int64)
        """By the place of a series: which of them it has."""

    def use(self, book: Book) -> None:
        """Ask these rules from now on.  Where they want no series as they are, those leave."""
        self._book = book
        self._changes += 1
        if not book.shows_every_series:
            for place in np.flatnonzero(self._numbers).tolist():
                self.leave(place)

    def series(self, columns: Columns, now: int, period: int) -> None:
        """Rows of a flush that ends now (ms), each series once."""
        if len(self._index) > ROLLUP_SERIES:
            self._forget()
        places = self._find(columns, now, now - period + 1)
        rows = np.flatnonzero(places >= 0)
        columns, places = take(columns, rows), places[rows]
        totals = self.totals
        totals.seen[places] = now
        first, n = totals.first[places], columns.n
        counters, timers = columns.kinds == Kind.COUNTER, columns.kinds == Kind.TIMER
        self._add(first[counters], n[counters])
        others = ~(counters | timers)
        totals.values[first[others]] = n[others]
        shapes = np.where(timers, self._shape_at[places], -1)
        for shape in np.unique(shapes[timers]).tolist():
            rows = np.flatnonzero(shapes == shape)
            self._observe(places[rows], take(columns, rows), *self._shapes[shape])

    def _observe(
        self, places: I64, columns: Columns, word: str, points: tuple[float, ...], schema: int
    ) -> None:
        """Timers that are shown alike."""
        first, values, size = self.totals.first[places], self.totals.values, len(points)
        if schema != CLASSIC:
            owners, observed, weights = timer_values(columns)
            self.totals.spread.add(places[owners], codes_of(observed, schema), weights)
        if word == "histogram":
            counts = np.cumsum(counts_in(columns, points), axis=1)
            values[first[:, None] + np.arange(size + 1)] += counts
            values[first + size + 1] += columns.n
            return
        values[first[:, None] + np.arange(size)] = quantiles_of(columns, points)
        values[first + size] += columns.n
        values[first + size + 1] += columns.d

    def groups(self, ended: Ended, now: int, period: int) -> None:
        """What a rule gives out at the end of a flush."""
        places = np.array([self._place_of(ended, group, now, now - period + 1) for group in ended.groups])
        rows = np.flatnonzero(places >= 0)
        places, totals, folded = places[rows], self.totals, ended.values.folded
        totals.seen[places] = now
        if ended.slot.native:
            self._spread([folded.sketches[row] for row in rows.tolist()], places)
            return
        first, n = totals.first[places], folded.n[rows]
        if folded.kind is Kind.COUNTER:
            self._add(first, n)
        elif folded.kind is not Kind.TIMER:
            totals.values[first] = ended.values.over[rows] if folded.kind is Kind.GAUGE else n
        elif ended.slot.buckets:
            for row, cell in zip(rows.tolist(), first.tolist(), strict=True):
                self._fill(ended, row, cell)
        else:
            size = int(totals.widths[places[0]]) - 2 if len(places) else 0
            wanted = totals.series(int(places[0])).points if len(places) else ()
            for offset, one in enumerate(wanted):
                found = sketch_quantiles(folded.sketches, one, folded.low, folded.high)
                totals.values[first + offset] = found[rows]
            totals.values[first + size] += n
            totals.values[first + size + 1] += folded.d[rows]

    def gone(self, group: Group) -> None:
        """A group of a rule is there no longer."""
        self._refused.pop(group.out, None)
        place = self._groups.get(group.out)
        if place is not None:
            self.leave(place)

    def leave(self, place: int) -> None:
        """A series ends."""
        if place < len(self._numbers) and self._numbers[place]:
            self._index.remove(self._numbers[place : place + 1] - 1)
            self._numbers[place] = 0
        if place in self._group_at:
            del self._groups[self._group_at.pop(place)]
        self.totals.leave(place)

    # --- places --------------------------------------------------------------------------

    def _find(self, columns: Columns, now: int, born: int) -> I64:
        numbers, fresh = self._index.numbers(columns.ids)
        if self._index.room > len(self._places):
            self._places = grown(self._places, self._index.room)
            self._asked_in = grown(self._asked_in, self._index.room)
        self._places[numbers[fresh]], self._asked_in[numbers[fresh]] = _NOWHERE, 0
        asks = self._asked_in[numbers] != self._changes
        if self.totals.names.freed != self._asked:
            asks |= self._places[numbers] == _NOWHERE
        self._asked = self.totals.names.freed
        rows = np.flatnonzero(asks)
        for row, key in zip(rows.tolist(), keys_of(columns, rows), strict=True):
            number = int(numbers[row])
            place = self._learn(key, int(self._places[number]), now, born)
            if place >= 0:
                self._remember(place, number)
            elif place == _NOWHERE and self._asked_in[number] != self._changes:
                self._count("clash", 1)
            self._places[number], self._asked_in[number] = place, self._changes
        places: I64 = self._places[numbers]
        return places

    def _learn(self, key: bytes, before: int, now: int, born: int) -> int:
        """The place of a series, which had another before, or had not."""
        series = parse_key(key)
        if not self._book.taking(series, self._stream)[1]:
            self._give_up(before)
            return _DROPPED
        shape = self._book.shape(series)
        ttl = self._ttl if shape is None or not shape.ttl else round(shape.ttl * 1000)
        exposed, meaning = of_series(series, self._stream, shape, self._escaping)
        exposed = self._labelled(exposed)
        if before >= 0 and self.totals.series(before) == exposed:
            self.totals.patience[before] = ttl
            return before
        self._give_up(before)
        return self.totals.join(exposed, meaning, now, born, ttl)

    def _labelled(self, exposed: Exposed) -> Exposed:
        if not self._labels:
            return exposed
        return exposed._replace(labels=tuple(sorted({**dict(self._labels), **dict(exposed.labels)}.items())))

    def _give_up(self, place: int) -> None:
        """A series that is heard of has its place no longer."""
        if place >= 0:
            self._numbers[place] = 0
            self.leave(place)

    def _remember(self, place: int, number: int) -> None:
        if place >= len(self._numbers):
            self._numbers = grown(self._numbers, place + 1)
            self._shape_at = grown(self._shape_at, place + 1)
        self._numbers[place] = number + 1
        exposed = self.totals.series(place)
        shape = exposed.type, exposed.points, exposed.schema
        if shape not in self._shapes:
            self._shapes.append(shape)
        self._shape_at[place] = self._shapes.index(shape)

    def _place_of(self, ended: Ended, group: Group, now: int, born: int) -> int:
        place = self._groups.get(group.out)
        if place is not None:
            return place
        freed = self.totals.names.freed
        if self._refused.get(group.out) == freed:
            return _NOWHERE
        exposed, meaning = of_group(ended.slot, group.header, self._stream, self._escaping)
        place = self.totals.join(self._labelled(exposed), meaning, now, born, self._ttl + ended.slot.every)
        if place >= 0:
            self._refused.pop(group.out, None)
            self._groups[group.out] = place
            self._group_at[place] = group.out
            return place
        if group.out not in self._refused:
            self._count("clash", 1)
        self._refused[group.out] = freed
        return _NOWHERE

    def _forget(self) -> None:
        """Begin anew with what is known of each series as it is; those that are there go on."""
        self.totals.disown(np.flatnonzero(self._numbers).tolist())
        self._index, self._numbers[:] = Index(), 0
        self._places, self._asked_in = self._places[:0], self._asked_in[:0]

    # --- cells ---------------------------------------------------------------------------

    def _add(self, first: I64, n: F64) -> None:
        up = n >= 0
        self.totals.values[first[up]] += n[up]
        if not up.all():
            self._count("negative", len(n) - int(up.sum()))

    def _spread(self, sketches: list[Sketch], places: I64) -> None:
        """Add to the native buckets of groups of one rule."""
        if not len(places):
            return
        owners = np.repeat(places, [len(bins) for bins, _ in sketches])
        values = values_of(np.concatenate([bins for bins, _ in sketches]))
        codes = codes_of(values, self.totals.series(int(places[0])).schema)
        self.totals.spread.add(owners, codes, np.concatenate([counts for _, counts in sketches]))

    def _fill(self, ended: Ended, row: int, cell: int) -> None:
        """Add to the buckets of a histogram, each of which counts what is at or below its limit."""
        values, limits = self.totals.values, len(ended.slot.buckets)
        bins, counts = ended.values.folded.sketches[row]
        added = np.bincount(bins, weights=counts, minlength=limits + 1)
        values[cell : cell + limits + 1] += np.cumsum(added)
        values[cell + limits + 1] += ended.values.folded.n[row]
