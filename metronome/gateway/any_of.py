"""Several equal carbons behind one cursor: each line goes to one that is up.

All members up, a path always goes to the same one (carbon-c-relay's ``any_of`` chooses it too), so that an
aggregator behind it sees whole series.  Where that one is away, or takes nothing for a moment while
others do, another gets the line.  When a connection breaks, what has been sent over it and is not
confirmed yet goes to the others at once; so a line may reach two of them, and none is lost.  Only
when nobody is up does the journal wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, execute, fail, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable
from metronome.fold.placement import AnyOf as Remainder
from metronome.gateway.carbon import Carbon
from metronome.gateway.shares import spread
from metronome.gateway.window import Chunk
from metronome.limits import CARBON_AHEAD, CARBON_PATIENCE


class Make(Protocol):
    """Makes the connection to one member."""

    def __call__(self, back: Callable[[], None], gone: Callable[[], None]) -> Carbon: ...


class _Mark(NamedTuple):
    """``end`` is done once every chunk up to ``number`` is confirmed."""

    number: int
    end: int


class _Equal:
    """One member, and what waits for it."""

    def __init__(self, make: Make, back: Callable[[], None], gone: Callable[[_Equal], None]):
        self.carbon = make(back, lambda: gone(self))
        self.queue: deque[Chunk] = deque()
        self.busy: Chunk | None = None
        self.moved = 0.0
        """When it last took something, or was given something while it had nothing to do."""
        self.passed = False
        """Whether it takes nothing, so that others get its lines."""

    @property
    def fit(self) -> bool:
        return self.carbon.connected and not self.passed

    @property
    def first(self) -> int | None:
        """The lowest number that waits here or is not confirmed."""
        waiting = [chunk.end for chunk in (*self.queue, *([self.busy] if self.busy else []))]
        kept = self.carbon.window.first
        return min([*waiting, *([kept] if kept is not None else [])], default=None)


class AnyOf:
    """As :class:`carbon.Destination`, over several connections; chunks are plaintext."""

    log = Logger()

    def __init__(self, name: str, makes: Sequence[Make], clock: IReactorTime, back: Callable[[], None]):
        self._name = name
        self._clock = clock
        self._back = back
        self._members = [_Equal(make, self._is_back, self._is_gone) for make in makes]
        self._placement = Remainder(len(makes))
        self._orphans: deque[Chunk] = deque()
        self._chunks: Iterator[Chunk] | None = None
        self._waiter: Deferred[None] | None = None
        self._marks: deque[_Mark] = deque()
        self._number = 0
        self._confirmed = 0
        self._pumping = False
        self._turn: IDelayedCall | None = None
        self._look: IDelayedCall | None = None

    @property
    def trouble(self) -> str:
        """What is wrong with members; empty while all is well."""
        return "; ".join(member.carbon.trouble for member in self._members if member.carbon.trouble)

    def start(self) -> None:
        """Connect to all of them."""
        for member in self._members:
            member.carbon.start()
        self._look_after()

    def stop(self) -> Deferred[Any]:
        """Fail what is being sent and close all connections."""
        for call in (self._turn, self._look):
            if call is not None and call.active():
                call.cancel()
        self._end(DestinationUnavailable(f"{self._name}: stopped"))
        return gatherResults([member.carbon.stop() for member in self._members])

    def send(self, chunks: Iterator[Chunk]) -> Deferred[None]:
        """As :meth:`carbon.Destination.send`; fires when all is handed out.  One iterator at a time."""
        assert self._waiter is None, "one iterator at a time"
        if not any(member.carbon.connected for member in self._members):
            return fail(DestinationUnavailable(f"{self._name}: {self.trouble}"))
        self._chunks = chunks
        waiter = self._waiter = Deferred()
        self._pump()
        return waiter

    def confirmed(self) -> int:
        """The journal position up to which everything has been sent and confirmed."""
        for member in self._members:
            member.carbon.confirmed()
        firsts = [first for member in self._members if (first := member.first) is not None]
        open_number = min([*firsts, *(chunk.end for chunk in self._orphans)], default=self._number + 1)
        while self._marks and self._marks[0].number < open_number:
            self._confirmed = self._marks.popleft().end
        return self._confirmed

    # --- handing out ---------------------------------------------------------------------------

    def _pump(self) -> None:
        """Hand out what there is as long as somebody takes it; new chunks one a turn of the reactor."""
        if self._pumping:
            self._soon()
            return
        self._pumping = True
        try:
            while self._orphans and self._ready():
                self._hand_out(self._orphans.popleft())
            if not self._orphans and self._chunks is not None and self._ready():
                pulled = execute(next, self._chunks, None)
                pulled.addCallback(self._pulled).addErrback(self._end)
        finally:
            self._pumping = False

    def _ready(self) -> bool:
        fit = [member for member in self._members if member.fit]
        return bool(fit) and all(len(member.queue) < CARBON_AHEAD for member in fit)

    def _pulled(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self._end(None)
            return
        if chunk.data:
            self._number += 1
            self._hand_out(chunk._replace(end=self._number))
        if chunk.end:
            self._marks.append(_Mark(self._number, chunk.end))
        self._soon()

    def _soon(self) -> None:
        if self._turn is None or not self._turn.active():
            self._turn = self._clock.callLater(0, self._pump)

    def _hand_out(self, chunk: Chunk) -> None:
        fit = {index for index, member in enumerate(self._members) if member.fit}
        for index, part in spread(chunk, self._placement, fit).items():
            self._members[index].queue.append(part)
            self._feed(self._members[index])

    def _feed(self, member: _Equal) -> None:
        if member.busy is not None or not member.queue or not member.carbon.connected:
            return
        chunk = member.busy = member.queue.popleft()
        feed = iter((chunk,))
        member.moved = self._clock.seconds()
        done = member.carbon.send(feed)
        done.addCallbacks(self._fed, self._unfed, callbackArgs=(member,), errbackArgs=(member, feed))

    def _fed(self, _: None, member: _Equal) -> None:
        member.busy = None
        member.passed = False
        member.moved = self._clock.seconds()
        self._feed(member)
        self._pump()

    def _unfed(self, failure: Failure, member: _Equal, feed: Iterator[Chunk]) -> None:
        """The connection broke: what it had not begun to write is not in its window."""
        failure.trap(DestinationUnavailable)
        member.busy = None
        self._orphans.extend(feed)

    def _end(self, error: Exception | Failure | None) -> None:
        waiter, self._waiter = self._waiter, None
        self._chunks = None
        if waiter is not None:
            waiter.callback(None) if error is None else waiter.errback(error)

    # --- members that come, go and stand still -----------------------------------------------------

    def _is_back(self) -> None:
        self._pump()
        self._back()

    def _is_gone(self, member: _Equal) -> None:
        """Others get what it had."""
        member.passed = False
        self._orphans.extend(member.carbon.window.take_back())
        self._orphans.extend(member.queue)
        member.queue.clear()
        if not any(other.carbon.connected for other in self._members):
            self._end(DestinationUnavailable(f"{self._name}: {self.trouble}"))
        self._pump()

    def _look_after(self) -> None:
        """Pass over members that stand still while others do not; in the end give them up."""
        self._look = self._clock.callLater(CARBON_PATIENCE, self._look_after)
        still = self._clock.seconds() - CARBON_PATIENCE
        for member in self._members:
            others = any(other.fit and not other.queue for other in self._members if other is not member)
            if not member.carbon.connected or member.busy is None or not others or member.moved > still:
                continue
            if not member.passed:
                self.log.info("{name}: a member takes nothing, others get its lines", name=self._name)
            member.passed = True
            self._orphans.extend(member.queue)
            member.queue.clear()
            if member.carbon.trouble:
                member.carbon.drop()
        self._pump()
