"""How long the first waiting record waits for others to share its fsync.

Those who were just answered are likely to append again in a moment.  To start without them
splits them into two parties that wait for each other's fsync, twice the time for everyone.
So until as many have gathered as were in the last group, the next one is held back for a
share of the time that one took, counted from its end, and never longer than
``GROUP_WAIT``.  A lone appender, or one who comes when nothing was going on, never waits.

A reactor sleeps in milliseconds.  On a disk so fast that the share is less than one, waiting
costs more than it brings (doc/journal.md has the figures), so there it is left out.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from metronome.limits import GROUP_SHARE, GROUP_WAIT

_SHORTEST: Final = 0.001


class Company:
    """Told when groups leave for the writer and return; answers how long to wait."""

    def __init__(self, clock: IReactorTime):
        self._clock = clock
        self._last = 0
        self._left = self._until = 0.0

    def leaves(self, count: int) -> None:
        """A group of so many is handed to the writer."""
        self._last = count
        self._left = self._clock.seconds()

    def returns(self) -> None:
        """That group is done."""
        now = self._clock.seconds()
        wait = min((now - self._left) * GROUP_SHARE, GROUP_WAIT)
        self._until = now + wait if wait >= _SHORTEST else now

    def wait(self, gathered: int) -> float:
        """Seconds to wait, now that so many have gathered."""
        if gathered >= self._last:
            return 0
        return max(self._until - self._clock.seconds(), 0)
