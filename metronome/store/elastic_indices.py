"""Indices as they are met: made where they are missing, with fields for the labels that come.

An index is made by its template when the first document comes; but its label fields have to be
there before, so a writer makes it itself and remembers which fields it has.  What is remembered
is looked at anew now and then, because somebody may delete an index, and the next document would
make it again without those fields.  So a writer asks ``replaced`` before it calls its documents written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_fields import Fields
from metronome.store.elastic_names import listed

REMEMBERED_SECONDS: Final = 600.0
_EXISTS: Final = ("resource_already_exists_exception", "index_already_exists_exception")


class _Known(NamedTuple):
    fields: Fields
    at: float
    uuid: str
    """Of this index; one of the same name that is made later has another."""


class Indices:
    """The indices that one writer has met."""

    def __init__(self, client: Client, seconds: Callable[[], float], policy: str = ""):
        """``policy``: an ISM policy of OpenSearch, which a new index is given to; that of Elasticsearch
        stands in the templates."""
        self._policy = policy
        self._client = client
        self._seconds = seconds
        self._known: dict[str, _Known] = {}

    def fields(self, index: str, labels: Iterable[str] = (), numbers: Iterable[str] = ()) -> Fields:
        """The fields of an index, which is there now and has these names in it if there is room."""
        known = self._known.get(index)
        if known is None or self._seconds() - known.at > REMEMBERED_SECONDS:
            self._make(index)
            known = self._known[index] = self._read(index)
        wanted = known.fields.wanted(labels, numbers)
        if wanted:
            try:
                self._client.call("PUT", f"/{index}/_mapping", wanted)
            except Refusal as refusal:
                self._known.pop(index)
                if refusal.status != 400:
                    raise
                # Somebody else has used the room, or a field is there as another type.
                known = self._known[index] = self._read(index)
                known.fields.full()
            except StoreUnavailable:
                self._known.pop(index)  # nobody knows whether it has them
                raise
        return known.fields

    def forget(self, index: str) -> None:
        """It may be gone."""
        self._known.pop(index, None)

    def forget_all(self) -> None:
        """Any of them may be."""
        self._known.clear()

    def replaced(self, indices: Iterable[str]) -> set[str]:
        """Which of these were deleted, and perhaps made again, since they were met; they are forgotten."""
        met = {index: known.uuid for index in indices if (known := self._known.get(index))}
        if not met:
            return set()
        found = self._uuids(met)
        gone = {index for index, uuid in met.items() if found.get(index) != uuid}
        for index in gone:
            self.forget(index)
        return gone

    def _make(self, index: str) -> None:
        try:
            self._client.call("PUT", f"/{index}")
        except Refusal as refusal:
            if refusal.kind in _EXISTS:
                return
            if refusal.status == 400:
                # Nothing that we send is wrong with it: the cluster has as many shards as it may, say.
                text = f"the cluster does not make the index {index}: {refusal.reason}"
                raise StoreUnavailable(text) from refusal
            raise
        if self._policy:
            self._client.call("POST", f"/_plugins/_ism/add/{index}", {"policy_id": self._policy})

    def _read(self, index: str) -> _Known:
        uuid = self._uuids([index]).get(index, "")
        answer = self._client.call("GET", f"/{index}/_mapping")
        return _Known(Fields.of_mapping(answer[index]["mappings"]), self._seconds(), uuid)

    def _uuids(self, indices: Iterable[str]) -> dict[str, str]:
        answer: dict[str, Any] = self._client.call(
            "GET",
            f"/{listed(indices)}/_settings/index.uuid",
            params={"flat_settings": True, "ignore_unavailable": True, "allow_no_indices": True},
        )
        return {index: str(told["settings"].get("index.uuid", "")) for index, told in answer.items()}
