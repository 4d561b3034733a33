"""The converter: republishes what the journal holds, under other names.

For each destination there is a consumer of the journal with its own cursor,
``graphite:HOST:PORT``; a carbon that is away holds up nobody, and nothing is lost while the
journal keeps it.  What is sent is what rules say (``rollup_lines.py``); behind them stand the
default sets, which send each series of one stream as statsd's Graphite output does, under
its names, its old ones or none but the series' own with tags:

- A ``Flushed`` record ends a period.  All parts of the period are united, one series each,
  and sent with the end of the period as their time: that is when statsd would have sent them.
- Series that got nothing are sent as statsd sends them: counters, timers and sets as 0,
  gauges with their last value, each kind for as long as ``idle`` says: 0 is statsd's ``deleteIdleStats``.
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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from metronome.fold.columns import expanded_pieces, take
from metronome.fold.known import Known
from metronome.fold.roster import Roster
from metronome.fold.rules import Book, naming_of
from metronome.fold.statsd import Namer, Naming
from metronome.fold.united import united
from metronome.gateway.carbon import Chunk
from metronome.gateway.gathering import Gathering, light
from metronome.gateway.idle import Idle, Spans
from metronome.gateway.rollup_lines import RuleLines
from metronome.kernel import hash64
from metronome.kernel.paths import Spelling
from metronome.kernel.writing import Form, Texts, Written, texts_of
from metronome.limits import (
    CARBON_CHUNK_LINES,
    IDLE_SERIES,
    ROLLUP_SERIES,
    ROWS_PER_RECORD,
)
from metronome.model import F64, I64, Batch, Columns, Flushed, Kind, Parts, Record, parse_key
from metronome.wire import graphite, pickle
from metronome.wire.graphite import Line

Write = Callable[[Texts, Form, F64, I64], Written]

ENCODINGS: Final[dict[str, Write]] = {"tcp": graphite.write, "pickle": pickle.write}
"""Address transport to the form of the bytes."""
_OWN_PATHS: Final = Form(Spelling.CARBON, (b"",), (b"",))
"""Points with their own time stand under their series' names."""


class Lines:
    """Turns records into chunks of lines.  ``chunks`` may be abandoned and asked again: what
    it has handed out is not handed out twice, what it was working on is."""

    def __init__(
        self,
        stream: str,
        naming: Naming,
        write: Write,
        rules: RuleLines,
        *,
        roster: Roster | None = None,
        idle: Spans | None = None,
        idle_series: int = IDLE_SERIES,
        skipped: Callable[[str], None] = lambda reason: None,
        let_go: Callable[[], bool] = lambda: False,
    ):
        """``roster`` is that of the stream, where there are others who use it; ``let_go`` says
        whether the journal is too full to keep what rules may need once more."""
        self._stream = stream
        self._naming = naming
        self._namers: dict[str, Namer] = {}
        self._rules = rules
        self._let_go = let_go
        self._dropping: Book | None = None
        self._sieve = Known(ROLLUP_SERIES)
        self._start = -1
        self._marks: deque[tuple[int, int]] = deque()
        self._write = write
        self._skipped = skipped
        self._done = -1
        self._told = -1
        self._gathered = Gathering()
        self._roster = Roster() if roster is None else roster
        self._idle = Idle(self._roster, idle_series, idle or Spans())
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
        self._idle.use(book.shapes)

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
            points = self._take(content.columns) if content.stream == self._stream else iter(())
            self._done = record.position
            yield from points
            yield Chunk(b"", 0, 0)
        elif isinstance(content, Flushed):
            ours = content.stream == self._stream
            flush_end = content.time + round(content.period * 1000)
            if ours and record.position == self._start > 0 and self._rules.needed is not None:
                # Where the cursor was put by the run before: it only says from when on all is seen.
                self._rules.begin(flush_end)
            else:
                if ours and self._namers and record.position > self._told:
                    yield from self._flush(content)
                    self._told = record.position
                for portion in self._rules.end(content, self._stream):
                    for rows in portion:
                        yield from self._written(*rows)
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

    def _written(self, texts: Texts, form: Form, values: F64, seconds: I64) -> Iterator[Chunk]:
        """Rows as chunks; ``seconds`` of each, or of all."""
        step = max(CARBON_CHUNK_LINES // max(len(form.heads), 1), 1)
        for begin in range(0, len(texts), step):
            end = begin + step
            times = seconds if len(seconds) == 1 else seconds[begin:end]
            written = self._write(texts.cut(begin, end), form, values[begin:end], times)
            if written.lines:
                yield Chunk(written.data, written.lines, 0)

    # --- parts ---------------------------------------------------------------------------

    def _take(self, columns: Columns) -> Iterator[Chunk]:
        """Keep the parts for their flush; the points that go at once."""
        if not self._namers:
            return iter(())
        if self._dropping is not None:
            columns = take(columns, np.flatnonzero(self._sieve.find(columns, self._stays)))
        instants = (columns.kinds == Kind.GAUGE) & (columns.periods == 0)
        rows = np.flatnonzero(instants)
        self._keep(take(columns, np.flatnonzero(~instants)) if len(rows) else columns)
        return self._own_points(take(columns, rows))

    def _keep(self, columns: Columns) -> None:
        if len(columns):
            numbers = self._roster.numbers(columns)
            self._idle.hold(numbers)
            self._gathered.keep(light(columns, numbers))

    def _stays(self, key: bytes) -> int:
        return int(self._dropping is None or self._dropping.taking(parse_key(key), self._stream)[1])

    def _own_points(self, points: Columns) -> Iterator[Chunk]:
        for columns in expanded_pieces(points, ROWS_PER_RECORD):
            for _ in range(int(np.count_nonzero(~np.isfinite(columns.n)))):
                self._skipped("not_finite")
            texts, values = texts_of(columns.keys), columns.n.reshape(-1, 1)
            yield from self._written(texts, _OWN_PATHS, values, columns.times // 1000)

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
        silent = self._idle.silent(stamp)
        yield from self._repeated(silent, stamp // 1000)
        numbers = [namer.number_of_series(heard + len(silent)) for namer in self._namers.values()]
        lines = [Line(path, number, stamp // 1000) for path, number in dict(numbers).items()]
        yield from self._written(*graphite.rows_of(lines))
        self._gathered.clear()
        self._idle.settle()

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
        keys = self._roster.texts(columns.ids.astype(np.int64))
        bounds = np.flatnonzero(np.diff(columns.times)) + 1
        for begin, end in pairwise([0, *bounds.tolist(), len(columns)]):
            seconds = columns.times[begin : begin + 1] // 1000
            rows, texts = columns.cut(begin, end), keys.cut(begin, end)
            for namer in self._namers.values():
                for block in namer.blocks(rows, texts):
                    yield from self._written(texts.take(block.rows), block.form, block.values, seconds)

    def _hear(self, columns: Columns, stamp: int) -> int:
        """Remember the series of this flush; how many they are."""
        rows = np.flatnonzero(columns.times == stamp)
        self._idle.hear(columns.ids[rows].astype(np.int64), stamp)
        gauges = rows[columns.kinds[rows] == Kind.GAUGE]
        self._idle.keep(columns.ids[gauges].astype(np.int64), columns.n[gauges])
        return len(rows)

    def _repeated(self, silent: I64, seconds: int) -> Iterator[Chunk]:
        """Lines of series that got nothing."""
        for begin in range(0, len(silent), ROWS_PER_RECORD):
            numbers = self._idle.among(silent[begin : begin + ROWS_PER_RECORD])
            keys, values = self._roster.texts(numbers), self._idle.values(numbers)
            for namer in self._namers.values():
                for block in namer.idle(self._roster.kinds(numbers), values):
                    texts = keys.take(block.rows)
                    yield from self._written(texts, block.form, block.values, np.array([seconds]))
            yield Chunk(b"", 0, 0)

    @property
    def memory(self) -> int:
        """Bytes that are kept of series, the roster's not counted."""
        return self._idle.memory

    # --- what the admin console asks ------------------------------------------------------

    def repeated(self, stream: str) -> list[tuple[bytes, float]]:
        """The series that are repeated while they are idle, and their last values."""
        return self._idle.series() if stream == self._stream else []

    def forget(self, stream: str, keys: Iterable[bytes]) -> None:
        """Repeat these no more, unless they are heard of again."""
        if stream == self._stream:
            self._idle.forget(np.fromiter(map(hash64, keys), np.uint64))
