"""The ladder in a cluster: old parts are merged a chunk at a time, by any gateway, each once.

A chunk is one window of one stream (see ``ladder``) and some of its series.  There are no
transactions over documents, so a chunk goes through the stream's ladder document
(``elastic_ladder_state.py``), which is changed under the condition that nobody else did:

1. *making*: the round is claimed under a number of its own.  Its sources are read, folded, and
   written as new documents that carry the number; readers do not count them yet.
2. *deleting*: from this change of one document on, readers count the new documents and not their
   sources, which are now deleted.
3. The claim is taken out.

Whoever dies on the way leaves a claim behind.  After ``ELASTIC_CLAIM`` seconds another gateway gives
the round up (its number is never counted again, so it does not matter what turns up of it) or
finishes deleting.  One that was only slow finds that the document has changed, and lets go.

Only parts of settled records are merged: those whose gateway will not create them again, because
they are applied and no request of before can still be on its way.

What merging would not change stays as it was written, and ``seen`` says that it was looked at: one
gateway with periods as long as the first rung's steps has nothing to merge there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.errors import StoreUnavailable
from metronome.fold.columns import take
from metronome.fold.rollup import compact
from metronome.kernel.hash64 import hash64
from metronome.limits import ELASTIC_CHUNK_DOCUMENTS, ELASTIC_CLAIM, ELASTIC_MERGE_ROWS, ELASTIC_MERGE_SERIES
from metronome.model import Columns, Kind
from metronome.store.elastic_bulk import Chunk, delete, post
from metronome.store.elastic_client import Client
from metronome.store.elastic_indices import Indices
from metronome.store.elastic_ladder_state import DELETING, MAKING, applied_parts, ladder_id, sources
from metronome.store.elastic_meta import Meta
from metronome.store.elastic_names import DAY_MS, Names, listed
from metronome.store.elastic_points import Doc, Fragments, columns_of, merged_documents
from metronome.store.elastic_query import Clause, Filters, between, exists, term
from metronome.store.elastic_read import keys_of, pages_of_parts, row_of
from metronome.store.elastic_search import Server, buckets
from metronome.store.elastic_view import View
from metronome.store.interface import Retention
from metronome.store.ladder import Merge, merges

_TRIES: Final = 5


class Somebody(Exception):
    """Another gateway is at it, or has taken it over."""


class Part(NamedTuple):
    """Where a source is, for deleting it."""

    place: str
    """The index."""
    id: str


class Ladder:
    """Merges the parts of streams."""

    def __init__(
        self,
        client: Client,
        server: Server,
        names: Names,
        meta: Meta,
        seconds: Callable[[], float],
        owner: str,
        policy: str = "",
    ):
        """``owner`` names this process in claims; ``policy`` as for ``Indices``."""
        self._client = client
        self._server = server
        self._names = names
        self._meta = meta
        self._seconds = seconds
        self._owner = owner
        self._indices = Indices(client, seconds, policy)

    def places(self) -> dict[str, int]:
        """For each gateway the position up to which its records are settled."""
        old = self._seconds() * 1000 - ELASTIC_CLAIM * 4000
        return {
            gateway: int(one["applied"] if one.get("at", 0) <= old else one.get("settled", 0))
            for gateway, one in self._meta.positions().items()
        }

    def climb(
        self, stream: str, now: int, kept: Retention, places: Mapping[str, int]
    ) -> Iterator[dict[str, int]]:
        """Merge what is due in a stream at ``now`` (ms); after each chunk how many parts there are less.

        All parts of records before ``places`` have been refreshed.
        """
        try:
            self._free(stream)
            for merge in merges(now, kept):
                yield from self._merge(stream, merge, merge.step == kept.ladder[0].step, places)
        except Somebody:
            return

    def interrupt(self, stream: str) -> None:
        """Have whoever merges parts of a stream let go of it."""
        self._free(stream, at_once=True)

    # --- claims --------------------------------------------------------------------------------

    def _free(self, stream: str, at_once: bool = False) -> None:
        """Nobody has a claim on the stream, and nothing is left of old ones; ``Somebody`` when one has."""
        state = self._meta.get(ladder_id(stream)).content.get("state", {})
        if state.get("ended"):
            self._delete_made(stream, state["ended"])
        active = state.get("active")
        if not active:
            return
        late = self._seconds() * 1000 - active["at"] >= ELASTIC_CLAIM * 1000
        if not (at_once or late or active["owner"] == self._owner or not self._seconds()):
            raise Somebody
        if active["phase"] == DELETING:
            query = Filters([term("stream", stream), sources(active)], [])
            self._delete(self._found(query))
        else:
            self._give_up(stream, active["merge"])
        self._change(stream, active["merge"], active=None)

    def _claim(self, stream: str, **chunk: Any) -> dict[str, Any]:
        active: dict[str, Any] = {}

        def change(content: dict[str, Any]) -> dict[str, Any]:
            state = content.get("state", {})
            if state.get("active"):
                raise Somebody
            number = int(state.get("rounds", 0)) + 1
            active.update(
                merge=number, owner=self._owner, at=int(self._seconds() * 1000), phase=MAKING, **chunk
            )
            return _ladder(stream, {**state, "rounds": number, "active": active})

        self._meta.change(ladder_id(stream), change)
        return active

    def _change(self, stream: str, merge: int, **more: Any) -> None:
        """Change the stream's ladder, on which we still have the claim ``merge``."""

        def change(content: dict[str, Any]) -> dict[str, Any]:
            state = content.get("state", {})
            if (state.get("active") or {}).get("merge") != merge:
                raise Somebody
            return _ladder(stream, {**state, **more})

        self._meta.change(ladder_id(stream), change)

    def _give_up(self, stream: str, merge: int) -> None:
        """What was made by a round never counts; it is deleted."""

        def change(content: dict[str, Any]) -> dict[str, Any]:
            state = content.get("state", {})
            ended = [*state.get("ended", []), merge]
            return _ladder(stream, {**state, "ended": ended[-ELASTIC_MERGE_SERIES:]})

        self._meta.change(ladder_id(stream), change)
        self._refresh([self._names.points])
        self._delete_made(stream, [merge])

    def _delete_made(self, stream: str, merges_ended: Sequence[int]) -> None:
        """Delete what rounds that were given up have left."""
        clause = {"terms": {"merge": list(merges_ended)}}
        self._delete(self._found(Filters([term("stream", stream), clause], [])))

    # --- what is due ---------------------------------------------------------------------------

    def _merge(
        self, stream: str, merge: Merge, fine: bool, places: Mapping[str, int]
    ) -> Iterator[dict[str, int]]:
        state = self._meta.get(ladder_id(stream)).content.get("state", {})
        seen = state.get("seen", {}).get(str(merge.step), {"before": 0, "places": {}})
        query = _due(stream, merge, places, seen)
        composite = [
            {"w": {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{merge.window}ms"}}},
            {"k": {"terms": {"field": "series"}}},
        ]
        window, rows = -1, 0
        series: list[str] = []
        found = False
        for page in buckets(self._server, self._names.points, query, composite, {}):
            found = True
            for bucket in page:
                key, number = bucket["key"], bucket["doc_count"]
                full = rows + number > ELASTIC_MERGE_ROWS or len(series) == ELASTIC_MERGE_SERIES
                if series and (key["w"] != window or full):
                    yield self._chunk(stream, merge, window, series, places, fine)
                    series, rows = [], 0
                window = key["w"]
                series.append(key["k"])
                rows += number
        if series:
            yield self._chunk(stream, merge, window, series, places, fine)
        if merge.before > seen["before"] or (found and merge.before == seen["before"]):
            self._saw(stream, merge, places)

    def _saw(self, stream: str, merge: Merge, places: Mapping[str, int]) -> None:
        """Everything up to here was looked at."""

        def change(content: dict[str, Any]) -> dict[str, Any] | None:
            state = content.get("state", {})
            here = {"before": merge.before, "places": dict(places)}
            seen = state.get("seen", {})
            if seen.get(str(merge.step)) == here:
                return None
            return _ladder(stream, {**state, "seen": {**seen, str(merge.step): here}})

        self._meta.change(ladder_id(stream), change)

    # --- one chunk -----------------------------------------------------------------------------

    def _chunk(
        self,
        stream: str,
        merge: Merge,
        window: int,
        series: Sequence[str],
        places: Mapping[str, int],
        fine: bool,
    ) -> dict[str, int]:
        active = self._claim(
            stream,
            step=merge.step,
            start=window,
            end=window + merge.window,
            series=list(series),
            places=dict(places),
        )
        number = active["merge"]
        found = self._read(stream, active)
        columns, changed = _merged(found, merge.step, fine)
        if not changed:
            self._change(stream, number, active=None)
            return {}
        self._write(stream, columns, merge.step, number, fine)
        terms = sorted({found.terms[row] for row in changed})
        self._change(stream, number, active={**active, "series": terms, "phase": DELETING})
        self._delete([found.parts[row] for row in changed])
        self._change(stream, number, active=None)
        return {"merged": len(changed) - len(columns)}

    def _read(self, stream: str, active: Mapping[str, Any]) -> _Found:
        state = self._meta.get(ladder_id(stream)).content["state"]
        wanted = [term("stream", stream), sources(active)]
        unwanted: list[Clause] = [{"terms": {"merge": state["ended"]}}] if state.get("ended") else []
        rows, parts = [], []
        view = View(self._server, self._names, {}, {})
        for hits in pages_of_parts(view, Filters(wanted, unwanted), True, ELASTIC_CHUNK_DOCUMENTS):
            rows += [row_of(hit) for hit in hits]
            parts += [Part(hit["_index"], hit["_id"]) for hit in hits]
        columns, order = columns_of(rows, keys_of(view, {row.term for row in rows}))
        return _Found(columns, [rows[at].term for at in order], [parts[at] for at in order])

    def _write(self, stream: str, columns: Columns, step: int, number: int, fine: bool) -> None:
        fragments = Fragments().of(stream, columns)  # these ids are good for these columns only
        labels = {name for names in {one.names for one in fragments} for name in names}
        docs: list[tuple[str, Doc]] = []
        days, place = np.unique(columns.times // DAY_MS, return_inverse=True)
        indices: dict[str, None] = {}
        for at, day in enumerate(days.tolist()):
            index = self._names.of_points(day, 0 if fine else step)
            fields = self._indices.fields(index, labels)
            rows = np.flatnonzero(place == at)
            own = [fragments[row] for row in rows.tolist()]
            prefix = f"merge.{hash64(stream.encode()):x}.{number:x}."
            made = merged_documents(take(columns, rows), own, step, number, prefix, rows.tolist(), fields)
            docs += [(index, doc) for doc in made]
            indices[index] = None
        for begin in range(0, len(docs), ELASTIC_CHUNK_DOCUMENTS):
            self._post(Chunk(docs[begin : begin + ELASTIC_CHUNK_DOCUMENTS]))
        self._refresh(indices)
        if self._indices.replaced(indices):
            raise StoreUnavailable("an index was deleted while merged parts were written to it")

    def _post(self, chunk: Chunk) -> None:
        left = [chunk]
        for _ in range(_TRIES):
            outcomes = [post(self._client, one) for one in left]
            if refused := [one for outcome in outcomes for one in outcome.refused]:
                raise StoreUnavailable(f"a merged part was refused: {refused[0][1]}")
            left = [one for outcome in outcomes for one in outcome.again]
            if not left:
                return
        raise StoreUnavailable("the cluster refuses merged parts for now")

    # --- documents -----------------------------------------------------------------------------

    def _found(self, filters: Filters) -> list[Part]:
        body = {"query": filters.query, "_source": False, "size": ELASTIC_CHUNK_DOCUMENTS}
        with self._server.snapshot(self._names.points) as pit:
            pages = list(self._server.pages(body, pit))
        return [Part(hit["_index"], hit["_id"]) for page in pages for hit in page]

    def _delete(self, parts: Sequence[Part]) -> None:
        for begin in range(0, len(parts), ELASTIC_CHUNK_DOCUMENTS):
            delete(self._client, parts[begin : begin + ELASTIC_CHUNK_DOCUMENTS])
        self._refresh({part.place for part in parts})

    def _refresh(self, indices: Iterable[str]) -> None:
        if names := listed(indices):
            params = {"ignore_unavailable": True, "allow_no_indices": True}
            answer = self._client.call("POST", f"/{names}/_refresh", params=params)
            if answer["_shards"]["failed"]:
                raise StoreUnavailable("some of the cluster's shards cannot answer")


class _Found(NamedTuple):
    """The sources of a chunk, row by row."""

    columns: Columns
    terms: list[str]
    parts: list[Part]


def _due(stream: str, merge: Merge, places: Mapping[str, int], seen: Mapping[str, Any]) -> Clause:
    """What is old enough, is not merged so far yet, and was not looked at."""
    known = {
        "bool": {
            "filter": [
                between("@timestamp", 0, seen["before"]),
                {"bool": {"should": applied_parts(seen["places"])}},
            ],
        }
    }
    unwanted: list[Clause] = [{"range": {"step": {"gte": merge.step}}}]
    if seen["places"]:
        unwanted.append(known)
    wanted = [
        term("stream", stream),
        between("@timestamp", 0, merge.before),
        {"bool": {"should": [exists("merge"), *applied_parts(places)]}},
    ]
    return Filters(wanted, unwanted).query


def _merged(found: _Found, step: int, fine: bool) -> tuple[Columns, list[int]]:
    """What the sources are merged into, and the rows of those that are.

    At the first rung series stay as they were written where merging changes nothing: no two
    parts in one step, all at the start of theirs.  Gauges are always merged, because merged ones
    give way to others of the same time.
    """
    columns = found.columns
    changed = np.arange(len(columns))
    if fine:
        steps = columns.times // (step * 1000)
        _, place, number = np.unique(
            np.stack([columns.ids.astype(np.int64), steps]), axis=1, return_inverse=True, return_counts=True
        )
        moved = (number[place] > 1) | (columns.times % (step * 1000) != 0) | (columns.kinds == Kind.GAUGE)
        changed = np.flatnonzero(np.isin(columns.ids, np.unique(columns.ids[moved])))
    rows = changed.tolist()
    return compact([("", 0, take(columns, changed))], step * 1000), rows


def _ladder(stream: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "ladder", "stream": stream, "state": dict(state)}
