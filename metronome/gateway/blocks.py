"""Cuts the samples of one stream into requests of remote write.

A **block** is some series that always share a request: so each request is bounded, requests of one
time may be under way side by side without two of them having a sample of one series, and what
does not change from one to the next (labels, types, the table of texts) is written once.

A request of a time T holds the value of each sample that is there, and the marker for each that has
ended since.  Sent twice it is the same to a Prometheus, which takes a sample again that is
its last.

In front of it goes a request with 0 for each sample that is new and adds up, at the start of the period
in which it began, one ms behind the end of the one before: without it Prometheus could not see what
the first period brought.  It is a request of its own because, sent again when the values are
there, it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from metronome.fold.columns import take_ragged
from metronome.gateway.exposed import COUNT, LAST, QUANTILE, TOTAL, Exposed
from metronome.gateway.natives import native_of
from metronome.gateway.totals import Totals
from metronome.limits import METRICS_WINDOW, WRITE_BYTES, WRITE_METADATA, WRITE_SAMPLES
from metronome.model import F64, I64, Labels, Ragged
from metronome.wire import remote_write as wire

_PIECE_BYTES = 40
"""What a piece has beside its labels, about."""


class Moment(NamedTuple):
    """What a request speaks of."""

    time: int
    """Of the samples, ms."""
    period: int
    """How long before that new series began to count, ms."""
    ending: bool = False
    """All series end now."""


class Block:
    """Series that share a request."""

    def __init__(self, totals: Totals):
        self._totals = totals
        self._members: dict[int, int] = {}
        """Place to its weight."""
        self._samples = 0
        self._bytes = 0
        self._version = 0
        self._symbols = wire.Symbols()
        self._since = 0
        self._told = -WRITE_METADATA * 1000
        self._new: dict[int, None] = {}
        self._fresh: set[int] = set()
        self._dead: set[int] = set()
        self._gone: list[Exposed] = []
        self._natives: dict[int, bytes] = {}
        """Places with native buckets, and what stands in front of those in 2.0."""
        self._pieces = wire.joined([])
        self._cells: I64 = np.empty(0, np.int64)
        self._places: I64 = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Series in it, and those that have ended and were not told of yet."""
        return len(self._members) + len(self._gone)

    def has_room(self, samples: int) -> bool:
        """Whether a series with so many samples fits."""
        return not self._members or (self._samples + samples <= WRITE_SAMPLES and self._bytes < WRITE_BYTES)

    def join(self, place: int, fresh: bool) -> None:
        """Take a series; ``fresh`` when it begins with 0 now."""
        width = int(self._totals.widths[place])
        self._members[place] = width * (self._totals.size(place) + _PIECE_BYTES)
        self._samples += width
        self._bytes += self._members[place]
        self._new[place] = None
        if fresh:
            self._fresh.add(place)

    def leave(self, place: int) -> None:
        """A series ends: the next request says so, if one has ever spoken of it."""
        self._samples -= int(self._totals.widths[place])
        self._bytes -= self._members.pop(place)
        self._natives.pop(place, None)
        if place not in self._fresh:
            self._gone.append(self._totals.series(place))
        self._fresh.discard(place)
        if place in self._new:
            del self._new[place]
        else:
            self._dead.add(place)

    @property
    def begins(self) -> bool:
        """Whether there are series that begin with 0."""
        totals = self._totals
        last = (int(totals.first[place] + totals.widths[place]) - 1 for place in self._fresh)
        return any(totals.codes[cell] != LAST for cell in last)

    def beginning(self, version: int, moment: Moment) -> tuple[bytes, int]:
        """The request that goes in front of that of a moment where series begin."""
        self._write(version)
        new = self._begun()
        zeros = wire.filled(
            take_ragged(self._pieces, new), np.zeros(len(new)), moment.time - moment.period + 1
        )
        natives = [place for place in self._natives if place in self._fresh]
        empty = [self._native(place, 0.0, moment.time - moment.period + 1, False) for place in natives]
        return self._framed(version, [zeros, *empty]), len(new) + len(empty)

    def request(self, version: int, moment: Moment) -> tuple[bytes, int]:
        """The request of a moment, not compressed, and how many samples are in it."""
        self._write(version)
        time = moment.time
        live = np.full(len(self._cells), wire.STALE) if moment.ending else self._values(time)
        gone = wire.joined([self._piece(one, labels, 0) for one in self._gone for labels, _ in one.samples()])
        parts = [
            wire.filled(self._pieces, live, time),
            wire.filled(gone, np.full(len(gone.ends), wire.STALE), time),
        ]
        natives = [self._native(place, None, time, not moment.ending) for place in self._natives]
        ended = [self._ended(one, time) for one in self._gone if one.native and version == 2]
        if version == 1 and time - self._told >= WRITE_METADATA * 1000:
            parts.append(self._metadata())
            self._told = time
        number = len(live) + len(gone.ends) + len(natives) + len(ended)
        return self._framed(version, [*parts, *natives, *ended]), number

    def settle(self) -> None:
        """What has been said is not said again."""
        self._fresh.clear()
        self._gone.clear()

    def _framed(self, version: int, parts: list[bytes]) -> bytes:
        return b"".join([self._symbols.written(), *parts] if version == 2 else parts)

    # --- native histograms ---------------------------------------------------------------

    def _native(self, place: int, total: float | None, time: int, live: bool) -> bytes:
        """The native histogram of a series; with a total but no values, or with the marker."""
        totals, exposed = self._totals, self._totals.series(place)
        if live:
            _, codes, counts = totals.spread.of(np.array([place]))
            total = float(totals.values[totals.first[place] + totals.widths[place] - 1])
        else:
            codes, counts = np.empty(0, np.int64), np.empty(0)
        buckets = native_of(exposed.schema, exposed.most, codes, counts)
        told = wire.STALE if total is None else total
        return wire.native(self._natives[place], buckets, told, int(totals.born[place]), time)

    def _ended(self, exposed: Exposed, time: int) -> bytes:
        """The marker of a native histogram that is here no longer."""
        buckets = native_of(exposed.schema, exposed.most, np.empty(0, np.int64), np.empty(0))
        head = wire.head_2(exposed.labels_of_native, self._family(exposed), self._symbols)
        return wire.native(head, buckets, wire.STALE, 0, time)

    def _family(self, exposed: Exposed) -> wire.Family:
        return wire.Family(exposed.base, exposed.type, self._totals.names.meaning(exposed.base))

    # --- numbers -------------------------------------------------------------------------

    def _values(self, time: int) -> F64:
        totals = self._totals
        codes = totals.codes[self._cells]
        values = totals.values[self._cells]
        values = np.where(codes == COUNT, np.rint(values), values)
        old = totals.seen[self._places] < time - METRICS_WINDOW * 1000
        return np.where(old & (codes == QUANTILE), np.nan, values)

    def _begun(self) -> I64:
        """Rows of samples that add up from now on."""
        if not self._fresh:
            return np.empty(0, np.int64)
        codes = self._totals.codes[self._cells]
        fresh = np.isin(self._places, np.fromiter(self._fresh, np.int64, len(self._fresh)))
        return np.flatnonzero(fresh & ((codes == TOTAL) | (codes == COUNT)))

    # --- texts ---------------------------------------------------------------------------

    def _metadata(self) -> bytes:
        bases = dict.fromkeys(self._totals.series(place).base for place in self._members)
        return wire.metadata_1([self._totals.names.family(base) for base in bases])

    def _piece(self, exposed: Exposed, labels: Labels, start: int) -> bytes:
        if self._version == 1:
            return wire.piece_1(labels)
        return wire.piece_2(labels, self._family(exposed), start, self._symbols)

    def _write(self, version: int) -> None:
        """Write the pieces of series that are new, or of all where another protocol wants them or the
        table of texts has many that nobody needs."""
        if version != self._version or self._since > 4 * WRITE_SAMPLES:
            self._version, self._symbols, self._since = version, wire.Symbols(), 0
            self._new = dict.fromkeys(self._members)
            self._dead = set(self._places.tolist())
            self._natives.clear()
        if self._dead:
            dead = np.fromiter(self._dead, np.int64, len(self._dead))
            rows = np.flatnonzero(~np.isin(self._places, dead))
            self._pieces = take_ragged(self._pieces, rows) if len(rows) else wire.joined([])
            self._cells, self._places = self._cells[rows], self._places[rows]
            self._dead.clear()
        if self._new:
            self._write_new()

    def _write_new(self) -> None:
        pieces, cells, places = [], [], []
        for place in self._new:
            exposed, first = self._totals.series(place), int(self._totals.first[place])
            start = 0 if exposed.type == "gauge" else int(self._totals.born[place])
            if exposed.native and self._version == 2:
                self._natives[place] = wire.head_2(
                    exposed.labels_of_native, self._family(exposed), self._symbols
                )
            for labels, cell in exposed.samples():
                pieces.append(self._piece(exposed, labels, start))
                cells.append(first + cell)
                places.append(place)
        self._new.clear()
        self._since += len(pieces)
        joined, before = wire.joined(pieces), np.uint32(len(self._pieces.flat))
        self._pieces = Ragged(
            np.concatenate((self._pieces.ends, joined.ends + before)),
            np.concatenate((self._pieces.flat, joined.flat)),
        )
        self._cells = np.concatenate((self._cells, np.array(cells, np.int64)))
        self._places = np.concatenate((self._places, np.array(places, np.int64)))


class Blocks:
    """All series of some totals, in blocks."""

    def __init__(self, totals: Totals):
        self._totals = totals
        self._blocks: list[Block] = []
        self._roomy: list[Block] = []
        self._of: dict[int, Block] = {}
        for place in totals.places().tolist():
            self._join(place, False)
        totals.watch(lambda place: self._join(place, True), self._leave)

    def __iter__(self) -> Iterator[Block]:
        return iter([block for block in self._blocks if len(block)])

    def settle(self) -> None:
        """What has been said is not said again."""
        for block in self._blocks:
            block.settle()
        self._blocks = [block for block in self._blocks if len(block)]
        self._roomy = [block for block in self._blocks if block.has_room(1)]

    def _join(self, place: int, fresh: bool) -> None:
        width = int(self._totals.widths[place])
        while self._roomy and not self._roomy[-1].has_room(width):
            self._roomy.pop()
        if not self._roomy:
            self._roomy.append(Block(self._totals))
            self._blocks.append(self._roomy[-1])
        self._of[place] = self._roomy[-1]
        self._roomy[-1].join(place, fresh)

    def _leave(self, place: int) -> None:
        self._of.pop(place).leave(place)
