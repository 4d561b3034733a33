"""Every series on ``/metrics``: what flushes bring is added to its arrays.

Counters and gauges wait for the end of their flush in arrays by number, so that a flush leaves
nothing behind that has to be put away.  The parts of timers and sets wait as they are, without
their keys, because what several parts of one series come to is asked of ``fold/united.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import take
from metronome.fold.index import grown
from metronome.fold.native import codes_of
from metronome.fold.ranks import counts_in, quantiles_of, timer_values
from metronome.fold.roster import Rosters
from metronome.fold.rules import Book
from metronome.fold.united import united
from metronome.gateway.beside import HISTOGRAM
from metronome.gateway.gathering import Gathering, light
from metronome.gateway.shaping import Shaping
from metronome.gateway.shown import DROPPED, NEW, Board, Sheet, parted
from metronome.gateway.shown_image import Rows, columns_of, meaning_of, put, rows_of
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.windows import Windows
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import F64, I64, Columns, Flushed, Kind, Parts, Ragged, parse_key

I32 = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

_SPAN: Final = 4 * METRICS_STEP_ROWS
"""Numbers looked through in one turn of the reactor."""
_NO_KEYS: Final = Ragged(np.zeros(0, np.uint32), np.zeros(0, np.uint8))
_NOBODY_ASKED: Final = np.zeros(0, np.bool_)


class _Heard:
    """What a flush has brought of one stream so far, by number."""

    def __init__(self) -> None:
        self.touched: Flags = np.zeros(0, np.bool_)
        self.n: F64 = np.zeros(0)
        """What counters add, and the latest value of gauges."""
        self._times: I64 = np.zeros(0, np.int64)
        """Of gauges; as long as there are any."""
        self.others = Gathering()
        """Timers and sets, which have their numbers as ids."""

    def count(self, numbers: I64, n: F64, room: int) -> None:
        """Add to counters."""
        self._grow(room)
        np.add.at(self.n, numbers, n)
        self.touched[numbers] = True

    def set(self, numbers: I64, n: F64, times: I64, room: int) -> None:
        """Gauges have the latest value; of equally late ones the last."""
        self._grow(room)
        if len(self._times) < len(self.n):
            self._times = grown(self._times, len(self.n))
        order = np.argsort(times, kind="stable")
        order = order[~self.touched[numbers[order]] | (times[order] >= self._times[numbers[order]])]
        rows = numbers[order]
        self.n[rows], self._times[rows], self.touched[rows] = n[order], times[order], True

    def take(self, begin: int) -> tuple[I64, F64, int]:
        """Some numbers from there on, their values, and where the next ones begin; they are
        touched no longer."""
        end = min(begin + _SPAN, len(self.touched))
        numbers = begin + np.flatnonzero(self.touched[begin:end])
        n = self.n[numbers]
        self.forget(numbers)
        return numbers, n, end

    def rest(self) -> None:
        """Give the memory back until something comes: it is needed for a moment of each flush only."""
        if not self.touched.any():
            self.touched, self.n, self._times = np.zeros(0, np.bool_), np.zeros(0), np.zeros(0, np.int64)

    def forget(self, numbers: I64) -> None:
        """These were not heard of."""
        numbers = numbers[numbers < len(self.n)]
        self.n[numbers], self.touched[numbers] = 0, False

    def _grow(self, room: int) -> None:
        if room > len(self.n):
            self.n, self.touched = grown(self.n, room), grown(self.touched, room)


class ShownSeries:
    """The series of all streams, one sheet for each."""

    def __init__(self, board: Board, rosters: Rosters, telemetry: Telemetry):
        self._board = board
        self._rosters = rosters
        self._telemetry = telemetry
        self._book = Book()
        self._sheets: dict[str, Sheet] = {}
        self._heard: dict[str, _Heard] = {}
        self._shaping: dict[str, Shaping] = {}
        self._windows: dict[str, Windows] = {}
        self._dropping: set[str] = set()
        self._asked: dict[str, Flags] = {}
        self._began = 0.0

    def use(self, book: Book) -> None:
        """Show what rules do not drop, if every series is to be shown."""
        self._book = book
        self._dropping = {rule.stream for rule in book.rules if rule.drop}
        self._asked = {}
        for stream, sheet in self._sheets.items():
            self._shaping[stream].use(book.shapes)
            if not book.shows_every_series:
                self._board.remove(sheet, np.flatnonzero(sheet.state))
                self._heard[stream] = _Heard()
            elif stream not in self._dropping:
                sheet.state[sheet.state == DROPPED] = NEW

    def keep(self, parts: Parts, now: float) -> None:
        """Take parts; nothing on the page changes before the next :meth:`end`."""
        sheet = self._sheets.get(parts.stream)
        if sheet is None:
            sheet = self._begin(parts.stream)
        numbers, new = sheet.numbers(parts.columns, now, self._began or now)
        changed = self._shaping[parts.stream].ask(numbers, new)
        if len(changed):
            self._board.remove(sheet, changed)
            self._heard[parts.stream].forget(changed)
            numbers, new = sheet.numbers(parts.columns, now, self._began or now)
            self._shaping[parts.stream].ask(numbers, new)
        columns = replace(parts.columns, keys=_NO_KEYS)
        if parts.stream in self._dropping:
            self._ask(sheet, numbers, new)
            stays = np.flatnonzero(sheet.state[numbers] != DROPPED)
            columns, numbers = take(columns, stays), numbers[stays]
        heard, kinds, room = self._heard[parts.stream], columns.kinds, sheet.roster.room
        rows = np.flatnonzero(kinds == Kind.COUNTER)
        if len(rows):
            heard.count(numbers[rows], columns.n[rows], room)
        rows = np.flatnonzero(kinds == Kind.GAUGE)
        if len(rows):
            heard.set(numbers[rows], columns.n[rows], columns.times[rows], room)
        rows = np.flatnonzero((kinds == Kind.TIMER) | (kinds == Kind.SET))
        if len(rows):
            heard.others.keep(light(take(columns, rows), numbers[rows]))

    def _begin(self, stream: str) -> Sheet:
        """A stream was heard of for the first time."""
        sheet = self._sheets[stream] = self._board.add(self._rosters.of(stream), stream)
        self._heard[stream] = _Heard()
        self._windows[stream] = Windows(sheet)
        self._shaping[stream] = Shaping(sheet)
        self._shaping[stream].use(self._book.shapes)
        return sheet

    def end(self, flushed: Flushed, now: float) -> Iterator[None]:
        """A flush has ended: bring up to date what was heard of, of every stream."""
        for stream, heard in list(self._heard.items()):
            sheet = self._sheets[stream]
            at = 0
            while at < len(heard.touched):
                numbers, n, at = heard.take(at)
                self._add(sheet, numbers, n, now)
                yield
            heard.rest()
            others, heard.others = heard.others, Gathering()
            for columns in others.shares(METRICS_STEP_ROWS):
                self._update(sheet, united(columns, columns.times * 0), now)
                yield
            yield from self._windows[stream].age(now)
        self._began = flushed.time / 1000 + flushed.period

    # --- over a restart ------------------------------------------------------------------

    def image(self) -> Iterator[Rows]:
        """What is to be kept of all series."""
        for sheet in list(self._sheets.values()):
            for numbers in sheet.kept():
                yield rows_of(sheet, numbers, [meaning_of(manner) for manner in sheet.manners])

    def restore(self, rows: Rows, later: float, now: float) -> tuple[Sheet, I64]:
        """Go on with series of a run that ended ``later`` seconds ago; their sheet and numbers."""
        sheet = self._sheets.get(rows.stream) or self._begin(rows.stream)
        numbers, new = sheet.numbers(columns_of(rows), now, now)
        self._shaping[rows.stream].ask(numbers, new)
        put(sheet, numbers, rows, later, now)
        return sheet, numbers

    # --- what came in --------------------------------------------------------------------

    def _ask(self, sheet: Sheet, numbers: I64, new: I64) -> None:
        """Have the rules asked once for each series."""
        asked = self._asked.get(sheet.stream, _NOBODY_ASKED)
        if len(asked) < len(sheet.state):
            asked = grown(asked, len(sheet.state))
        self._asked[sheet.stream] = asked
        asked[new] = False
        some = np.unique(numbers[~asked[numbers]])
        asked[some] = True
        keys = (sheet.roster.key(number) for number in some.tolist())
        dropped = [not self._book.taking(parse_key(key), sheet.stream)[1] for key in keys]
        drops = np.array(dropped, np.bool_)
        self._board.drop(sheet, some[drops])
        self._heard[sheet.stream].forget(some[drops])
        stays = some[~drops]
        sheet.state[stays[sheet.state[stays] == DROPPED]] = NEW

    def _hear(self, sheet: Sheet, numbers: I64, now: float) -> None:
        """Give series their places on the page."""
        clashes = self._board.hear(sheet, numbers, now)
        if clashes:
            self._telemetry.count("metronome_metrics_clashes_total", clashes)

    def _add(self, sheet: Sheet, numbers: I64, n: F64, now: float) -> None:
        """Counters and gauges, each once."""
        self._hear(sheet, numbers, now)
        gauges = sheet.roster.kinds(numbers) == Kind.GAUGE
        sheet.n[numbers[gauges]] = n[gauges]
        up = ~gauges & (n >= 0)
        sheet.n[numbers[up]] += n[up]
        negative = int((~gauges & ~up).sum())
        if negative:
            self._telemetry.count("metronome_metrics_negative_total", negative)

    def _update(self, sheet: Sheet, columns: Columns, now: float) -> None:
        """Timers and sets, each once; their ids are their numbers."""
        # Other rules may stand since they were heard of.
        there = np.flatnonzero(sheet.state[columns.ids.astype(np.int64)] >= NEW)
        columns = take(columns, there)
        numbers = columns.ids.astype(np.int64)
        self._hear(sheet, numbers, now)
        timers = np.flatnonzero(columns.kinds == Kind.TIMER)
        sets = np.flatnonzero(columns.kinds == Kind.SET)
        sheet.n[numbers[sets]] = columns.n[sets]
        sheet.n[numbers[timers]] += columns.n[timers]
        for manner, own in parted(sheet.manner(numbers[timers])):
            self._observe(sheet, manner, take(columns, timers[own]), now)

    def _observe(self, sheet: Sheet, number: int, columns: Columns, now: float) -> None:
        """Timers that are shown alike."""
        manner, numbers = sheet.manners[number], columns.ids.astype(np.int64)
        values, rows = sheet.beside(numbers, number)
        if manner.type == HISTOGRAM:
            values[rows] += counts_in(columns, manner.buckets)
            if manner.native:
                own, observed, weights = timer_values(columns)
                sheet.spread.add(numbers[own], codes_of(observed, manner.schema), weights)
            return
        values[rows, 0] += columns.d
        if manner.max_age:
            self._windows[sheet.stream].keep(columns, number, now)
        else:
            values[rows, 1:] = quantiles_of(columns, manner.quantiles)
