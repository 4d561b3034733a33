"""Which series of a stream are repeated while nothing is heard of them.

A series is known from the first part of it on, and held in the roster; what is kept of it stands
in arrays by its number: 4 bytes, and of a gauge its value.  It is repeated from its first flush on,
a gauge with the value that it had last, until it is forgotten: when it has been silent for as long
as its kind may be, or for the ``ttl`` of the mapping rule that named it; when there are more silent
ones than may be (the longest silent go first); or when somebody says so.

Numbers are let go in ``settle`` only, so that a flush that is begun anew finds what it had.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from metronome.fold.index import grown
from metronome.fold.roster import Roster
from metronome.fold.shapes import Shapes
from metronome.limits import IDLE_SECONDS
from metronome.model import F64, I64, U32, U64, Kind, parse_key

_NOT_HELD: Final = 0
_HELD: Final = 1
"""Its parts wait for their flush, or it is about to be let go: it is not repeated."""
_UNIT: Final = 100
"""ms; flushes are further from each other."""
_BEFORE: Final = 365 * 86_400_000
"""ms before the first flush from which moments are counted: clocks may be set back."""


class Spans(NamedTuple):
    """For how long (seconds) series of each kind are repeated; 0: not at all."""

    counters: float = IDLE_SECONDS
    gauges: float = IDLE_SECONDS
    timers: float = IDLE_SECONDS
    sets: float = IDLE_SECONDS


class Idle:
    """The series that were heard of, by number, and when it was the last time."""

    def __init__(self, roster: Roster, most: int, spans: Spans):
        """``most`` series are repeated, for so long."""
        self._roster = roster
        self._most = most if any(spans) else 0
        self._usual: I64 = (np.array(spans) * 1000).astype(np.int64)
        """ms, by kind."""
        self._seen: U32 = np.zeros(0, np.uint32)
        """The moment of the last flush with it; or one of the two above."""
        self._values: F64 = np.zeros(0)
        """Of gauges, as far as there are any."""
        self._epoch = 0
        self._shapes: Shapes | None = None
        self._spans: I64 = np.zeros(0, np.int64)
        """Where rules have any ttl: for how long (ms) each may be silent; 0: nobody has asked, -1: they
        say nothing of it."""

    def use(self, shapes: Shapes | None) -> None:
        """Go by what these mapping rules say, as soon as a series is heard of again."""
        self._shapes = shapes if shapes is not None and shapes.have_ttl else None
        self._spans = np.zeros(0, np.int64)

    @property
    def memory(self) -> int:
        """Bytes that this takes, the roster's not counted."""
        return self._seen.nbytes + self._values.nbytes + self._spans.nbytes

    def hold(self, numbers: I64) -> None:
        """Parts of these have come."""
        if self._roster.room > len(self._seen):
            self._seen = grown(self._seen, self._roster.room)
        fresh = np.unique(numbers[self._seen[numbers] == _NOT_HELD])
        self._roster.hold(fresh)
        self._seen[fresh] = _HELD
        if self._shapes is not None:
            self._ask(self._shapes, numbers)

    def _ask(self, shapes: Shapes, numbers: I64) -> None:
        if len(self._seen) > len(self._spans):
            self._spans = grown(self._spans, len(self._seen))
        for number in np.unique(numbers[self._spans[numbers] == 0]).tolist():
            shape = shapes.of(parse_key(self._roster.key(number)))
            self._spans[number] = max(round(shape.ttl * 1000), 1) if shape is not None and shape.ttl else -1

    def _spans_of(self, numbers: I64) -> I64:
        """For how long each may be silent."""
        usual: I64 = self._usual[self._roster.kinds(numbers)]
        if not len(self._spans):
            return usual
        own = self._spans[numbers]
        return np.where(own > 0, np.where(usual > 0, own, usual), usual)

    def hear(self, numbers: I64, stamp: int) -> None:
        """These were in the flush that ended at ``stamp`` (ms)."""
        self._epoch = self._epoch or stamp - _BEFORE
        self._seen[numbers] = self._moment(stamp)

    def keep(self, gauges: I64, values: F64) -> None:
        """These gauges have these values now."""
        if len(gauges) and gauges.max() >= len(self._values):
            self._values = grown(self._values, len(self._seen))
        self._values[gauges] = values

    def _moment(self, stamp: int) -> int:
        return max((stamp - self._epoch) // _UNIT, _HELD + 1)

    def silent(self, stamp: int) -> I64:
        """Forget what has been silent for too long; those that are silent still, the longest first."""
        now = self._moment(stamp)
        numbers = np.flatnonzero((self._seen > _HELD) & (self._seen != now))
        seen = self._seen[numbers]
        late = seen.astype(np.int64) <= now + -self._spans_of(numbers) // _UNIT
        if late.any():
            self._seen[numbers[late]] = _HELD
            numbers, seen = numbers[~late], seen[~late]
        gone = 0
        if len(numbers) > self._most:
            numbers = numbers[np.argsort(seen, kind="stable")]
            gone = len(numbers) - self._most
            self._seen[numbers[:gone]] = _HELD
        return numbers[gone:]

    def among(self, numbers: I64) -> I64:
        """Those of them that nobody has forgotten meanwhile."""
        return numbers[self._seen[numbers] > _HELD]

    def values(self, numbers: I64) -> F64:
        """The last value of each, 0 of what is no gauge."""
        values = np.zeros(len(numbers))
        here = np.flatnonzero(numbers < len(self._values))
        values[here] = self._values[numbers[here]]
        return np.where(self._roster.kinds(numbers) == Kind.GAUGE, values, 0.0)

    def settle(self) -> None:
        """No parts wait any more: let go of all that is not repeated."""
        gone = np.flatnonzero(self._seen == _HELD)
        self._seen[gone] = _NOT_HELD
        if len(self._spans):
            self._spans[gone] = 0
        self._roster.release(gone)

    def series(self) -> list[tuple[bytes, float]]:
        """The keys of what is repeated, and the last values of gauges."""
        numbers = np.flatnonzero(self._seen > _HELD)
        numbers = numbers[self._usual[self._roster.kinds(numbers)] > 0]
        keys = self._roster.texts(numbers).texts()
        return list(zip(keys, self.values(numbers).tolist(), strict=True))

    def forget(self, ids: U64) -> None:
        """Repeat these no more, by their series' ids, unless they are heard of again."""
        numbers = self._roster.find(ids)
        numbers = numbers[(numbers >= 0) & (numbers < len(self._seen))]
        self._seen[numbers[self._seen[numbers] > _HELD]] = _HELD
