"""Bulk requests: documents in, and what became of each of them out.

Every document is created under an id that names its place in a gateway's journal, so

- created, and *there already* (409), are both success: it was written before, and the answer
  got lost (the writer looks whether what is there is the same);
- refused for now (429, a shard that is away, a disk that is full) is tried again;
- refused for ever (400: the mapping cannot take it) is told, and its record is put aside.

What is not known to be for ever is for now: nothing is put aside because of a trouble that ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Client, Refusal, told
from metronome.store.elastic_points import Doc

_FILTER: Final = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
_DELETE_FILTER: Final = "errors,items.*.status,items.*.result,items.*.error.type"
_TOO_LARGE: Final = 413
_BUSY: Final = 429
_THERE: Final = 409
_GONE: Final = 404
_LOOKED_AT: Final = 100
"""Documents of a chunk that were there already, which are looked at."""
_FOR_EVER: Final = (
    "document_parsing_exception",
    "mapper_parsing_exception",
    "illegal_argument_exception",
    "strict_dynamic_mapping_exception",
    "parsing_exception",
    "x_content_parse_exception",
)


class Chunk(NamedTuple):
    """Documents for one request, each with its index."""

    docs: list[tuple[str, Doc]]

    @property
    def body(self) -> bytes:
        """The lines of the request; the first document's index is the request's."""
        index = self.docs[0][0]
        lines = []
        for own, (identity, source) in self.docs:
            place = "" if own == index else f'"_index":"{own}",'
            lines.append(f'{{"create":{{{place}"_id":"{identity}"}}}}\n{source}\n')
        return "".join(lines).encode()


class Outcome(NamedTuple):
    """What became of a chunk."""

    created: int
    refused: list[tuple[str, str]]
    """Ids, and why they will never be taken."""
    again: list[Chunk]
    """What has to be sent once more."""
    busy: bool = False
    """The server says that this is too much for it."""
    reason: str = ""
    """Why something has to be sent once more."""
    there: Sequence[tuple[str, Doc]] = ()
    """Some of what was there already."""


def post(client: Client, chunk: Chunk) -> Outcome:
    """Send a chunk.  ``StoreUnavailable`` when nobody knows what became of it."""
    index = chunk.docs[0][0]
    try:
        answer = client.call("POST", f"/{index}/_bulk", chunk.body, params={"filter_path": _FILTER})
    except Refusal as refusal:
        if refusal.status == _TOO_LARGE:
            return _halved(chunk, refusal)
        if refusal.status == _BUSY:
            return Outcome(0, [], [chunk], True, "the cluster refuses writes for now: it is busy")
        raise
    items = answer.get("items")
    if not answer.get("errors") and items is not None and len(items) == len(chunk.docs):
        return Outcome(len(chunk.docs), [], [])
    if not isinstance(items, list) or len(items) != len(chunk.docs):
        raise StoreUnavailable("the server answered for another number of documents than it was sent")
    return _sorted(chunk, items)


def _sorted(chunk: Chunk, items: Sequence[Any]) -> Outcome:
    created, refused, again, there = 0, [], [], []
    busy, reason = False, ""
    for one, item in zip(chunk.docs, items, strict=True):
        result = next(iter(item.values()))
        status, error = int(result.get("status", 0)), result.get("error") or {}
        if 200 <= status < 300:
            created += 1
        elif status == _THERE:
            there.append(one)
        elif status == 400 and error.get("type") in _FOR_EVER:
            refused.append((one[1].id, f"{error['type']}: {told(error)}"))
        else:
            again.append(one)
            busy = busy or status == _BUSY
            reason = reason or _sentence(status, str(error.get("type", "")))
    chunks = [Chunk(again)] if again else []
    return Outcome(created, refused, chunks, busy, reason, there[:_LOOKED_AT])


def _halved(chunk: Chunk, refusal: Refusal) -> Outcome:
    """What is too large goes in two; a single document that is, never will."""
    middle = len(chunk.docs) // 2
    if not middle:
        return Outcome(0, [(chunk.docs[0][1].id, "the cluster takes no request of this size")], [])
    return Outcome(0, [], [Chunk(chunk.docs[:middle]), Chunk(chunk.docs[middle:])], True, str(refusal))


def _sentence(status: int, kind: str) -> str:
    if status == _BUSY:
        return "the cluster refuses writes for now: it is busy"
    if kind == "cluster_block_exception":
        return "the cluster's indices are read-only: a disk may be full"
    if kind == "unavailable_shards_exception":
        return "the cluster has no shard to write to"
    return f"the cluster refuses writes for now ({status} {kind})"


def delete(client: Client, docs: Sequence[tuple[str, str]]) -> int:
    """Delete documents by index and id, those that are there; how many were."""
    if not docs:
        return 0
    lines = [orjson.dumps({"delete": {"_index": index, "_id": identity}}) for index, identity in docs]
    answer = client.call("POST", "/_bulk", b"\n".join(lines) + b"\n", params={"filter_path": _DELETE_FILTER})
    deleted = 0
    for item in answer["items"]:
        result = item["delete"]
        if result["status"] == 200:
            deleted += 1
        elif result["status"] != _GONE:
            kind = str((result.get("error") or {}).get("type", ""))
            raise StoreUnavailable(_sentence(int(result["status"]), kind))
    return deleted
