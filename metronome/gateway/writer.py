"""Hands the journal's records to the store and keeps the books of it.

What the store refuses for good is diverted: it goes to a dead-letter file and is counted.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from metronome.errors import StoreRejected
from metronome.gateway.ledger import Ledger
from metronome.gateway.owned import Owns, every, owned
from metronome.model import Batch, Events, Parts, Record
from metronome.store.interface import Store


class DeadLetters(Protocol):
    """Where records go that the store will never take."""

    def put(self, record: Record, reason: str) -> None:
        """Keep a record durably; raises OSError when that is impossible."""
        ...


def size(record: Record) -> int:
    """How many samples, points or events a record holds; 0 for what is not input."""
    content = record.content
    if isinstance(content, Parts):
        return int(content.columns.counts.sum())
    return len(content.events) if isinstance(content, Events) else 0


class Writer:
    """The work of the store's consumer."""

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
        self._owed: list[tuple[object, str]] = []
        """What the store refused and could not be put aside yet."""

    def work(self, batch: Batch) -> Deferred[int | None]:
        """Write a batch; fails with ``StoreUnavailable`` when it has to wait, and with ``OSError``
        when what was refused cannot be put aside: the same batch is then tried again."""
        mine = owned(batch.records, self._owns)
        written: Deferred[Any] = self._store.write(batch._replace(records=mine))
        written.addErrback(self._refused)
        written.addCallback(lambda _: self._divert())
        written.addCallback(self._settle, batch, {record.position for record in mine})
        return written

    def _refused(self, failure: Failure) -> None:
        """The store says this once: it has applied the rest, and skips the batch from now on."""
        if not isinstance(failure.value, StoreRejected):
            failure.raiseException()
        self._owed = list(failure.value.items)

    def _divert(self) -> set[int]:
        """Put aside what the store refused for good; the positions of it."""
        refused = set()
        for record, text in self._owed:
            assert isinstance(record, Record)
            self._dead_letters.put(record, text)
            refused.add(record.position)
        self._owed = []
        return refused

    def _settle(self, refused: set[int], batch: Batch, mine: set[int]) -> None:
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
            elif record.position in refused:
                self._ledger.diverted(stream, "store_rejected", number)
            else:
                self._ledger.stored(stream, number)
