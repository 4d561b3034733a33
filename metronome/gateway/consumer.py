"""A consumer of the journal: reads from its cursor, does, then moves the cursor.

At least once, over idempotent effects.  A batch that fails is tried again, the same batch,
with capped exponential back-off, for as long as it takes: an attempted batch is never
dropped.  One consumer that waits holds up nobody else; the journal keeps what it has yet to
read.  Failures that mean "later" are counted; any other failure is a bug of ours: it is
logged with its trace, and still nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable, JournalUnavailable, StoreUnavailable
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Entry, Journal
from metronome.limits import READ_BYTES, RETRY_FIRST, RETRY_MOST
from metronome.model import Batch, Record
from metronome.wire import records

Work = Callable[[Batch], Deferred[int | None]]
"""Does a batch.  Fires with None when all of it is done, or with the position up to which
everything is: a consumer that folds several batches before it acts keeps its cursor there,
so that after a restart it is given again what it had not acted on."""


class Consumer:
    """Feeds one worker function with batches, in journal order, one at a time."""

    log = Logger()

    def __init__(
        self,
        journal: Journal,
        name: str,
        work: Work,
        clock: IReactorTime,
        telemetry: Telemetry,
        linger: float = 0.0,
        most: int = READ_BYTES,
    ):
        """``linger``: seconds to wait for company when something new has come, so that work
        that costs by the batch is given larger ones, of about ``most`` bytes."""
        self.name = name
        self.troubled = ""
        """Why the last attempt failed; empty while all is well."""
        self._journal = journal
        self._work = work
        self._clock = clock
        self._telemetry = telemetry
        self._linger = linger
        self._most = most
        self._running = False
        self._done: Deferred[None] = succeed(None)
        self._sleep: Deferred[None] | None = None
        self._position = 0
        telemetry.gauge("metronome_consumer_lag_bytes", lambda: self.lag, consumer=name)

    @property
    def lag(self) -> int:
        """Bytes of the journal between what was read and its end."""
        return max(0, self._journal.synced_end - self._position)

    @property
    def position(self) -> int:
        """Everything before it was read and attempted with success."""
        return self._position

    def start(self) -> None:
        """Go on at the cursor."""
        self._running = True
        self._position = self._journal.cursor(self.name)
        self._done = self._loop()
        self._done.addErrback(self._broken)

    def stop(self) -> Deferred[None]:
        """Fires when the batch in hand is done or has failed once more."""
        self._running = False
        self._wake()
        return self._done

    def wake(self) -> None:
        """Try again now: somebody knows that the other side is back."""
        self._wake()

    @inlineCallbacks
    def _loop(self) -> Generator[Deferred[Any], Any, None]:
        while self._running:
            changed = self._journal.changed()
            entries: list[Entry] = yield self._read()
            if entries:
                yield self._do(entries)
            elif self._running:
                sleep = self._sleep = Deferred()
                changed.addCallback(lambda _: self._wake())
                yield sleep
                if self._linger and self._running:
                    yield self._pause(self._linger)

    @inlineCallbacks
    def _read(self) -> Generator[Deferred[Any], Any, list[Entry]]:
        """What comes next, empty at the end.  While the journal cannot be read (no file descriptor
        is left, the disk has an error) that is tried again, like work that fails."""
        pause = RETRY_FIRST
        while self._running:
            try:
                entries: list[Entry] = yield self._journal.read(self._position, self._most)
            except JournalUnavailable as error:
                self._has_to_wait(str(error))
            else:
                if pause > RETRY_FIRST:
                    self._goes_on()
                return entries
            yield self._pause(pause)
            pause = min(pause * 2, RETRY_MOST)
        return []

    @inlineCallbacks
    def _do(self, entries: list[Entry]) -> Generator[Deferred[Any], Any, None]:
        batch = Batch(self._journal.identity, self._decoded(entries), entries[-1].end)
        pause = RETRY_FIRST
        while self._running:
            done: bool = yield self._attempt(batch)
            if done:
                self._position = batch.end
                self._telemetry.count(
                    "metronome_consumer_records_total", len(batch.records), consumer=self.name
                )
                return
            self._telemetry.count("metronome_consumer_retries_total", consumer=self.name)
            yield self._pause(pause)
            pause = min(pause * 2, RETRY_MOST)

    def _pause(self, seconds: float) -> Deferred[None]:
        """Fires after so many seconds, or when somebody wakes us; at once when we are to stop."""
        if not self._running:
            return succeed(None)
        sleep: Deferred[None] = Deferred()
        self._sleep = sleep
        call = self._clock.callLater(seconds, self._wake)
        sleep.addCallback(lambda _: call.cancel() if call.active() else None)
        return sleep

    def _attempt(self, batch: Batch) -> Deferred[bool]:
        attempt: Deferred[Any] = Deferred()
        attempt.addCallback(self._work)
        attempt.addCallbacks(self._succeeded, self._failed, callbackArgs=(batch,))
        attempt.callback(batch)
        return attempt

    def _succeeded(self, safe: int | None, batch: Batch) -> bool:
        self._journal.move(self.name, batch.end if safe is None else safe)
        self._goes_on()
        return True

    def _failed(self, failure: Failure) -> bool:
        text = failure.getErrorMessage() or "unknown failure"
        if isinstance(failure.value, (StoreUnavailable, DestinationUnavailable)):
            self._has_to_wait(text)
        else:
            self.log.failure("{name} failed; the batch will be tried again", failure, name=self.name)
            self.troubled = text
        return False

    def _has_to_wait(self, text: str) -> None:
        if not self.troubled:
            self.log.warn("{name} has to wait: {text}", name=self.name, text=text)
        self.troubled = text

    def _goes_on(self) -> None:
        if self.troubled:
            self.log.info("{name} works again", name=self.name)
        self.troubled = ""

    def _decoded(self, entries: list[Entry]) -> list[Record]:
        found = []
        for entry in entries:
            try:
                content = records.decode(entry.kind, entry.payload)
            except ValueError as error:
                self._telemetry.count("metronome_undecodable_records_total")
                self.log.error(
                    "record {position} of the journal cannot be read: {error}",
                    position=entry.position,
                    error=error,
                )
            else:
                found.append(Record(entry.position, content))
        return found

    def _wake(self) -> None:
        sleep, self._sleep = self._sleep, None
        if sleep is not None and not sleep.called:
            sleep.callback(None)

    def _broken(self, failure: Failure) -> None:
        self.troubled = failure.getErrorMessage()
        self.log.failure("{name} has ended; the journal keeps its records", failure, name=self.name)
