"""Batches to documents, and what stands behind them: books, positions.

The order is what makes a crash harmless:

1. The documents of a batch are created.  Their ids name gateway, position and row, so creating
   them again changes nothing; readers of this gateway leave out what is behind the applied
   position, so that they do not count it twice with the journal.  Then it is made sure that they
   are where they belong: that what was there already is what we would have written (two gateways
   with copies of one data directory would take each other's documents for their own), and that
   nobody has deleted an index meanwhile.
2. The books' documents are added to, each of which knows up to which record it counts.
3. The gateway's position is written.  Only now is the batch applied.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from metronome.errors import StoreRejected, StoreUnavailable
from metronome.fold.columns import expanded, take
from metronome.limits import (
    ELASTIC_BOOKS_KEPT,
    ELASTIC_CHUNK_DOCUMENTS,
    ELASTIC_DAYS_AHEAD,
    ELASTIC_DAYS_BACK,
    ELASTIC_SETTLED,
)
from metronome.model import Batch, Events, Parts, Record
from metronome.store.admission import flaw, stored_lines
from metronome.store.elastic_bulk import Chunk, delete
from metronome.store.elastic_client import Client
from metronome.store.elastic_indices import Indices
from metronome.store.elastic_meta import Kept, Meta, books_id
from metronome.store.elastic_names import DAY_MS, Names, id_prefix
from metronome.store.elastic_points import Doc, Fragments, documents, source_of
from metronome.store.elastic_ticks import event_document, id_document, names_of

_SAME: Final = ("@timestamp", "stream", "type", "series", "n", "samples", "eid", "id")
"""Fields by which a document is told from another."""

Line = tuple[str, str, str]
"""Source, outcome and reason."""


class Shared:
    """What the threads of a store tell each other."""

    def __init__(self, gateway: str = "") -> None:
        """``gateway`` is the one of this process, where that is known."""
        self.gateway = gateway
        self._lock = Lock()
        self._gateways = {gateway} - {""}
        self._applied: dict[str, int] = {}
        self._fresh: set[str] = set()

    def applied(self) -> dict[str, int]:
        """What is applied, as far as this store has read or written it."""
        with self._lock:
            return dict(self._applied)

    def own(self) -> dict[str, int]:
        """The same of the gateways that write through this store."""
        with self._lock:
            return {gateway: self._applied.get(gateway, 0) for gateway in self._gateways}

    def writes(self, gateway: str) -> None:
        """This one does."""
        with self._lock:
            self._gateways.add(gateway)

    def move(self, applied: dict[str, int]) -> None:
        """These gateways' positions are now so."""
        with self._lock:
            self._applied.update(applied)

    def touched(self, indices: Iterable[str]) -> None:
        """These indices have what searches may not find yet."""
        with self._lock:
            self._fresh.update(indices)

    def take_touched(self) -> set[str]:
        """Which those are; whoever takes them makes them be found, or gives them back."""
        with self._lock:
            fresh, self._fresh = self._fresh, set()
            return fresh


@dataclass
class Work:
    """A batch on its way."""

    batch: Batch
    fresh: list[Record]
    begin: int
    docs: Iterator[tuple[str, Doc]]
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Ids of documents that the server will never take, and why."""
    indices: set[str] = field(default_factory=set)
    there: list[tuple[str, Doc]] = field(default_factory=list)
    """Some of the documents that were there already."""
    created: int = 0


class _Books(NamedTuple):
    stream: str
    day: str


class Writer:
    """Writes for the gateways of one process; used by one thread at a time, but for ``Shared``."""

    def __init__(
        self,
        client: Client,
        names: Names,
        meta: Meta,
        shared: Shared,
        seconds: Callable[[], float],
        settle: float = ELASTIC_SETTLED,
        policy: str = "",
    ):
        """``seconds`` tells the time; ``settle``: seconds after which what was applied is settled;
        ``policy`` as for ``Indices``."""
        self._client = client
        self._names = names
        self._meta = meta
        self._shared = shared
        self._seconds = seconds
        self._settle = settle
        self._fragments = Fragments()
        self._books: dict[str, Kept] = {}
        self._marks: dict[str, list[tuple[float, int]]] = {}
        self._settled: dict[str, int] = {}
        self._wrote_at: dict[str, int] = {}
        """When (ms) the position of each gateway was last written."""
        self.indices = Indices(client, seconds, policy)
        self._ids = Indices(client, seconds)

    def load(self) -> None:
        """Read what is applied."""
        positions = self._meta.positions()
        self._settled = {gateway: int(one.get("settled", 0)) for gateway, one in positions.items()}
        self._wrote_at = {gateway: int(one.get("at", 0)) for gateway, one in positions.items()}
        self._shared.move({gateway: int(one["applied"]) for gateway, one in positions.items()})

    def begin(self, batch: Batch) -> Work | None:
        """Take a batch in hand; None when all of it is applied.  ``StoreRejected``."""
        begin = self._shared.applied().get(batch.gateway, 0)
        if batch.end <= begin:
            return None
        fresh = [record for record in batch.records if record.position >= begin]
        if flaws := [(record, text) for record in fresh if (text := flaw(record))]:
            raise StoreRejected(list(flaws))
        self._shared.writes(batch.gateway)
        if self._seconds() and batch.gateway not in self._wrote_at:
            self._put_position(batch.gateway, begin)
        return Work(batch, fresh, begin, self._documents(batch.gateway, fresh))

    def chunk(self, work: Work, most: int, size: int) -> Chunk | None:
        """The next documents, at most so many and about so many bytes; None when there are no more."""
        docs: list[tuple[str, Doc]] = []
        for index, doc in work.docs:
            docs.append((index, doc))
            size -= len(doc.source)
            if len(docs) >= most or size <= 0:
                break
        work.indices.update(index for index, _ in docs)
        return Chunk(docs) if docs else None

    def settle(self, work: Work) -> None:
        """All documents are there, or refused: write what stands behind them.  ``StoreRejected``."""
        self._check_ours(work.there)
        if gone := self.indices.replaced(work.indices):
            self._delete(work, gone)
            raise StoreUnavailable("an index was deleted while it was written to; it is written again")
        if work.refused:
            raise StoreRejected(self._taken_back(work))
        if work.fresh:
            self._write_books(work)
        self._write_position(work.batch)
        self._shared.touched(work.indices)
        self._shared.move({work.batch.gateway: work.batch.end})

    def forget(self, stream: str) -> None:
        """Nothing of a stream's books is remembered."""
        for identity, kept in list(self._books.items()):
            if kept.content.get("stream") == stream:
                del self._books[identity]

    # --- where they belong ---------------------------------------------------------------------

    def _check_ours(self, there: Sequence[tuple[str, Doc]]) -> None:
        """What was there already is what we have."""
        if not there:
            return
        ids = [{"_index": index, "_id": doc.id} for index, doc in there]
        params = {"_source_includes": ",".join(_SAME)}
        answer = self._client.call("POST", "/_mget", {"docs": ids}, params=params)
        for (_, doc), found in zip(there, answer["docs"], strict=True):
            own, other = orjson.loads(doc.source), found.get("_source")
            if other is not None and any(own.get(name) != other.get(name) for name in _SAME):
                raise StoreUnavailable(
                    "another gateway has written under this gateway's identity: two data directories are"
                    " copies of one"
                )

    def _delete(self, work: Work, indices: Container[str]) -> None:
        """Delete a batch's documents from these indices."""
        every = self._documents(work.batch.gateway, work.fresh)
        docs = [(index, doc.id) for index, doc in every if index in indices]
        for begin in range(0, len(docs), ELASTIC_CHUNK_DOCUMENTS):
            delete(self._client, docs[begin : begin + ELASTIC_CHUNK_DOCUMENTS])

    # --- documents -----------------------------------------------------------------------------

    def _documents(self, gateway: str, records: Sequence[Record]) -> Iterator[tuple[str, Doc]]:
        for record in records:
            content, position = record.content, record.position
            if isinstance(content, Parts):
                yield from self._parts(gateway, position, content)
            elif isinstance(content, Events):
                yield from self._events(gateway, position, content)

    def _parts(self, gateway: str, position: int, parts: Parts) -> Iterator[tuple[str, Doc]]:
        columns = expanded(parts.columns)
        fragments = self._fragments.of(parts.stream, columns)
        labels = {name for names in {one.names for one in fragments} for name in names}
        source = source_of(gateway, position, id_prefix(gateway, position))
        days, place = np.unique(columns.times // DAY_MS, return_inverse=True)
        for number, day in enumerate(days.tolist()):
            index = self._names.far_points if self._far(gateway, day) else self._names.of_points(day)
            fields = self.indices.fields(index, labels)
            rows = np.flatnonzero(place == number)
            own = fragments if len(days) == 1 else [fragments[row] for row in rows.tolist()]
            for doc in documents(take(columns, rows), own, source, rows.tolist(), fields):
                yield index, doc
        for number, (received, eid) in enumerate(parts.ids):
            index = self._ids_index(received)
            yield index, id_document(parts.stream, eid, received, gateway, position, number)

    def _events(self, gateway: str, position: int, events: Events) -> Iterator[tuple[str, Doc]]:
        labels, numbers = names_of(events.events)
        for row, event in enumerate(events.events):
            day = event["time"] // DAY_MS
            index = self._names.far_ticks if self._far(gateway, day) else self._names.of_ticks(day)
            fields = self.indices.fields(index, labels, numbers)
            yield index, event_document(events.stream, event, gateway, position, row, fields)
            if eid := event.get("eid"):
                received = event.get("received", event["time"])
                index = self._ids_index(received)
                yield index, id_document(events.stream, eid, received, gateway, position, row)

    def _far(self, gateway: str, day: int) -> bool:
        """Whether a day gets no index of its own.

        It is far from when the batch *before* was written: that does not change until this one is, so
        however often it is tried its documents belong into the same indices.
        """
        today = self._wrote_at.get(gateway, 0) // DAY_MS
        return bool(today) and not -ELASTIC_DAYS_BACK <= day - today <= ELASTIC_DAYS_AHEAD

    def _ids_index(self, received: int) -> str:
        index = self._names.of_ids(received // DAY_MS)
        self._ids.fields(index)
        return index

    def _taken_back(self, work: Work) -> list[tuple[object, str]]:
        """Delete what was created of the batch, of which nothing is applied; the refused records and why.

        Of all of it: whoever comes again may have others in the place of those that were refused.
        """
        why = {_position(identity): text for identity, text in reversed(work.refused)}
        records = [record for record in work.fresh if record.position in why]
        self._delete(work, work.indices)
        return [(record, why[record.position]) for record in records]

    # --- what stands behind them -----------------------------------------------------------------

    def _write_books(self, work: Work) -> None:
        added: defaultdict[_Books, list[tuple[int, Line, int]]] = defaultdict(list)
        for record in work.fresh:
            for tally in stored_lines([record]):
                line = (tally.source, tally.outcome, tally.reason)
                added[_Books(tally.stream, tally.day)].append((record.position, line, tally.number))
        left = {books_id(work.batch.gateway, *key): (key, lines) for key, lines in added.items()}
        if len(self._books) > ELASTIC_BOOKS_KEPT:
            self._books.clear()
        while left:
            missing = [identity for identity in left if identity not in self._books]
            self._books.update(self._meta.get_many(missing))
            for identity in list(left):
                if int(self._books[identity].content.get("through", 0)) >= work.batch.end:
                    del left[identity]  # an earlier attempt has counted all of it
            changed = [
                (identity, _with_lines(self._books[identity], work, key, lines), self._books[identity])
                for identity, (key, lines) in left.items()
            ]
            written = self._meta.put_many(changed) if changed else {}
            for identity in list(left):
                if identity in written:
                    self._books[identity] = written[identity]
                    del left[identity]
                else:
                    self._books.pop(identity)

    def _write_position(self, batch: Batch) -> None:
        gateway, now = batch.gateway, self._seconds()
        marks = self._marks.setdefault(gateway, [])
        settled = [position for at, position in marks if at <= now - self._settle]
        if settled:
            self._settled[gateway] = settled[-1]
        if not marks or now - marks[-1][0] >= self._settle / 10:
            marks.append((now, batch.end))
        self._marks[gateway] = [mark for mark in marks if mark[0] > now - self._settle]
        self._put_position(gateway, batch.end)

    def _put_position(self, gateway: str, applied: int) -> None:
        at = int(self._seconds() * 1000)
        settled = self._settled.get(gateway, 0) if self._settle else applied
        self._meta.put_position(gateway, {"applied": applied, "settled": settled, "at": at})
        self._wrote_at[gateway] = at


def _with_lines(was: Kept, work: Work, key: _Books, lines: Iterable[tuple[int, Line, int]]) -> dict[str, Any]:
    """The books of a day with what a batch adds to them."""
    content = was.content
    through = int(content.get("through", 0))
    state = content.get("state", {})
    before, since = state.get("lines", []), work.begin
    if through > work.begin:
        # An earlier attempt has counted some of it, and is not applied either.
        before, since = state.get("before", []), int(state.get("since", 0))
    counts: Counter[Line] = Counter()
    for source, outcome, reason, number in state.get("lines", []):
        counts[source, outcome, reason] = number
    for position, line, number in lines:
        if position >= through:
            counts[line] += number
    return {
        "role": "books",
        "gateway": work.batch.gateway,
        **key._asdict(),
        "through": max(through, work.batch.end),
        "state": {
            "lines": [[*line, number] for line, number in sorted(counts.items())],
            "before": before,
            "since": since,
        },
    }


def books_lines(content: dict[str, Any], applied: int) -> list[list[Any]]:
    """The lines of a document of the books that count when so much of its gateway is applied."""
    state = content["state"]
    ahead = int(content["through"]) > applied and int(state["since"]) <= applied
    return list(state["before"] if ahead else state["lines"])


def _position(identity: str) -> int:
    """The position of the record that a document's id names."""
    return int(identity.rsplit(".", 2)[1], 16)
