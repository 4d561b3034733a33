"""What grows old in a cluster: retention, and streams that are forgotten.  (Merging: the ladder.)

- A day (or month) that is past keeping for every stream in it is deleted whole, with its index;
  so is one that is over and empty, because the ladder has moved what was in it.
- Of a day that only some streams still keep, the documents of the others are deleted.
- Of a day that is not over yet they are deleted as they grow old when they are few; else they
  stay until the day is past keeping: documents are cheap to keep and dear to delete one by one.

Every gateway does this; who comes second finds nothing left.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from metronome.limits import ELASTIC_CHUNK_DOCUMENTS, ELASTIC_DELETED, ELASTIC_EMPTY
from metronome.store.elastic_bulk import delete
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_ladder import Ladder
from metronome.store.elastic_meta import Meta
from metronome.store.elastic_names import Names, dated, ends_at
from metronome.store.elastic_query import Clause, Filters, between, term
from metronome.store.elastic_retention import Agreement
from metronome.store.elastic_search import Server, buckets
from metronome.store.elastic_view import Views
from metronome.store.elastic_write import Shared, Writer
from metronome.store.interface import Retention
from metronome.store.ladder import oldest_event, oldest_id, oldest_part

Done = dict[str, int]
Oldest = Callable[[str], int]
"""The time (ms) before which nothing of a stream is kept."""


class Keep:
    """Has the cluster keep no more than it should."""

    def __init__(
        self,
        client: Client,
        server: Server,
        names: Names,
        meta: Meta,
        views: Views,
        shared: Shared,
        writer: Writer,
        seconds: Callable[[], float],
        policy: str = "",
    ):
        """``policy`` as for ``Indices``."""
        self._client = client
        self._server = server
        self._names = names
        self._meta = meta
        self._views = views
        self._shared = shared
        self._writer = writer
        self.few = ELASTIC_DELETED
        """So many documents of a day that is not over are deleted one by one."""
        self._agreement = Agreement(meta, shared.gateway)
        self._ladder = Ladder(client, server, names, meta, seconds, secrets.token_hex(8), policy)

    def round(self, now: int, retention: Mapping[str, Retention]) -> Iterator[Done]:
        """A round of keeping at ``now`` (ms), a step at a time; what each step has done."""
        places = self._ladder.places()
        retention = self._agreement.reached(now, retention)
        # Behind the positions: whatever is before them is found from now on.
        self._views.refresh_all()

        def part(stream: str) -> int:
            return oldest_part(now, retention.get(stream, Retention()))

        def event(stream: str) -> int:
            return oldest_event(now, retention.get(stream, Retention()))

        for done in self._delete_old(self._names.points, "deleted", part, now):
            yield done
            if done["deleted"]:
                self._views.refresh(self._names.points)  # or the ladder would still find it
        yield from self._delete_old(self._names.ticks, "events_deleted", event, now)
        for _ in self._delete_old(self._names.ids, "ids", lambda stream: oldest_id(now), now):
            yield {}
        for stream in self._streams(self._names.points):
            yield from self._ladder.climb(stream, now, retention.get(stream, Retention()), places)

    def forget(self, stream: str) -> None:
        """Delete everything of a stream."""
        self._ladder.interrupt(stream)
        every = (self._names.points, self._names.ticks, self._names.ids)
        self._views.refresh(",".join(every))
        for pattern in every:
            for _ in self._delete(pattern, [term("stream", stream)]):
                continue
        self._meta.refresh()
        query = {"bool": {"filter": [term("role", "books"), term("stream", stream)]}}
        books = [(hit["_index"], hit["_id"]) for hit in self._meta.hits(query)]
        delete(self._client, books)
        self._writer.forget(stream)

    # --- retention -----------------------------------------------------------------------------

    def _delete_old(self, pattern: str, what: str, oldest: Oldest, now: int) -> Iterator[Done]:
        """Delete what is older than ``oldest`` says of its stream."""

        def over(index: str) -> bool:
            streams, end = self._streams(index), ends_at(index)
            if not streams:
                return end <= now - ELASTIC_EMPTY * 1000
            return all(end <= oldest(stream) for stream in streams)

        for index in self._indices(pattern):
            if over(index):
                yield {what: self._drop(index, over)}
        for stream in self._streams(pattern):
            wanted = [term("stream", stream), between("@timestamp", 0, max(oldest(stream), 0))]
            for index, number in self._counts(pattern, wanted).items():
                if ends_at(index) <= oldest(stream) or number <= self.few or not dated(index):
                    for deleted in self._delete(index, wanted):
                        yield {what: deleted}

    def _drop(self, index: str, over: Callable[[str], bool]) -> int:
        """Delete an index that is over; how many documents were in it.

        While it is looked at for the last time nothing is written to it: what comes then is
        tried again, and makes the index anew.
        """
        try:
            self._block(index, True)
            self._views.refresh(index)
            number = self._server.count(index, {"match_all": {}})
            if not over(index):
                self._block(index, None)
                return 0
            self._client.call("DELETE", f"/{index}")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return 0
        self._writer.indices.forget(index)
        return number

    def _block(self, index: str, block: bool | None) -> None:
        self._client.call("PUT", f"/{index}/_settings", {"index.blocks.write": block})

    def _delete(self, index: str, wanted: list[Clause]) -> Iterator[int]:
        """Delete documents, some at a time; how many of them were still there."""
        body = {"query": Filters(wanted, []).query, "_source": False, "size": ELASTIC_CHUNK_DOCUMENTS}
        with self._server.snapshot(index) as pit:
            for hits in self._server.pages(body, pit):
                found = [(hit["_index"], hit["_id"]) for hit in hits]
                deleted = delete(self._client, found)
                self._shared.touched({index for index, _ in found})
                yield deleted

    def _indices(self, pattern: str) -> list[str]:
        params = {"allow_no_indices": True, "ignore_unavailable": True}
        found: dict[str, Any] = self._client.call(
            "GET", f"/{pattern}/_settings/index.creation_date", params=params
        )
        return sorted(found)

    def _counts(self, pattern: str, wanted: list[Clause]) -> dict[str, int]:
        """How many documents match in each index."""
        body = {
            "size": 0,
            "query": Filters(wanted, []).query,
            "track_total_hits": False,
            "aggs": {"indices": {"terms": {"field": "_index", "size": 10_000}}},
        }
        answer = self._server.search(pattern, body)
        found = answer.get("aggregations", {}).get("indices", {}).get("buckets", [])
        return {bucket["key"]: bucket["doc_count"] for bucket in found}

    # --- streams -------------------------------------------------------------------------------

    def _streams(self, pattern: str) -> list[str]:
        sources = [{"stream": {"terms": {"field": "stream"}}}]
        pages = buckets(self._server, pattern, {"match_all": {}}, sources, {})
        return [bucket["key"]["stream"] for page in pages for bucket in page]
