"""Has the store keep no more than it should: the ladder and the retention of each stream,
every few minutes."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import StoreUnavailable
from metronome.store.interface import Retention, Store

KEEP_INTERVAL = 300.0
"""Seconds between two rounds; the first comes one interval after the start."""


class Keeper:
    """Calls ``store.expire`` at intervals, one round at a time."""

    log = Logger()

    def __init__(self, store: Store, retention: Callable[[], dict[str, Retention]], clock: IReactorTime):
        """``retention`` tells how long each stream's data is kept at the time of a round."""
        self._store = store
        self._retention = retention
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._round: Deferred[None] = succeed(None)

    def start(self) -> None:
        self._call = self._clock.callLater(KEEP_INTERVAL, self._keep)

    def stop(self) -> Deferred[None]:
        """Fires when the round in hand, if any, is over."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        return self._round

    def _keep(self) -> None:
        expired = self._store.expire(int(self._clock.seconds() * 1000), self._retention())
        self._round = expired.addCallbacks(self._kept, self._failed)
        self._round.addCallback(lambda _: self._again())

    def _again(self) -> None:
        if self._call is not None:
            self.start()

    def _kept(self, done: dict[str, int]) -> None:
        if any(done.values()):
            self.log.info("retention: {done}", done=done)

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, StoreUnavailable):
            self.log.warn("retention has to wait: {text}", text=failure.getErrorMessage())
        else:
            self.log.failure("retention failed; it will be tried again", failure)
