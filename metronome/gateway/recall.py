"""What a run must know of the runs before it, before it takes anything in."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from metronome.gateway.duplicates import Duplicates
from metronome.gateway.reader import Reader
from metronome.limits import DUPLICATE_IDS, DUPLICATE_PAGE, DUPLICATE_WINDOW
from metronome.model import Events, Parts, Record
from metronome.store.interface import Store


@inlineCallbacks
def recall(
    duplicates: Duplicates, store: Store, reader: Reader, now: int
) -> Generator[Deferred[Any], Any, None]:
    """Learn the deduplication ids of the window that ends ``now`` (ms): those that the store
    has and those that wait in the journal.  Fails with ``StoreUnavailable``."""
    since = now - DUPLICATE_WINDOW * 1000
    before, page = None, 0
    while page < DUPLICATE_IDS // DUPLICATE_PAGE:
        ids: list[tuple[int, str]] = yield store.recent_ids(since, before)
        if not ids:
            break
        before, page = ids[-1], page + 1
        for received, name in ids:
            stream, _, eid = name.partition("\0")
            duplicates.learn(stream, eid, received, page)

    yield reader.waiting(_learning(duplicates, since))


def recall_kept(duplicates: Duplicates, reader: Reader, now: int) -> Deferred[None]:
    """Learn what can be learnt without the store: the ids that the journal still has.  What a client
    sends again after a crash is among them, being the last that came."""
    return reader.kept(_learning(duplicates, now - DUPLICATE_WINDOW * 1000))


def _learning(duplicates: Duplicates, since: int) -> Callable[[list[Record]], None]:
    def learn(some: list[Record]) -> None:
        for stream, received, eid in _ids(some):
            if received >= since:
                duplicates.learn(stream, eid, received)

    return learn


def _ids(waiting: list[Record]) -> list[tuple[str, int, str]]:
    found = []
    for record in waiting:
        content = record.content
        if isinstance(content, Events):
            found += [
                (content.stream, event.get("received", event["time"]), event["eid"])
                for event in content.events
                if event.get("eid")
            ]
        elif isinstance(content, Parts):
            found += [(content.stream, received, eid) for received, eid in content.ids]
    return found
