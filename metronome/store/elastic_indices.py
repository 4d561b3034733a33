"""Indices as they are met: made where they are missing, with fields for the labels that come.

An index is made by its template when the first document comes; but its label fields have to be
there before, so a writer makes it itself and remembers which fields it has.  What is remembered
is looked at anew now and then, because somebody may delete an index and make it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Client, Refusal
from metronome.store.elastic_fields import Fields

REMEMBERED_SECONDS: Final = 600.0
_EXISTS: Final = ("resource_already_exists_exception", "index_already_exists_exception")


class _Known(NamedTuple):
    fields: Fields
    at: float


class Indices:
    """The indices that one writer has met."""

    def __init__(self, client: Client, seconds: Callable[[], float]):
        self._client = client
        self._seconds = seconds
        self._known: dict[str, _Known] = {}

    def fields(self, index: str, labels: Iterable[str] = (), numbers: Iterable[str] = ()) -> Fields:
        """The fields of an index, which is there now and has these names in it if there is room."""
        known = self._known.get(index)
        if known is None or self._seconds() - known.at > REMEMBERED_SECONDS:
            self._make(index)
            known = self._known[index] = _Known(self._read(index), self._seconds())
        wanted = known.fields.wanted(labels, numbers)
        if wanted:
            try:
                self._client.call("PUT", f"/{index}/_mapping", wanted)
            except Refusal as refusal:
                self._known.pop(index)
                if refusal.status != 400:
                    raise
                # Somebody else has used the room, or a field is there as another type.
                known = self._known[index] = _Known(self._read(index).full(), self._seconds())
            except StoreUnavailable:
                self._known.pop(index)  # nobody knows whether it has them
                raise
        return known.fields

    def forget(self, index: str) -> None:
        """It may be gone."""
        self._known.pop(index, None)

    def _make(self, index: str) -> None:
        try:
            self._client.call("PUT", f"/{index}")
        except Refusal as refusal:
            if refusal.kind not in _EXISTS:
                raise

    def _read(self, index: str) -> Fields:
        answer = self._client.call("GET", f"/{index}/_mapping")
        return Fields.of_mapping(answer[index]["mappings"])
