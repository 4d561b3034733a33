"""A run meets its store: tried until it answers, while the rest of the gateway may go on.

What has to be seen to before anything is written is the caller's; it is done once the store has
started, and again from the beginning when the store goes away in the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import StoreUnavailable
from metronome.limits import RETRY_FIRST, RETRY_MOST
from metronome.store.interface import Store


class Meeting:
    """One meeting."""

    log = Logger()

    def __init__(
        self,
        store: Store,
        greet: Callable[[], Deferred[Any]],
        clock: IReactorTime,
        failed: Callable[[Failure], None],
    ):
        """``greet`` sees to what has to be seen to, over and over until it succeeds; ``failed`` is told
        when it fails for good after ``begin`` has fired."""
        self._store = store
        self._greet = greet
        self._clock = clock
        self._failed = failed
        self._told: Deferred[bool | Failure] = Deferred()
        self._patience: IDelayedCall | None = None
        self._work: Deferred[None] = succeed(None)

    def begin(self, seconds: float) -> Deferred[bool | Failure]:
        """Fires when the store has been met: True; or when that takes longer, or is ended: False.  It
        goes on then.  Fails with what makes the store one that we cannot work with."""
        self._patience = self._clock.callLater(seconds, self._tell, False)
        self._work = self._meet()
        self._work.addCallbacks(lambda _: self._tell(True), self._trouble)
        return self._told

    def end(self) -> Deferred[None]:
        """Try no more."""
        self._work.cancel()
        return succeed(None)

    @inlineCallbacks
    def _meet(self) -> Generator[Deferred[Any], Any, None]:
        pause = RETRY_FIRST
        while True:
            try:
                yield self._store.start()
                yield self._greet()
                return
            except StoreUnavailable as away:
                if pause == RETRY_FIRST:
                    self.log.warn("the store has to be waited for: {away}", away=away)
            yield deferLater(self._clock, pause)
            pause = min(pause * 2, RETRY_MOST)

    def _tell(self, met: bool | Failure) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        if not self._told.called:
            self._told.callback(met)

    def _trouble(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            self._tell(False)
        elif self._told.called:
            self._failed(failure)
        else:
            self._tell(failure)
