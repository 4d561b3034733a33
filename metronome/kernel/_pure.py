"""The pure twin: the kernel as it is meant, in plain Python.  The native twin does the same.

Where the rules stand: numbers in ``number.py``, statsd lines in ``statsd_grammar.py``, Graphite lines in
``graphite_grammar.py``, names, labels and tags in ``naming.py``, folding and sketches in ``cells.py``.

Of the table itself:

- A block is cut at ``\\n``; one ``\\r`` at the end of a line is not part of it; empty lines are nothing.
- A line is wholly in or wholly out and never costs its neighbour.  It is refused with one reason.
- Which series a line belongs to is worked out once for each raw name, tags, kind and dialect, and
  remembered; what is remembered is forgotten when it grows over four times the series limit.
- What comes for a series beyond a limit is folded into another (``guard.py``) and counted as ``overflowed``;
  Graphite's points are refused then (``too_many_series``).  Series stay known when idle until they
  are pruned; their order is the order in which they came.
- Samples with their own time are folded into the period that they belong to (``late.py``).  Points beyond
  ``POINTS_KEPT`` are not kept and counted as ``shed:queue_full``; so are events beyond
  ``EVENTS_WAITING`` or ``EVENT_BYTES_WAITING``.
- A reject that equals a kept one (reason and excerpt) is counted, not kept again.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from metronome.kernel import graphite_grammar, merging, statsd_grammar
from metronome.kernel.cells import CELLS, RELATIVE_CELLS, Cell, GaugeCell, SetCell, TimerCell
from metronome.kernel.datagrams import receive
from metronome.kernel.guard import Guard, other_key
from metronome.kernel.hash64 import hash64
from metronome.kernel.interface import Dialect, Mapped, Mapper, Reject
from metronome.kernel.lanes import Lane
from metronome.kernel.late import Late
from metronome.kernel.naming import Naming, statsd_series
from metronome.kernel.parsing import lines_of, parse_graphite, parse_statsd
from metronome.kernel.rows import Point, columns_of_cells, columns_of_points, columns_of_values
from metronome.kernel.senders import Senders
from metronome.limits import (
    FRAMES_KEPT,
    KEYS_BYTES,
    POINTS_KEPT,
    SAMPLE_PAST,
    SERIES_PER_STREAM,
    SET_MEMBERS,
    TIMER_SAMPLES,
)
from metronome.model import KIND_CODES, Columns, Kind, Series, series_key

__all__ = ["Table", "hash64", "parse_graphite", "parse_statsd"]

_PLAIN_DIGITS = 15
"""Decimal digits that a double always holds exactly."""


class _Place(NamedTuple):
    """Where the samples of a raw name go, and what mapping rules say of it, where there are any."""

    cell: Cell
    mapped: Mapped | None = None

    @property
    def is_unmapped(self) -> bool:
        """Whether there are rules, and none of them takes the name."""
        return self.mapped is not None and not self.mapped.ruled


_Known = tuple[Cell, bytes, float]
"""The cell, type and rate that all lines with the same frame have."""


class _Cache(dict[tuple[Naming | bytes, int], _Place | None]):
    """Raw names of one dialect to places; None for a name that the mapper does not want."""

    def __init__(self) -> None:
        self.frames: dict[tuple[bytes, bytes], _Known] = {}
        """What stands before and behind the values of a line with one group and no time of
        its own.  Nearly every line is one of these, and there are few frames."""


class Table:
    """See :class:`metronome.kernel.interface.Table`."""

    serves = False

    def __init__(
        self,
        *,
        series_limit: int = SERIES_PER_STREAM,
        timer_samples: int = TIMER_SAMPLES,
        set_members: int = SET_MEMBERS,
        relative_gauges: bool = False,
        prefix_limit: int = 0,
        period: float = 10.0,
        late: float = SAMPLE_PAST,
        gauge_flushes: int = 0,
    ):
        self._series_limit = series_limit
        self._timer_samples = timer_samples
        self._set_members = set_members
        self._kinds = RELATIVE_CELLS if relative_gauges else CELLS
        self._cells: dict[bytes, Cell] = {}
        self._key_bytes = 0
        self._caches: dict[tuple[Dialect, str], _Cache] = {}
        self._mapper: Mapper | None = None
        self._guard = Guard(prefix_limit)
        self._late = Late(period, late)
        self._relative = relative_gauges
        self._gauge_flushes = gauge_flushes
        self._points: list[Point] = []
        self._lanes = [Lane()]
        self._use(0)
        self._sender = ""
        self._senders = Senders()
        self._drops: dict[int, int] = {}
        self._folded = 0
        self._flushes = 0

    # --- in -------------------------------------------------------------------------------

    def begin(self, start_ms: int) -> None:
        """Say when the period that is open began."""
        self._late.open_ms = start_ms

    def lane(self) -> int:
        """Open a way in with its own books; its number."""
        self._lanes.append(Lane())
        return len(self._lanes) - 1

    def _use(self, lane: int) -> None:
        if not 0 <= lane < len(self._lanes):
            raise ValueError(f"there is no lane {lane}")
        self._lane = self._lanes[lane]
        self._lane.changed = True
        self._counts = self._lane.counts

    def feed_statsd(self, block: bytes, dialect: Dialect, lane: int = 0) -> int:
        """Parse a datagram or whole lines, fold the samples; the number folded."""
        self._use(lane)
        self._counts["bytes"] += len(block)
        return self._feed_lines(lines_of(block), dialect)

    def _feed_lines(self, lines: list[bytes], dialect: Dialect) -> int:
        cache = self._cache(dialect, "statsd")
        self._counts["lines"] += len(lines)
        folded = 0
        for line in lines:
            name, _, rest = line.partition(b":")
            values, _, tail = rest.partition(b"|")
            known = cache.frames.get((name, tail))
            if known is None:
                folded += self._feed_line(line, (name, tail), dialect, cache)
            else:
                folded += self._feed_known(line, values, known, dialect)
        self._counts["samples"] += folded
        return folded

    def feed_graphite(self, block: bytes, now: float, dialect: Dialect, lane: int = 0) -> int:
        """Parse whole Graphite lines, keep each as a gauge point at its time."""
        self._use(lane)
        self._counts["bytes"] += len(block)
        cache = self._cache(dialect, "graphite")
        kept = 0
        for line in lines_of(block):
            self._counts["lines"] += 1
            read = graphite_grammar.read_line(line)
            if isinstance(read, str):
                self._reject(read, line)
                continue
            cell = self._graphite_cell(read.path, dialect, cache)
            if isinstance(cell, str):
                self._reject(cell, line)
            else:
                time_ms = round(now * 1000) if read.time_ms is None else read.time_ms
                kept += self._keep(Point(cell, time_ms, read.value, 1.0))
        self._counts["samples"] += kept
        return kept

    def add_point(self, key: bytes, time_ms: int, value: float, lane: int = 0) -> bool:
        """Keep a gauge point of an already canonical key (pickle); False: no room."""
        self._use(lane)
        cell = self._cell_of_key(key, KIND_CODES.index(key[0]))
        if cell is None:
            self._reject("too_many_series", key)
            return False
        if not self._keep(Point(cell, time_ms, value, 1.0)):
            return False
        self._counts["samples"] += 1
        return True

    def drain(self, fd: int, budget: int, dialect: Dialect, lane: int = 0) -> int:
        """Receive, parse and fold datagrams until none is waiting or ``budget`` were read."""
        self._use(lane)
        number = 0
        lines: list[bytes] = []
        try:
            for data, truncated, drops, sender in receive(fd, budget):
                number += 1
                if sender != self._sender:
                    self._feed_lines(lines, dialect)
                    lines, self._sender = [], sender
                self._senders.note(sender)
                if drops is not None:
                    self._note_drops(fd, drops)
                if truncated:
                    whole = data.rfind(b"\n") + 1
                    self._feed_lines(lines, dialect)
                    lines = []
                    self._reject("truncated", data[whole:])
                    data = data[:whole]
                self._counts["bytes"] += len(data)
                lines += lines_of(data)
        finally:  # what was received before an error counts
            self._feed_lines(lines, dialect)
            self._counts["datagrams"] += number
            self._sender = ""
        return number

    def serve(self, fds: list[int], stop_fd: int, dialect: Dialect, lane: int = 0) -> None:
        """Not of this twin: a thread of Python's would take its time from everybody else."""
        raise RuntimeError("the pure kernel does not receive in a thread; see serves")

    def _note_drops(self, fd: int, drops: int) -> None:
        before = self._drops.get(fd, 0)
        self._counts["kernel_drops"] += drops - before if drops >= before else drops
        self._drops[fd] = drops

    def merge(self, columns: Columns, lane: int = 0) -> int:
        """Take in what another table gave out; the number of samples taken in."""
        self._use(lane)
        merging.check(columns)
        taken = sum([self._merge(row) for row in merging.given(columns)])
        self._counts["samples"] += taken
        return taken

    def _merge(self, row: merging.Given) -> int:
        cell = self._cell_of_key(row.key, row.kind) or (None if row.is_point else self._other(row.key))
        if cell is None:
            return self._refuse(row, "too_many_series")
        if row.is_point:
            return sum([self._keep(Point(cell, *point, row.d)) for point in row.points])
        late = self._late
        if row.kind in (Kind.COUNTER, Kind.GAUGE) and row.time_ms not in (0, late.open_ms):
            if not late.is_timely(row.time_ms / 1000):
                return self._refuse(row, "bad_time")
            taken = self._kept(
                cell, late.merge(cell, row.time_ms, row.n, row.d, row.low, row.high, row.number)
            )
        else:
            merging.merge(cell, row, self._timer_samples, self._set_members)
            cell.used = self._flushes + 1
            taken = row.number
            self._folded += taken
        if taken and cell.other:
            self._counts["overflowed"] += taken
        return taken

    def _refuse(self, row: merging.Given, reason: str) -> int:
        self._reject(reason, row.key)
        self._counts[f"rejected:{reason}"] += row.number - 1
        return 0

    # --- out ------------------------------------------------------------------------------

    def flush(self, start_ms: int, period: float) -> Columns:
        """Take the folded samples of the period out."""
        columns = self.snapshot(start_ms, period)
        for cell in self._cells.values():
            if cell.count:
                cell.reset()
        self._folded = 0
        self._flushes += 1
        if self._gauge_flushes:
            self._unset_idle()
        if not self._relative:
            self._late.open_ms = start_ms + round(period * 1000)
        return columns

    def _unset_idle(self) -> None:
        """Gauges that were silent for too long have no value any more."""
        for cell in self._cells.values():
            if isinstance(cell, GaugeCell) and self._flushes - cell.used >= self._gauge_flushes - 1:
                cell.n, cell.held = 0.0, False

    def snapshot(self, start_ms: int, period: float) -> Columns:
        """What ``flush`` would give now, and nothing changes."""
        cells = [cell for cell in self._cells.values() if cell.count]
        for cell in cells:
            if isinstance(cell, SetCell):
                cell.close()
        return columns_of_cells(cells, start_ms, period)

    def gauges(self) -> Columns:
        """The value of every gauge that has one, live or idle; no samples."""
        gauges = [cell for cell in self._cells.values() if isinstance(cell, GaugeCell) and cell.held]
        return columns_of_values([(cell, cell.n) for cell in gauges])

    def restore_gauges(self, keys: list[bytes], values: list[float]) -> int:
        """Give gauges their values back; those that have one by now keep it."""
        number = 0
        for key, value in zip(keys, values, strict=True):
            cell = self._cell_of_key(key, Kind.GAUGE) if key[:1] == b"g" else None
            if isinstance(cell, GaugeCell) and not cell.held:
                cell.n, cell.held = value, True
                number += 1
        return number

    def totals(self) -> Columns:
        """How far each counter is that is sent as a running total; no samples."""
        counters = [cell for cell in self._cells.values() if not cell.other]
        return columns_of_values([(cell, cell.last) for cell in counters if cell.last is not None])

    def restore_totals(self, keys: list[bytes], values: list[float]) -> int:
        """Say how far counters are; those that have said it by now know better."""
        number = 0
        for key, value in zip(keys, values, strict=True):
            cell = self._cell_of_key(key, Kind.COUNTER) if key[:1] == b"c" else None
            if cell is not None and cell.last is None:
                cell.last = value
                number += 1
        return number

    def flush_points(self) -> Columns:
        """Take the points that carry their own time out."""
        points, self._points = self._points, []
        for point in points:
            point.cell.used = self._flushes + 1
        return columns_of_points(points, self._late.take(), self._late.period)

    @property
    def waiting(self) -> int:
        """Samples folded and points kept since they were last taken out."""
        return self._folded + self.points_waiting

    @property
    def points_waiting(self) -> int:
        """Those of them that ``flush_points`` will take."""
        return len(self._points) + self._late.samples

    @property
    def series(self) -> int:
        """Series known, live or idle."""
        return len(self._cells)

    def prune(self, idle: int) -> int:
        """Forget series that got nothing in the last ``idle`` flushes; how many."""
        needed = {point.cell.key for point in self._points} | self._late.waiting_keys()
        kept = {
            key: cell
            for key, cell in self._cells.items()
            if self._flushes - cell.used < idle or cell.count or key in needed
        }
        gone = len(self._cells) - len(kept)
        if gone:
            self._cells = kept
            self._gone()
        return gone

    def forget(self, keys: list[bytes], lane: int = 0) -> int:
        """Forget these series, and what they had folded; how many were known."""
        self._use(lane)
        needed = {point.cell.key for point in self._points} | self._late.waiting_keys()
        known = [key for key in dict.fromkeys(keys) if key in self._cells]
        for key in known:
            cell = self._cells[key]
            self._folded -= cell.count
            if cell.count:
                self._counts["filtered:forgotten"] += cell.count
            cell.empty()
            if key not in needed:
                del self._cells[key]
        if known:
            self._gone()
        return len(known)

    def _gone(self) -> None:
        """Series have gone: forget what led to them."""
        self._caches.clear()
        self._key_bytes = sum(map(len, self._cells))
        self._guard.recount(key for key, cell in self._cells.items() if not cell.other)

    def rejects(self, lane: int = 0) -> list[Reject]:
        """Take a lane's last rejects out, newest last, at most ``REJECTS_KEPT``."""
        return self._lanes[lane].rejects()

    def take_events(self, lane: int = 0) -> list[bytes]:
        """Take a lane's DogStatsD events and service checks out, as the lines they came in."""
        return self._lanes[lane].events()

    def books(self) -> tuple[int, dict[int, dict[str, int]]]:
        """What waits, and the totals of each lane that has changed since the last call."""
        changed = {number: dict(lane.counts) for number, lane in enumerate(self._lanes) if lane.changed}
        for lane in self._lanes:
            lane.changed = False
        return self.waiting, changed

    def counts(self) -> dict[str, int]:
        """Totals of all lanes since the table was made."""
        totals: Counter[str] = Counter()
        for lane in self._lanes:
            totals.update(lane.counts)
        return dict(totals)

    def senders(self) -> list[tuple[str, int]]:
        """Who sent most datagrams since the last call, and how many, most first."""
        return self._senders.take()

    def set_mapper(self, mapper: Mapper | None) -> None:
        """Use a mapper; clears what was cached.  It must not raise."""
        self._mapper = mapper
        self._caches.clear()

    # --- lines ----------------------------------------------------------------------------

    def _feed_line(self, line: bytes, frame: tuple[bytes, bytes], dialect: Dialect, cache: _Cache) -> int:
        if statsd_grammar.is_event(line):
            self._take_event(line)
            return 0
        read = statsd_grammar.read_line(line, dialect)
        if isinstance(read, str):
            self._reject(read, line)
            return 0
        if read.time is not None and not self._late.is_timely(read.time):
            self._reject("bad_time", line)
            return 0
        groups = [group for group in read.groups if group.items]
        places = self._places_of(read.naming, groups, dialect, cache)
        if isinstance(places, str):
            self._reject(places, line)
            return 0
        if len(groups) == len(read.groups) == 1 and read.time is None and places[0].mapped is None:
            if len(cache.frames) == FRAMES_KEPT:
                cache.frames.clear()
            cache.frames[frame] = (places[0].cell, groups[0].word, groups[0].rate)
        folded = sum(
            self._fold(place.cell, item, group.rate, read.time)
            for place, group in zip(places, groups, strict=True)
            for item in group.items
        )
        if any(place.is_unmapped for place in places):
            self._lane.note_unmapped(line, self._sender)
        return folded

    def _feed_known(self, line: bytes, values: bytes, known: _Known, dialect: Dialect) -> int:
        """Fold a line whose name, type and fields were met before."""
        cell, word, rate = known
        if word == b"c" and len(values) <= _PLAIN_DIGITS and values.isdigit():
            cell.add(float(values), rate)
            cell.used = self._flushes + 1
            self._folded += 1
            if cell.other:
                self._counts["overflowed"] += 1
            return 1
        items = statsd_grammar.read_items(values, word, rate, dialect.gauge_delta)
        if isinstance(items, str):
            self._reject(items, line)
            return 0
        return sum([self._fold(cell, item, rate, None) for item in items])

    def _places_of(
        self, naming: Naming, groups: list[statsd_grammar.Group], dialect: Dialect, cache: _Cache
    ) -> list[_Place] | str:
        """The place of each group, whose values are converted as the rule wants it; or a reason."""
        places: list[_Place] = []
        for index, group in enumerate(groups):
            place = self._statsd_place(naming, group.kind, dialect, cache)
            if isinstance(place, str):
                return place
            if place.mapped is not None and place.mapped.ruled:
                items = statsd_grammar.converted(group, place.mapped.factor)
                if isinstance(items, str):
                    return items
                groups[index] = group._replace(items=items)
            places.append(place)
        return places

    def _fold(self, cell: Cell, item: statsd_grammar.Item, rate: float, time: float | None) -> int:
        value = item.value
        if isinstance(value, bytes):
            assert isinstance(cell, SetCell)
            cell.join(value, self._set_members)
        elif isinstance(cell, TimerCell):
            cell.time(value, rate, self._timer_samples)
        elif item.total:
            cell.grow(value, rate)
        elif time is not None:
            n, d = (value, 1.0) if isinstance(cell, GaugeCell) else (value / rate, 1.0 / rate)
            taken = self._kept(cell, self._late.fold(cell, round(time * 1000), n, d))
            if taken and cell.other:
                self._counts["overflowed"] += taken
            return taken
        elif isinstance(cell, GaugeCell):
            cell.set(value, item.delta)
        else:
            cell.add(value, rate)
        cell.used = self._flushes + 1
        self._folded += 1
        if cell.other:
            self._counts["overflowed"] += 1
        return 1

    def _kept(self, cell: Cell, number: int) -> int:
        """So many samples found room in a late part."""
        if number:
            cell.used = self._flushes + 1
        else:
            self._counts["shed:queue_full"] += 1
        return number

    def _keep(self, point: Point) -> int:
        if len(self._points) == POINTS_KEPT:
            self._counts["shed:queue_full"] += 1
            return 0
        self._points.append(point)
        return 1

    def _take_event(self, line: bytes) -> None:
        if not statsd_grammar.event_is_good(line):
            self._reject("bad_event", line)
        else:
            self._lane.keep_event(line)

    def _reject(self, reason: str, line: bytes) -> None:
        self._lane.reject(reason, line, self._sender)

    # --- series ---------------------------------------------------------------------------

    def _cache(self, dialect: Dialect, wire: str) -> _Cache:
        if sum(map(len, self._caches.values())) > 4 * self._series_limit:
            self._caches.clear()
        return self._caches.setdefault((dialect, wire), _Cache())

    def _statsd_place(self, naming: Naming, kind: Kind, dialect: Dialect, cache: _Cache) -> _Place | str:
        raw = (naming, int(kind))
        if raw in cache:
            return cache[raw] or "mapping_drop"
        named = statsd_series(naming, kind, dialect, self._mapper)
        if named == "mapping_drop":
            cache[raw] = None
        if isinstance(named, str):
            return named
        key = series_key(Series(named.name, named.labels, kind))
        mapped = named.mapped
        if mapped is not None and mapped.ruled and mapped.factor == 1 and kind != Kind.TIMER:
            mapped = None
        place = _Place(self._cell_of_key(key, kind) or self._other(key), mapped)
        if not place.cell.other or len(cache) <= 2 * len(self._cells):
            cache[raw] = place
        return place

    def _graphite_cell(self, path: bytes, dialect: Dialect, cache: _Cache) -> Cell | str:
        raw = (path, int(Kind.GAUGE))
        known = cache.get(raw)
        if known is not None:
            return known.cell
        named = graphite_grammar.graphite_series(path, dialect)
        if isinstance(named, str):
            return named
        cell = self._cell_of_key(series_key(Series(named.name, named.labels, Kind.GAUGE)), Kind.GAUGE)
        if cell is None:
            return "too_many_series"
        cache[raw] = _Place(cell)
        return cell

    def _cell_of_key(self, key: bytes, kind: int) -> Cell | None:
        """The cell of a key, made if there is room."""
        cell = self._cells.get(key)
        if cell is None and self._has_room(key) and not self._guard.is_crowded(key):
            self._guard.add(key)
            cell = self._make(key, kind)
        return cell

    def _has_room(self, key: bytes) -> bool:
        return len(self._cells) < self._series_limit and self._key_bytes + len(key) <= KEYS_BYTES

    def _make(self, key: bytes, kind: int) -> Cell:
        cell = self._cells[key] = self._kinds[kind](key, kind)
        cell.used = self._flushes
        self._key_bytes += len(key)
        return cell

    def _other(self, key: bytes) -> Cell:
        """The cell that takes what is meant for a key for which there was no room."""
        name = other_key(key, crowded=self._has_room(key))
        cell = self._cells.get(name) or self._make(name, KIND_CODES.index(key[0]))
        cell.other = True
        return cell
