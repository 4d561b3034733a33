"""Retention is kept at intervals, one round at a time, whatever happens to one."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from metronome.errors import StoreUnavailable
from metronome.gateway.keeper import KEEP_INTERVAL, Keeper
from metronome.store.interface import Retention
from metronome.store.memory import MemoryStore


class Slow(MemoryStore):
    """Rounds of this store end when the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[tuple[int, dict[str, Retention], Deferred[dict[str, int]]]] = []

    def expire(self, now: int, retention: dict[str, Retention]) -> Deferred[dict[str, int]]:
        done: Deferred[dict[str, int]] = Deferred()
        self.rounds.append((now, retention, done))
        return done


def test_rounds_come_one_after_another() -> None:
    """A new round begins an interval after the last one ended, also when that one failed."""
    clock, store = Clock(), Slow()
    keeper = Keeper(store, lambda: {"main": Retention(events=60)}, clock)
    keeper.start()
    clock.advance(KEEP_INTERVAL)
    now, retention, done = store.rounds[0]
    assert (now, retention["main"].events) == (KEEP_INTERVAL * 1000, 60)
    clock.advance(KEEP_INTERVAL * 3)
    assert len(store.rounds) == 1
    done.errback(StoreUnavailable("away"))
    clock.advance(KEEP_INTERVAL)
    assert len(store.rounds) == 2


def test_stopping_waits_for_the_round_in_hand() -> None:
    """Stop fires when the round is over, and no other begins."""
    clock, store = Clock(), Slow()
    keeper = Keeper(store, dict, clock)
    keeper.start()
    clock.advance(KEEP_INTERVAL)
    stopped: list[object] = []
    keeper.stop().addCallback(stopped.append)
    assert stopped == []
    store.rounds[0][2].callback({"merged": 1})
    assert stopped == [None]
    assert clock.getDelayedCalls() == []
