"""What is remembered beside the data, in one small index: positions, books, the ladder's state.

Documents are read by id, which shows them as they are at that moment, and changed under the
condition that they still are what was read, so that gateways do not overwrite each other.

``gateway.ID``
    up to which position a gateway's records are applied.  Written behind each of its batches; the
    position is the document's version as well, so that it never goes back.
``books.GATEWAY.STREAM.DAY``
    the lines of the books that a gateway has added up.  ``through`` says up to which of its
    records they count, so that a record is never counted twice; ``before`` is what they were at
    the position ``since``, for as long as the batch behind it is not applied.
``ladder.STREAM``
    which parts are merged and which merging is under way; see ``elastic_ladder.py``.
``retention.GATEWAY``
    how long a gateway says that streams are kept; see ``elastic_retention.py``.
``format``
    the version of all this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import orjson

from metronome.errors import ConfigError, StoreUnavailable
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_names import Names
from metronome.store.elastic_templates import schema_of

FORMAT: Final = 1
_ID_BYTES: Final = 500
_THERE: Final = 409
_TRIES: Final = 20


class Kept(NamedTuple):
    """A document as it was read; ``mark`` is what a change of it is conditional on, None where
    there is none."""

    content: dict[str, Any]
    mark: tuple[int, int] | None


NOTHING: Final = Kept({}, None)


class Meta:
    """The small index of one installation."""

    def __init__(self, client: Client, names: Names):
        self._client = client
        self._index = names.meta

    def open(self, make: bool = True) -> None:
        """See to it that it is there.  ``ConfigError`` when a newer version has written it, or when it
        is not there and is not to be made."""
        if make:
            self._make()
        try:
            found = self.get("format")
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            raise ConfigError(f"store: there is no index {self._index}: nothing was ever stored") from None
        if make and found.mark is None:
            self.put("format", {"role": "format", "number": FORMAT}, found)
            found = self.get("format")
        number = int(found.content.get("number", FORMAT))
        if number > FORMAT:
            raise ConfigError(
                f"store: the indices {self._index} and so on have format {number}, this Metronome knows"
                f" up to {FORMAT}; run the version that wrote them, or a newer one"
            )

    def _make(self) -> None:
        try:
            self._client.call("PUT", f"/{self._index}", schema_of("meta"))
        except Refusal as refusal:
            if refusal.kind != "resource_already_exists_exception":
                raise

    def get(self, identity: str) -> Kept:
        """A document as it is now."""
        try:
            found = self._client.call("GET", f"/{self._index}/_doc/{_path(identity)}")
        except Refusal as refusal:
            body = refusal.body if isinstance(refusal.body, dict) else {}
            if refusal.status == 404 and body.get("found") is False:
                return NOTHING
            raise
        return Kept(found["_source"], (found["_seq_no"], found["_primary_term"]))

    def get_many(self, identities: Sequence[str]) -> dict[str, Kept]:
        """Several documents as they are now."""
        if not identities:
            return {}
        answer = self._client.call(
            "POST", f"/{self._index}/_mget", {"ids": [_identity(one) for one in identities]}
        )
        kept = {}
        for identity, found in zip(identities, answer["docs"], strict=True):
            if "error" in found:
                raise StoreUnavailable("a shard of the cluster cannot answer")
            kept[identity] = (
                Kept(found["_source"], (found["_seq_no"], found["_primary_term"]))
                if found.get("found")
                else NOTHING
            )
        return kept

    def put(self, identity: str, content: Mapping[str, Any], was: Kept) -> bool:
        """Write a document if it still is what it was; whether it was."""
        try:
            self._client.call(
                "PUT", f"/{self._index}/_doc/{_path(identity)}", dict(content), params=_condition(was)
            )
        except Refusal as refusal:
            if refusal.status == _THERE:
                return False
            raise
        return True

    def put_many(self, documents: Sequence[tuple[str, Mapping[str, Any], Kept]]) -> dict[str, Kept]:
        """Write those of the documents that still are what they were; these, as they are now."""
        lines = []
        for identity, content, was in documents:
            action: dict[str, Any] = {"_id": _identity(identity)}
            verb = "create"
            if was.mark is not None:
                verb = "index"
                action["if_seq_no"], action["if_primary_term"] = was.mark
            lines += [orjson.dumps({verb: action}), orjson.dumps(content)]
        answer = self._client.call("POST", f"/{self._index}/_bulk", b"\n".join(lines) + b"\n")
        written = {}
        for (identity, content, _), item in zip(documents, answer["items"], strict=True):
            result = next(iter(item.values()))
            if 200 <= result["status"] < 300:
                written[identity] = Kept(dict(content), (result["_seq_no"], result["_primary_term"]))
            elif result["status"] != _THERE:
                raise StoreUnavailable(f"the cluster refuses writes for now ({result['status']})")
        return written

    def change(self, identity: str, change: Any) -> dict[str, Any]:
        """Read, change and write until nobody came in between.  ``change`` is given the content and
        gives the new one, or None to leave it; what stands there now."""
        for _ in range(_TRIES):
            was = self.get(identity)
            content = change(dict(was.content))
            if content is None:
                return was.content
            if self.put(identity, content, was):
                return dict(content)
        raise StoreUnavailable("another gateway changes the same document again and again")

    def put_position(self, gateway: str, content: Mapping[str, Any]) -> None:
        """Write what is applied of a gateway; an older position than is there changes nothing."""
        params = {"version": content["applied"], "version_type": "external_gte"}
        path = f"/{self._index}/_doc/{_path(f'gateway.{gateway}')}"
        body = {"role": "gateway", "gateway": gateway, **content}
        try:
            self._client.call("PUT", path, body, params=params)
        except Refusal as refusal:
            if refusal.status != _THERE:
                raise

    def positions(self) -> dict[str, dict[str, Any]]:
        """What is applied of every gateway."""
        self.refresh()
        return {one["gateway"]: one for one in self.find({"term": {"role": "gateway"}})}

    def refresh(self) -> None:
        """Have everything that was written be found."""
        self._client.call("POST", f"/{self._index}/_refresh")

    def find(self, query: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """The documents that match, as they were at the last refresh."""
        for hit in self.hits(query):
            yield hit["_source"]

    def hits(self, query: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """The same with their ids."""
        body: dict[str, Any] = {
            "size": 5000,
            "query": query,
            "sort": [{"gateway": "asc"}, {"stream": "asc"}, {"day": "asc"}, {"role": "asc"}],
            "track_total_hits": False,
        }
        while True:
            answer = self._client.call(
                "POST", f"/{self._index}/_search", body, params={"allow_partial_search_results": False}
            )
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < body["size"]:
                return
            body["search_after"] = hits[-1]["sort"]


def books_id(gateway: str, stream: str, day: str) -> str:
    """The id of a document of the books."""
    return f"books.{gateway}.{stream}.{day}"


def _condition(was: Kept) -> dict[str, str | int | bool]:
    if was.mark is None:
        return {"op_type": "create"}
    return {"if_seq_no": was.mark[0], "if_primary_term": was.mark[1]}


def _identity(identity: str) -> str:
    """The id itself, or its hash where it is longer than a server allows."""
    if len(identity.encode()) <= _ID_BYTES:
        return identity
    return f"{identity.partition('.')[0]}.{hashlib.sha256(identity.encode()).hexdigest()}"


def _path(identity: str) -> str:
    return quote(_identity(identity), safe="")
