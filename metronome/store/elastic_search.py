"""Questions to the server, whole answers or none.

- An answer that leaves shards out is no answer: partial results are not allowed, and what says
  that it is partial all the same is refused as ``StoreUnavailable``.
- What comes in pages comes of one point in time: documents that are written, merged or deleted
  while it is read change nothing.  (Elasticsearch and OpenSearch have different endpoints for it.)
- A question may take ``STORE_PATIENCE`` seconds; beyond, it is too expensive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from metronome.errors import ClientError, StoreUnavailable
from metronome.limits import ELASTIC_PAGE, STORE_PATIENCE
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_query import Clause

_KEEP_ALIVE: Final = "1m"
_OPTIONS: Final[dict[str, str | int | bool]] = {
    "allow_partial_search_results": False,
    "ignore_unavailable": True,
    "allow_no_indices": True,
}
_BY_PLACE: Final = ({"_shard_doc": "asc"},)
_BY_NAME: Final = ({"_index": "asc"}, {"_id": "asc"})
"""For OpenSearch 2, which cannot page by place; it costs the server memory for every id."""
_NO_PLACE: Final = "[_shard_doc]"
NOTHING: Final[dict[str, str]] = {}
"""The point in time of no indices."""
_TOO_MANY: Final = ("too_many_buckets_exception", "too_many_clauses", "too_complex_to_determinize_exception")


class Server:
    """A cluster that is asked questions."""

    def __init__(self, client: Client, product: str):
        self.client = client
        self._opensearch = product == "opensearch"
        self._order: Sequence[Mapping[str, str]] = _BY_PLACE

    def search(self, index: str, body: Mapping[str, Any]) -> Any:
        """One answer.  ``index`` may be empty where the body names a point in time."""
        options = _OPTIONS if index else {"allow_partial_search_results": False}
        if body.get("pit") is NOTHING:
            return {"hits": {"hits": []}}
        patience = {**body, "timeout": f"{STORE_PATIENCE}s"}
        path = f"/{index}/_search" if index else "/_search"
        try:
            answer = self.client.call("POST", path, patience, params=options, timeout=STORE_PATIENCE + 5)
        except Refusal as refusal:
            if any(kind in str(refusal.body) for kind in _TOO_MANY):
                text = "the answer needs more than the cluster allows"
                raise ClientError("too_expensive", 413, text) from None
            raise
        if answer.get("timed_out"):
            text = f"the answer takes longer than {STORE_PATIENCE} s"
            raise ClientError("too_expensive", 413, text)
        if answer["_shards"]["failed"]:
            raise StoreUnavailable("some of the cluster's shards cannot answer")
        return answer

    def count(self, index: str, query: Clause) -> int:
        """How many documents there are."""
        options = {"ignore_unavailable": True, "allow_no_indices": True}
        answer = self.client.call("POST", f"/{index}/_count", {"query": query}, params=options)
        if answer["_shards"]["failed"]:
            raise StoreUnavailable("some of the cluster's shards cannot answer")
        return int(answer["count"])

    @contextmanager
    def snapshot(self, index: str) -> Iterator[dict[str, str]]:
        """A point in time: what a search's ``pit`` is."""
        path = f"/{index}/_search/point_in_time" if self._opensearch else f"/{index}/_pit"
        options: dict[str, str | int | bool] = {
            "keep_alive": _KEEP_ALIVE,
            "ignore_unavailable": True,
            "allow_no_indices": True,
        }
        try:
            opened = self.client.call("POST", path, params=options)
        except Refusal as refusal:
            if refusal.status != 400 or "[null]" not in refusal.reason:
                raise
            yield NOTHING  # OpenSearch has no point in time of no indices
            return
        if opened.get("_shards", {}).get("failed"):
            raise StoreUnavailable("some of the cluster's shards cannot answer")
        pit = {"id": opened["pit_id" if self._opensearch else "id"], "keep_alive": _KEEP_ALIVE}
        try:
            yield pit
        finally:
            self._close(pit["id"])

    def pages(self, body: Mapping[str, Any], pit: Mapping[str, str]) -> Iterator[list[Any]]:
        """The hits of a search over a point in time, page by page."""
        size = body.get("size", ELASTIC_PAGE)
        whole = {**body, "pit": pit, "size": size, "sort": self._order, "track_total_hits": False}
        while True:
            try:
                hits = self.search("", whole)["hits"]["hits"]
            except Refusal as refusal:
                if _NO_PLACE not in refusal.reason or self._order is _BY_NAME:
                    raise
                whole["sort"] = self._order = _BY_NAME
                continue
            if hits:
                yield hits
            if len(hits) < size:
                return
            whole["search_after"] = hits[-1]["sort"]

    def _close(self, pit: str) -> None:
        path, body = "/_pit", {"id": pit}
        if self._opensearch:
            path, body = "/_search/point_in_time", {"pit_id": pit}
        try:
            self.client.call("DELETE", path, body)
        except (Refusal, StoreUnavailable):
            return  # it ends by itself


def buckets(
    server: Server,
    index: str,
    query: Clause,
    sources: Sequence[Mapping[str, Any]],
    aggregations: Mapping[str, Any],
    pit: Mapping[str, str] | None = None,
    size: int = ELASTIC_PAGE,
) -> Iterator[list[Any]]:
    """The buckets of a composite aggregation, page by page; none is left out."""
    composite: dict[str, Any] = {"size": size, "sources": list(sources)}
    body: dict[str, Any] = {
        "size": 0,
        "track_total_hits": False,
        "query": query,
        "aggs": {"all": {"composite": composite, "aggs": dict(aggregations)}},
    }
    if pit is not None:
        body["pit"] = pit
    while True:
        answer = server.search("" if pit is not None else index, body)
        page = answer.get("aggregations", {}).get("all", {})
        if page.get("buckets"):
            yield page["buckets"]
        if "after_key" not in page or len(page["buckets"]) < size:
            return
        composite["after"] = page["after_key"]
