"""Chunks on their way: several at once, as many and as large as the cluster likes.

It is found out as TCP finds out about a network: more, little by little, while all goes well;
half as soon as something is refused.  A chunk that takes too long is followed by smaller ones.
What the cluster refuses for now is sent again, after a pause that grows; when nothing at all has
been taken for ``ELASTIC_BUSY`` seconds the batch is given back, to be tried again as in an outage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from metronome.errors import StoreUnavailable
from metronome.limits import (
    ELASTIC_BUSY,
    ELASTIC_CHUNK_BYTES,
    ELASTIC_CHUNK_DOCUMENTS,
    ELASTIC_CHUNK_LEAST,
    ELASTIC_IN_FLIGHT,
    ELASTIC_SLOW,
)
from metronome.store.elastic_bulk import Chunk, Outcome
from metronome.threads.interface import Worker

_PAUSE_FIRST: Final = 0.05
_PAUSE_MOST: Final = 2.0
_TRIES: Final = 20
"""Without a clock there are no pauses, but an end."""


class Flow:
    """The way of all batches of one store."""

    def __init__(
        self, senders: Sequence[Worker], clock: IReactorTime | None, documents: int = ELASTIC_CHUNK_DOCUMENTS
    ):
        """``senders`` carry one request at a time each."""
        self._idle = deque(senders)
        self._clock = clock
        self._documents = documents
        self.window = min(2.0, len(senders))
        """How many chunks may be on their way; its fraction grows to the next one."""
        self.most = documents
        """How many documents the next chunk may have."""
        self.in_flight = 0
        self.sent = 0
        self.refused = 0
        """Chunks of which something was refused for now."""

    @inlineCallbacks
    def send(
        self, next_chunk: Callable[[int, int], Deferred[Chunk | None]], post: Callable[[Chunk], Outcome]
    ) -> Generator[Deferred[Any], Any, list[Outcome]]:
        """Send what ``next_chunk`` (at most so many documents, so many bytes) gives, until it gives
        none; what became of it.  ``StoreUnavailable`` when it has to wait."""
        run = _Run(self, post)
        more = True
        while run.trouble is None and (more or run.left):
            chunk = run.waiting.popleft() if run.waiting else None
            if chunk is None and more:
                chunk = yield next_chunk(self.most, ELASTIC_CHUNK_BYTES).addErrback(run.fail)
                more = chunk is not None
            if chunk is not None:
                yield run.room()
                yield self._wait(run)
                if run.trouble is None:
                    run.start(chunk)
            elif run.flying:
                yield run.one_back()
        while run.flying:
            yield run.one_back()
        if run.trouble:
            run.trouble.raiseException()
        return run.outcomes

    @property
    def timed(self) -> bool:
        """Whether there is a clock."""
        return self._clock is not None

    def seconds(self) -> float:
        """The time; 0 without a clock."""
        return self._clock.seconds() if self._clock is not None else 0.0

    def take_sender(self) -> Worker:
        """One that has nothing to carry."""
        self.in_flight += 1
        return self._idle.popleft()

    def give_back(self, sender: Worker) -> None:
        """It has come back."""
        self.in_flight -= 1
        self._idle.append(sender)

    def learn(self, outcome: Outcome, seconds: float) -> None:
        """How it went says how to go on."""
        self.sent += 1
        if outcome.again:
            self.refused += 1
            self.window = max(1.0, self.window / 2)
            self.most = max(ELASTIC_CHUNK_LEAST, self.most // 2)
        elif seconds > ELASTIC_SLOW:
            self.most = max(ELASTIC_CHUNK_LEAST, self.most * 3 // 4)
        else:
            self.window = min(self.window + 1 / self.window, float(len(self._idle) + self.in_flight))
            self.window = min(self.window, float(ELASTIC_IN_FLIGHT))
            self.most = min(self._documents, self.most + self.most // 8 + 1)

    def _wait(self, run: _Run) -> Deferred[None]:
        pause, run.pause = run.pause, 0.0
        if not pause or self._clock is None:
            return succeed(None)
        return deferLater(self._clock, pause, lambda: None)


class _Run:
    """One batch's chunks."""

    def __init__(self, flow: Flow, post: Callable[[Chunk], Outcome]):
        self._flow = flow
        self._post = post
        self._back: Deferred[None] | None = None
        self._next_pause = _PAUSE_FIRST
        self._taken_at = flow.seconds()
        self._fruitless = 0
        self.waiting: deque[Chunk] = deque()
        self.flying = 0
        self.outcomes: list[Outcome] = []
        self.trouble: Failure | None = None
        self.pause = 0.0

    @property
    def left(self) -> bool:
        """Whether something is on its way or waits for it."""
        return bool(self.waiting or self.flying)

    @inlineCallbacks
    def room(self) -> Generator[Deferred[Any], Any, None]:
        """Fires when one more may go."""
        while self.flying >= int(self._flow.window):
            yield self.one_back()

    def one_back(self) -> Deferred[None]:
        """Fires when the next one of those on their way has come back."""
        self._back = Deferred()
        return self._back

    def fail(self, failure: Failure) -> None:
        """Nothing more is sent."""
        self.trouble = self.trouble or failure

    def start(self, chunk: Chunk) -> None:
        """Send a chunk on its way."""
        self.flying += 1
        sender = self._flow.take_sender()
        began = self._flow.seconds()
        sent = sender.do(lambda: self._post(chunk))
        sent.addBoth(self._came_back, sender, began)

    def _came_back(self, result: Outcome | Failure, sender: Worker, began: float) -> None:
        self.flying -= 1
        self._flow.give_back(sender)
        if isinstance(result, Failure):
            self.fail(result)
        else:
            self._learn(result, self._flow.seconds() - began)
        back, self._back = self._back, None
        if back is not None:
            back.callback(None)

    def _learn(self, outcome: Outcome, seconds: float) -> None:
        self._flow.learn(outcome, seconds)
        self.outcomes.append(outcome)
        self.waiting.extend(outcome.again)
        documents = sum(len(chunk.docs) for chunk in outcome.again)
        if not outcome.again or outcome.created > documents:
            self._next_pause = _PAUSE_FIRST
            self._taken_at, self._fruitless = self._flow.seconds(), 0
            return
        self.pause = self._next_pause
        self._next_pause = min(2 * self._next_pause, _PAUSE_MOST)
        self._fruitless += 1
        late = self._flow.seconds() - self._taken_at > ELASTIC_BUSY
        if late or (self._fruitless > _TRIES and not self._flow.timed):
            self.fail(Failure(StoreUnavailable(outcome.reason or "the cluster refuses writes for now")))
