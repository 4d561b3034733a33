"""Which series of a stream are repeated while nothing is heard of them.

A series is known from the first part of it on, and held in the roster; what is kept of it stands
in two arrays by its number, 16 bytes.  It is repeated from its first flush on, with the value
that it had last, until it is forgotten: when it has been silent for ``IDLE_SECONDS``, when there
are more silent ones than may be (the longest silent go first), or when somebody says so.

Numbers are let go in ``settle`` only, so that a flush that is begun anew finds what it had.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from metronome.fold.index import grown
from metronome.fold.roster import Roster
from metronome.limits import IDLE_SECONDS
from metronome.model import F64, I64, U64

_NOT_HELD: Final = 0
_HELD: Final = 1
"""Its parts wait for their flush, or it is about to be let go: it is not repeated."""


class Idle:
    """The series that were heard of, by number, and when it was the last time."""

    def __init__(self, roster: Roster, most: int, repeat: bool):
        """``most`` series are repeated; without ``repeat`` none is."""
        self._roster = roster
        self._most = most if repeat else 0
        self._repeat = repeat
        self._seen: I64 = np.zeros(0, np.int64)
        """The end (ms) of the last flush with it; or one of the two above."""
        self._values: F64 = np.zeros(0)

    @property
    def memory(self) -> int:
        """Bytes that this takes, the roster's not counted."""
        return self._seen.nbytes + self._values.nbytes

    def hold(self, numbers: I64) -> None:
        """Parts of these have come."""
        if self._roster.room > len(self._seen):
            self._seen = grown(self._seen, self._roster.room)
            self._values = grown(self._values, self._roster.room)
        fresh = np.unique(numbers[self._seen[numbers] == _NOT_HELD])
        self._roster.hold(fresh)
        self._seen[fresh] = _HELD

    def hear(self, numbers: I64, values: F64, stamp: int) -> None:
        """These were in the flush that ended at ``stamp``, with these values."""
        self._seen[numbers] = stamp
        self._values[numbers] = values

    def silent(self, stamp: int) -> I64:
        """Forget what has been silent for too long; those that are silent still, the longest first."""
        numbers = np.flatnonzero((self._seen > _HELD) & (self._seen != stamp))
        seen = self._seen[numbers]
        gone = int(np.count_nonzero(seen <= stamp - IDLE_SECONDS * 1000))
        if gone or len(numbers) > self._most:
            numbers = numbers[np.argsort(seen, kind="stable")]
            gone = max(gone, len(numbers) - self._most)
            self._seen[numbers[:gone]] = _HELD
        return numbers[gone:]

    def among(self, numbers: I64) -> I64:
        """Those of them that nobody has forgotten meanwhile."""
        return numbers[self._seen[numbers] > _HELD]

    def values(self, numbers: I64) -> F64:
        """The last value of each."""
        return self._values[numbers]

    def settle(self) -> None:
        """No parts wait any more: let go of all that is not repeated."""
        gone = np.flatnonzero(self._seen == _HELD)
        self._seen[gone] = _NOT_HELD
        self._roster.release(gone)

    def series(self) -> list[tuple[bytes, float]]:
        """The keys of what is repeated, and the last values."""
        numbers = np.flatnonzero(self._seen > _HELD) if self._repeat else np.empty(0, np.int64)
        keys = self._roster.texts(numbers).texts()
        return list(zip(keys, self._values[numbers].tolist(), strict=True))

    def forget(self, ids: U64) -> None:
        """Repeat these no more, by their series' ids, unless they are heard of again."""
        numbers = self._roster.find(ids)
        numbers = numbers[(numbers >= 0) & (numbers < len(self._seen))]
        self._seen[numbers[self._seen[numbers] > _HELD]] = _HELD
