"""Hands the journal's records to the store and keeps the books of it.

What the store refuses for good is diverted: it is put aside in the dead-letter file, and a
line of the books stands in its place when the batch is written without it.  So that line is
in the store if and only if the batch is, whatever crashes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from metronome.errors import StoreRejected, StoreUnavailable
from metronome.gateway.dead_letters import Kept
from metronome.gateway.ledger import Ledger
from metronome.gateway.owned import Owns, every, owned
from metronome.model import Batch, Events, Parts, Record, Tally
from metronome.store.interface import Store


class DeadLetters(Protocol):
    """Where records go that the store will never take."""

    def put(self, gateway: str, record: Record, reason: str, day: str) -> Kept:
        """Keep a record durably; raises OSError when that is impossible.  How it is counted:
        one that is kept already as it was the first time."""
        ...


def size(record: Record) -> int:
    """How many samples, points or events a record holds; 0 for what is not input."""
    content = record.content
    if isinstance(content, Parts):
        return int(content.columns.counts.sum())
    return len(content.events) if isinstance(content, Events) else 0


def diverted_line(record: Record, kept: Kept, sign: int = 1) -> list[Tally]:
    """The line of the books that says of a record that it was diverted; ``sign`` -1 takes it
    back.  No line for what is not input."""
    content, number = record.content, size(record)
    if not number:
        return []
    assert isinstance(content, (Parts, Events))
    return [Tally(content.stream, kept.day, "", "diverted", kept.reason, sign * number)]


def without(
    batch: Batch, refusal: StoreRejected, put: Callable[[str, Record, str], Kept]
) -> tuple[Batch, dict[int, str]]:
    """Put aside what the store refuses.  The batch with lines of the books in its place, and by
    position the reason that it is counted with; ``put`` may raise OSError."""
    instead: dict[int, list[Record]] = {}
    reasons: dict[int, str] = {}
    for record, text in refusal.items:
        assert isinstance(record, Record)
        kept = put(batch.gateway, record, text)
        line = diverted_line(record, kept)
        instead[record.position] = [Record(record.position, line)] if line else []
        reasons[record.position] = kept.reason
    assert instead, "a store that refuses says what"
    records = [one for record in batch.records for one in instead.get(record.position, [record])]
    return batch._replace(records=records), reasons


class Writer:
    """The work of the store's consumer."""

    log = Logger()

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        dead_letters: DeadLetters,
        run_began_at: int,
        owns: Owns = every,
    ):
        """``run_began_at`` is the end of the journal when this run began: records before it
        were received by a former run.  What is nobody's (``owns``) is not stored."""
        self._owns = owns
        self._store = store
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._run_began_at = run_began_at
        self._held = False

    def hold(self) -> None:
        """Write nothing until ``release``: nobody knows yet whether the store goes with the journal."""
        self._held = True

    def release(self) -> None:
        """It does."""
        self._held = False

    @inlineCallbacks
    def work(self, batch: Batch) -> Generator[Deferred[Any], Any, int | None]:
        """Write a batch; fails with ``StoreUnavailable`` when it has to wait, and with ``OSError``
        when what was refused cannot be put aside: the same batch is then tried again."""
        if self._held:
            raise StoreUnavailable("it has not answered yet")
        mine = owned(batch.records, self._owns)
        left = batch._replace(records=mine)
        diverted: dict[int, str] = {}
        while True:
            try:
                yield self._store.write(left)
                break
            except StoreRejected as refusal:
                self.log.warn("the store will never take some records: {refusal}", refusal=refusal)
                left, kept = without(left, refusal, self._put_aside)
                diverted |= kept
        self._settle(batch, {record.position for record in mine}, diverted)
        return None

    def _put_aside(self, gateway: str, record: Record, text: str) -> Kept:
        return self._dead_letters.put(gateway, record, text, self._ledger.today())

    def _settle(self, batch: Batch, mine: set[int], diverted: dict[int, str]) -> None:
        for record in batch.records:
            number = size(record)
            if not number:
                continue
            assert isinstance(record.content, (Parts, Events))
            stream = record.content.stream
            if record.position < self._run_began_at:
                self._ledger.recovered(stream, number)
            if record.position not in mine:
                self._ledger.left_over(stream, number)
            elif record.position in diverted:
                self._ledger.diverted(stream, diverted[record.position], number)
            else:
                self._ledger.stored(stream, number)
