"""The converter: republishes what the journal holds, under other names.

For each destination there is a consumer of the journal with its own cursor,
``graphite:HOST:PORT``; a carbon that is away holds up nobody, and nothing is lost while the
journal keeps it.  What is sent is what rules say (``rollup_lines.py``); behind them stand the
default sets, which send each series of one stream as statsd's Graphite output does, under
its names, its old ones or none but the series' own with tags:

- A ``Flushed`` record ends a period.  All parts of the period are united, one series each,
  and sent with the end of the period as their time: that is when statsd would have sent them.
- Series that got nothing are sent as statsd sends them: counters, timers and sets as 0,
  gauges with their last value.  ``repeat_idle=False`` is statsd's ``deleteIdleStats``.
  What is idle is known in memory only, as in statsd: a restarted gateway repeats nothing
  that it has not seen since.  After ``IDLE_SECONDS`` a series is forgotten.
- A part that is a period or more too late, or too early, is sent with its own time.
- Gauges without a period are points that came with their own time (Graphite).  They
  are sent at once, under their own path.

A flush whose mark has not been seen yet is in memory only.  So the cursor is kept behind
the last flush that carbon has (as far as Graphite can tell, see ``carbon.py``): a gateway
that is killed folds the rest once more, and sends the same values again.  With rules it is
kept at the mark of the flush behind which everything is that a late part might still amend;
unless the journal is half full: then it follows, and a restart leaves periods out that it
does not know the whole of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from metronome.fold.columns import keys_of, take
from metronome.fold.known import Known
from metronome.fold.rules import Book, naming_of
from metronome.fold.statsd import Namer, Naming
from metronome.fold.united import united
from metronome.gateway.carbon import Chunk
from metronome.gateway.gathering import Gathering
from metronome.gateway.rollup_lines import RuleLines
from metronome.limits import (
    CARBON_CHUNK_LINES,
    IDLE_SECONDS,
    IDLE_SERIES,
    PATHS_KEPT,
    ROLLUP_SERIES,
    ROWS_PER_RECORD,
)
from metronome.model import Batch, Columns, Flushed, Kind, Parts, Record, parse_key
from metronome.wire import graphite, pickle
from metronome.wire.graphite import Line

Encode = Callable[[Sequence[Line]], bytes]

ENCODINGS: Final[dict[str, Encode]] = {"tcp": graphite.encode, "pickle": pickle.encode}
"""Address transport to the form of the bytes."""


class _Idle(NamedTuple):
    """The last value of a series, and the flush (ms) in which it was last heard of."""

    value: float
    seen: int


class Lines:
    """Turns records into chunks of lines.  ``chunks`` may be abandoned and asked again: what
    it has handed out is not handed out twice, what it was working on is."""

    def __init__(
        self,
        stream: str,
        naming: Naming,
        encode: Encode,
        rules: RuleLines,
        *,
        repeat_idle: bool = True,
        idle_series: int = IDLE_SERIES,
        skipped: Callable[[str], None] = lambda reason: None,
        let_go: Callable[[], bool] = lambda: False,
    ):
        """``let_go`` says whether the journal is too full to keep what rules may need once more."""
        self._stream = stream
        self._naming = naming
        self._namers: dict[str, Namer] = {}
        self._rules = rules
        self._let_go = let_go
        self._dropping: Book | None = None
        self._sieve = Known(ROLLUP_SERIES)
        self._start = -1
        self._marks: deque[tuple[int, int]] = deque()
        self._encode = encode
        self._repeat_idle = repeat_idle
        self._idle_series = idle_series
        self._skipped = skipped
        self._done = -1
        self._gathered = Gathering()
        self._idle: dict[bytes, _Idle] = {}
        self._path = lru_cache(maxsize=PATHS_KEPT)(_own_path)
        self.use(Book())

    def use(self, book: Book) -> None:
        """Send what these rules and sets say; those that stay keep what they know."""
        self._namers = {
            name: self._namers.get(name) or Namer(naming_of(name, self._naming))
            for name in book.graphite_sets
        }
        self._dropping = book if any(rule.drop for rule in book.of(self._stream)) else None
        self._sieve.forget()
        self._rules.use(book)

    def begin(self, position: int) -> None:
        """The first record will be that at a position of the journal."""
        self._start = position
        if not position:
            self._rules.begin(0)

    def chunks(self, batch: Batch) -> Iterator[Chunk]:
        """The chunks of a batch; empty ones only let the reactor breathe."""
        ends = [record.position for record in batch.records[1:]] + [batch.end]
        for record, end in zip(batch.records, ends, strict=True):
            if record.position > self._done:
                yield from self._record(record, end)

    def _record(self, record: Record, end: int) -> Iterator[Chunk]:
        content = record.content
        if isinstance(content, Parts):
            self._rules.keep(content)
            points = self._take(content.columns) if content.stream == self._stream else []
            self._done = record.position
            yield from self._chunks(iter(points))
            yield Chunk(b"", 0, 0)
        elif isinstance(content, Flushed):
            ours = content.stream == self._stream
            flush_end = content.time + round(content.period * 1000)
            if ours and record.position == self._start > 0 and self._rules.needed is not None:
                # Where the cursor was put by the run before: it only says from when on all is seen.
                self._rules.begin(flush_end)
            else:
                if ours and self._namers:
                    yield from self._flush(content)
                for lines in self._rules.end(content, self._stream):
                    yield from self._chunks(lines)
                    yield Chunk(b"", 0, 0)
            self._done = record.position
            if ours:
                yield Chunk(b"", 0, self._safe(flush_end, record.position, end))

    def _safe(self, flush_end: int, position: int, end: int) -> int:
        """Where the next run may begin, now that a flush has ended: behind it; for rules at the
        mark from which on it sees all that they might give out again."""
        needed = self._rules.needed
        if needed is None:
            return end
        self._marks.append((flush_end, position))
        while len(self._marks) > 1 and (self._marks[1][0] <= needed or self._let_go()):
            self._marks.popleft()
        return self._marks[0][1] if self._marks[0][0] <= needed or self._let_go() else 0

    def _chunks(self, points: Iterator[Line]) -> Iterator[Chunk]:
        while some := list(islice(points, CARBON_CHUNK_LINES)):
            yield Chunk(self._encode(some), len(some), 0)

    # --- parts ---------------------------------------------------------------------------

    def _take(self, columns: Columns) -> list[Line]:
        """Keep the parts for their flush; the points that go at once."""
        if not self._namers:
            return []
        if self._dropping is not None:
            columns = take(columns, np.flatnonzero(self._sieve.find(columns, self._stays)))
        instants = (columns.kinds == Kind.GAUGE) & (columns.periods == 0)
        if instants.any():
            self._gathered.keep(take(columns, np.flatnonzero(~instants)))
            columns = take(columns, np.flatnonzero(instants))
            return list(self._own_points(columns))
        self._gathered.keep(columns)
        return []

    def _stays(self, key: bytes) -> int:
        return int(self._dropping is None or self._dropping.taking(parse_key(key), self._stream)[1])

    def _own_points(self, columns: Columns) -> Iterator[Line]:
        keys = keys_of(columns, np.arange(len(columns)))
        for key, value, time in zip(keys, columns.n.tolist(), columns.times.tolist(), strict=True):
            if isfinite(value):
                yield Line(self._path(key), value, time // 1000)
            else:
                self._skipped("not_finite")

    # --- the end of a period -------------------------------------------------------------

    def _flush(self, flushed: Flushed) -> Iterator[Chunk]:
        period_ms = round(flushed.period * 1000)
        stamp = flushed.time + period_ms
        heard = 0
        for columns in self._gathered.shares(ROWS_PER_RECORD):
            rows = self._united(columns, flushed, period_ms)
            yield from self._active(rows)
            heard += self._hear(rows, stamp)
            yield Chunk(b"", 0, 0)
        quiet = self._forget(stamp)
        yield from self._chunks(self._quiet(quiet, stamp // 1000))
        numbers = [namer.number_of_series(heard + len(quiet)) for namer in self._namers.values()]
        yield from self._chunks(Line(path, number, stamp // 1000) for path, number in dict(numbers).items())
        self._gathered.clear()

    def _united(self, columns: Columns, flushed: Flushed, period_ms: int) -> Columns:
        """Each series once; ``times`` are when Graphite is to have it."""
        spans = (columns.periods * 1000).astype(np.int64)
        within = (columns.times > flushed.time - period_ms) & (columns.times < flushed.time + 2 * period_ms)
        stamps = np.where(within, flushed.time + period_ms, columns.times + spans)
        rows = united(columns, stamps)
        ours = rows.times == flushed.time + period_ms
        return replace(rows, periods=np.where(ours, flushed.period, rows.periods))

    def _active(self, columns: Columns) -> Iterator[Chunk]:
        """Lines of rows that are ordered by their times."""
        bounds = np.flatnonzero(np.diff(columns.times)) + 1
        edges = [0, *bounds.tolist(), len(columns)]
        for begin, end in pairwise(edges):
            seconds = int(columns.times[begin]) // 1000
            for namer in self._namers.values():
                lines = namer.lines(columns.cut(begin, end))
                yield from self._chunks(Line(path, value, seconds) for path, value in lines)

    def _hear(self, columns: Columns, stamp: int) -> int:
        """Remember the series of this flush, the last heard of last; how many they are."""
        rows = np.flatnonzero(columns.times == stamp)
        if self._repeat_idle:
            for key, value in zip(keys_of(columns, rows), columns.n[rows].tolist(), strict=True):
                self._idle.pop(key, None)
                self._idle[key] = _Idle(value, stamp)
        return len(rows)

    def _forget(self, stamp: int) -> list[bytes]:
        """Drop what has been idle for too long; the idle series that are left."""
        oldest = stamp - IDLE_SECONDS * 1000
        quiet = []
        for key, idle in self._idle.items():
            if idle.seen == stamp:
                break
            quiet.append(key)
        gone = max(len(quiet) - self._idle_series, 0)
        while gone < len(quiet) and self._idle[quiet[gone]].seen <= oldest:
            gone += 1
        for key in quiet[:gone]:
            del self._idle[key]
        return quiet[gone:]

    def _quiet(self, keys: list[bytes], seconds: int) -> Iterator[Line]:
        for key in keys:
            idle = self._idle.get(key)
            if idle is None:
                continue  # forgotten between two chunks
            for namer in self._namers.values():
                for path, value in namer.idle(key, idle.value):
                    yield Line(path, value, seconds)

    # --- what the admin console asks ------------------------------------------------------

    def repeated(self, stream: str) -> list[tuple[bytes, float]]:
        """The series that are repeated while they are idle, and their last values."""
        ours = self._idle if stream == self._stream else {}
        return [(key, idle.value) for key, idle in ours.items()]

    def forget(self, stream: str, keys: Iterable[bytes]) -> None:
        """Repeat these no more, unless they are heard of again."""
        for key in keys if stream == self._stream else ():
            self._idle.pop(key, None)


def _own_path(key: bytes) -> str:
    series = parse_key(key)
    return graphite.safe_path(series.name) + graphite.tag_text(series.labels)
