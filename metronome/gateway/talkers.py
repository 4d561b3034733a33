"""Who sends most: series, name prefixes and senders, in bounded memory.

Everything is counted over a window of ``TALKERS_WINDOW`` seconds; what is told covers the
last whole window and the one that runs.

*Series and senders* are counted by Misra and Gries (1982; the bound as in Agarwal et al.,
"Mergeable Summaries", PODS 2012): a table of so many counters, and when there are twice as many, the
middle one is taken off all of them and those at nothing go.  A count is too low by at most
``short``, the sum of what was taken off, which is at most the whole divided by the number of counters.

*Prefixes* are the first two elements of dotted names.  A series finds its prefix by a slot, the
low bits of its id, so that a flush is counted by a few operations over whole columns.  Two
series that share a slot count for one; there are four times as many slots as a flush has series,
so that is one in nine at most.  When there have to be more slots, series are learnt and counted anew.

What is fed are the columns of a flush, never samples; the senders come from the receivers and,
for datagrams that the kernel table reads by itself, from the table, in datagrams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import nlargest
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from metronome.fold.columns import keys_of
from metronome.limits import PREFIXES_COUNTED, TALKERS_COUNTED, TALKERS_LEARNT, TALKERS_WINDOW
from metronome.model import F64, I64, Columns, parse_key

_SLOTS_LEAST: Final = 1 << 12
_SLOTS_MOST: Final = 1 << 22
"""Series slots of a stream, two bytes each."""
_SPREAD: Final = 4
"""Slots for each series."""
_COUNTED: Final = 1 << 15
"""Marks the slots of series that the window has counted."""
_UNKNOWN: Final = 0
"""The prefix of a series that was not looked at yet."""
_BEYOND: Final = 1
"""The prefix of those for which there is no number left."""
_NUMBERS: Final = PREFIXES_COUNTED + 2

Top = list[tuple[str, float]]
U16 = npt.NDArray[np.uint16]


class Heavy:
    """The largest of many counts."""

    def __init__(self, kept: int):
        self._kept = kept
        self._counts: dict[str, float] = {}
        self.short = 0.0
        """By how much a count may be too low."""

    def add(self, name: str, number: float) -> None:
        """Count so many more of one."""
        self._counts[name] = self._counts.get(name, 0.0) + number
        if len(self._counts) > 2 * self._kept:
            cut = sorted(self._counts.values(), reverse=True)[self._kept]
            self._counts = {key: count - cut for key, count in self._counts.items() if count > cut}
            self.short += cut

    def counts(self) -> dict[str, float]:
        """What is known, by name."""
        return self._counts


class _Prefixes:
    """The prefixes of a stream: which number each has, and which series has which."""

    def __init__(self) -> None:
        self.names = ["", ""]
        self._numbers: dict[str, int] = {}
        self._slots = np.zeros(_SLOTS_LEAST, np.uint16)
        self._learnt = 0

    def begin_window(self) -> None:
        """No series is counted yet."""
        self._slots &= np.uint16(_COUNTED - 1)

    def make_room(self, rows: int) -> bool:
        """See to it that there are enough slots for a flush of so many rows; whether that has cost
        what was known."""
        wanted = min(max(rows, self._learnt) * _SPREAD, _SLOTS_MOST)
        if wanted <= len(self._slots):
            return False
        self._slots = np.zeros(1 << (wanted - 1).bit_length(), np.uint16)
        self._learnt = 0
        return True

    def of(self, columns: Columns) -> tuple[U16, I64]:
        """The number of each row's prefix, and the rows with series that the window has not counted
        yet, which are counted by now.  So many series a call are learnt, the rest later."""
        slots = (columns.ids & np.uint64(len(self._slots) - 1)).astype(np.int64)
        rows = np.flatnonzero(self._slots[slots] == _UNKNOWN)[:TALKERS_LEARNT]
        if len(rows):
            self._slots[slots[rows]] = [self._number(key) for key in keys_of(columns, rows)]
            self._learnt += len(rows)
        found = self._slots[slots]
        rows = np.flatnonzero((found != _UNKNOWN) & (found < _COUNTED))
        fresh, first = np.unique(slots[rows], return_index=True)
        self._slots[fresh] |= np.uint16(_COUNTED)
        return found & np.uint16(_COUNTED - 1), rows[first]

    def _number(self, key: bytes) -> int:
        name = b".".join(key[1:].partition(b"\0")[0].split(b".", 2)[:2]).decode()
        number = self._numbers.get(name)
        if number is None and len(self.names) < _NUMBERS:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return _BEYOND if number is None else number


class _Window:
    """What one stream was sent in one window."""

    def __init__(self, begun: float):
        self.begun = begun
        self.samples = 0
        self.series = Heavy(TALKERS_COUNTED)
        self.sender_samples = Heavy(TALKERS_COUNTED)
        self.sender_series = Heavy(TALKERS_COUNTED)
        self.prefix_samples = np.zeros(_NUMBERS)
        self.prefix_series = np.zeros(_NUMBERS)

    def count(self, columns: Columns, prefixes: U16, fresh: I64) -> None:
        """Add the rows of a flush, some of series that were not there before."""
        self.samples += int(columns.counts.sum())
        self.prefix_samples += np.bincount(prefixes, columns.counts, _NUMBERS)
        self.prefix_series += np.bincount(prefixes[fresh], minlength=_NUMBERS)
        self._count_series(columns)

    def _count_series(self, columns: Columns) -> None:
        rows, counts = np.arange(len(columns)), columns.counts.astype(np.float64)
        if not columns.periods.any():
            # Points, of which there may be many to a series: join them before choosing.
            _, rows, place = np.unique(columns.ids, return_index=True, return_inverse=True)
            counts = np.bincount(place, columns.counts).astype(np.float64)
        if len(rows) > TALKERS_COUNTED:
            cut = float(np.partition(counts, -TALKERS_COUNTED - 1)[-TALKERS_COUNTED - 1])
            above = counts > cut
            rows, counts = rows[above], counts[above] - cut
            self.series.short += cut
        for key, number in zip(keys_of(columns, rows), counts.tolist(), strict=True):
            self.series.add(key.decode(), number)


class _Stream:
    """A stream's last whole window and the one that runs."""

    def __init__(self, now: float):
        self.prefixes = _Prefixes()
        self.windows = [_Window(now)]
        self.drained_samples = 0
        self.drained_datagrams = 0

    def window(self, now: float) -> _Window:
        """The one that runs."""
        last = self.windows[-1]
        if now - last.begun >= TALKERS_WINDOW:
            self.windows = [_Window(now)] if now - last.begun >= 2 * TALKERS_WINDOW else [last, _Window(now)]
            self.prefixes.begin_window()
        return self.windows[-1]


class Talkers:
    """The top talkers of every stream."""

    def __init__(self, now: Callable[[], float]):
        self._now = now
        self._streams: dict[str, _Stream] = {}

    def flushed(self, stream: str, columns: Columns) -> None:
        """The parts of a flush, or points, have left the table."""
        if not len(columns):
            return
        state = self._stream(stream)
        window = state.window(self._now())
        if state.prefixes.make_room(len(columns)):
            window.prefix_series[:] = 0
        window.count(columns, *state.prefixes.of(columns))

    def heard(self, stream: str, sender: str, samples: int, series: int) -> None:
        """A sender whose name is known brought so many samples, and series that were new."""
        window = self._stream(stream).window(self._now())
        if samples:
            window.sender_samples.add(sender, samples)
        if series > 0:
            window.sender_series.add(sender, series)

    def drained(self, stream: str, samples: int, datagrams: int) -> None:
        """The table read so many datagrams by itself, whoever sent them."""
        state = self._stream(stream)
        state.drained_samples += samples
        state.drained_datagrams += datagrams

    def senders(self, stream: str, datagrams: Iterable[tuple[str, int]]) -> None:
        """Who sent those; each is taken to have sent samples like the others."""
        state = self._stream(stream)
        each = state.drained_samples / state.drained_datagrams if state.drained_datagrams else 0.0
        state.drained_samples = state.drained_datagrams = 0
        window = state.window(self._now())
        for sender, number in datagrams:
            window.sender_samples.add(sender, number * each)

    def report(self, stream: str, most: int) -> dict[str, Any]:
        """The top talkers of a stream, at most so many of each::

            {"stream", "from", "until", "samples", "short",
             "series": [{"name", "v", "kind", "samples"}],
             "prefixes": {"samples": [{"prefix", "samples"}], "series": [{"prefix", "series"}]},
             "senders": {"samples": [{"sender", "samples"}], "series": [{"sender", "series"}]}}

        Times in epoch seconds.  ``samples`` is exact, and so are those of prefixes but for
        shared slots; a count of ``series`` may be too low by ``short``.
        """
        state = self._streams.get(stream) or _Stream(self._now())
        state.window(self._now())
        windows = state.windows
        return {
            "stream": stream,
            "from": windows[0].begun,
            "until": self._now(),
            "samples": sum(window.samples for window in windows),
            "short": round(sum(window.series.short for window in windows)),
            "series": [_series(key, number) for key, number in _top([w.series for w in windows], most)],
            "prefixes": {
                "samples": _named("prefix", "samples", _top_prefixes(state, _sum(windows), most)),
                "series": _named("prefix", "series", _top_prefixes(state, _most(windows), most)),
            },
            "senders": {
                "samples": _named("sender", "samples", _top([w.sender_samples for w in windows], most)),
                "series": _named("sender", "series", _top([w.sender_series for w in windows], most)),
            },
        }

    def _stream(self, stream: str) -> _Stream:
        state = self._streams.get(stream)
        if state is None:
            state = self._streams[stream] = _Stream(self._now())
        return state


def _top(counted: list[Heavy], most: int) -> Top:
    together: dict[str, float] = {}
    for heavy in counted:
        for name, number in heavy.counts().items():
            together[name] = together.get(name, 0.0) + number
    return nlargest(most, together.items(), key=itemgetter(1))


def _sum(windows: list[_Window]) -> F64:
    total: F64 = np.sum([window.prefix_samples for window in windows], axis=0)
    return total


def _most(windows: list[_Window]) -> F64:
    """A series that was in both windows is still one."""
    largest: F64 = np.max([window.prefix_series for window in windows], axis=0)
    return largest


def _top_prefixes(state: _Stream, numbers: F64, most: int) -> Top:
    found = [
        (state.prefixes.names[row], float(numbers[row])) for row in np.flatnonzero(numbers) if row > _BEYOND
    ]
    return nlargest(most, found, key=itemgetter(1))


def _named(what: str, unit: str, top: Top) -> list[dict[str, Any]]:
    return [{what: name, unit: round(number)} for name, number in top]


def _series(key: str, number: float) -> dict[str, Any]:
    series = parse_key(key.encode())
    return {
        "name": series.name,
        "v": dict(series.labels),
        "kind": series.kind.word,
        "samples": round(number),
    }
