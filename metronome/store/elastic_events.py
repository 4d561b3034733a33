"""Events and deduplication ids: selected and counted by the cluster.

The answers are those of ``fold.events``.  A field that an event lacks, or has empty, is no field
of its document, so both fall into the bucket of what is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from heapq import nsmallest
from typing import Any, Final

from metronome.fold.events import REST, SLOT_MS, count, selected
from metronome.limits import ELASTIC_PAGE
from metronome.model import Event, EventSelection
from metronome.store.elastic_query import Filters, of_events, term
from metronome.store.elastic_search import buckets
from metronome.store.elastic_ticks import event_of
from metronome.store.elastic_view import View

_NEWEST: Final = ({"@timestamp": "desc"}, {"gateway": "desc"}, {"position": "desc"}, {"row": "desc"})
_IDS: Final = (
    {"@timestamp": "desc"},
    {"stream": "desc"},
    {"eid": "desc"},
    {"gateway": "desc"},
    {"position": "desc"},
    {"row": "desc"},
)

Group = tuple[str | int, ...]


def newest(view: View, selection: EventSelection, page: int = ELASTIC_PAGE) -> list[Event]:
    """The newest events of a selection, newest first."""
    filters = of_events(selection).without(view.unwanted)
    found: list[Event] = []
    size = min(page, selection.limit) if filters.exact else page
    for event in _events(view, filters, size):
        if filters.exact or selected(event, selection):
            found.append(event)
            if len(found) == selection.limit:
                break
    return found


def counts(
    view: View, selection: EventSelection, by: tuple[str, ...], most: int, page: int = ELASTIC_PAGE
) -> dict[Group, int]:
    """How many events there are for each combination of ``by``, as ``fold.events.bounded``."""
    filters = of_events(selection).without(view.unwanted)
    bounded = _Bounded(by, most)
    if not filters.exact:
        taken = (event for event in _events(view, filters, page) if selected(event, selection))
        for group, number in count(taken, by).items():
            bounded.add(group, number)
    elif by:
        for group, number in _groups(view, filters, by, page):
            bounded.add(group, number)
    elif number := view.server.count(view.names.ticks, filters.query):
        bounded.add((), number)
    return bounded.counts()


def ids(
    view: View, since: int, before: tuple[int, str] | None, most: int, page: int = ELASTIC_PAGE
) -> list[tuple[int, str]]:
    """The greatest deduplication ids, greatest first."""
    wanted: list[dict[str, Any]] = [{"range": {"@timestamp": {"gte": since, "format": "epoch_millis"}}}]
    if before is not None:
        wanted.append(_less(before))
    body: dict[str, Any] = {
        "query": Filters(wanted, view.unwanted).query,
        "_source": ["stream", "eid"],
        "sort": list(_IDS),
        "track_total_hits": False,
    }
    found: list[tuple[int, str]] = []
    while len(found) < most:
        size = body["size"] = min(page, most - len(found))
        hits = view.server.search(view.names.ids, body)["hits"]["hits"]
        for hit in hits:
            source = hit["_source"]
            found.append((int(hit["sort"][0]), f"{source['stream']}\0{source['eid']}"))
        if len(hits) < size:
            break
        body["search_after"] = hits[-1]["sort"]
    return found


def _less(before: tuple[int, str]) -> dict[str, Any]:
    """Ids that come behind one: earlier, or at the same time and with a lesser name."""
    received, name = before
    stream, _, eid = name.partition("\0")
    at = {"range": {"@timestamp": {"gte": received, "lte": received, "format": "epoch_millis"}}}
    return {
        "bool": {
            "should": [
                {"range": {"@timestamp": {"lt": received, "format": "epoch_millis"}}},
                {"bool": {"filter": [at, {"range": {"stream": {"lt": stream}}}]}},
                {"bool": {"filter": [at, term("stream", stream), {"range": {"eid": {"lt": eid}}}]}},
            ]
        }
    }


def _events(view: View, filters: Filters, size: int) -> Iterator[Event]:
    """The events that the server selects, newest first."""
    body: dict[str, Any] = {
        "size": size,
        "query": filters.query,
        "_source": ["event"],
        "sort": list(_NEWEST),
        "track_total_hits": False,
    }
    while size:
        hits = view.server.search(view.names.ticks, body)["hits"]["hits"]
        for hit in hits:
            yield event_of(hit["_source"])
        if len(hits) < size:
            return
        body["search_after"] = hits[-1]["sort"]


def _groups(view: View, filters: Filters, by: tuple[str, ...], page: int) -> Iterator[tuple[Group, int]]:
    """Every group with its number, each once."""
    sources = []
    for number, name in enumerate(by):
        terms: dict[str, Any] = {"terms": {"field": name, "missing_bucket": True}}
        if name == "slot":
            terms = {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{SLOT_MS}ms"}}
        sources.append({f"g{number}": terms})
    first = next(buckets(view.server, view.names.ticks, filters.query, sources, {}, size=page), [])
    if len(first) < page:
        yield from (_group(bucket, by) for bucket in first)
        return
    with view.snapshot(view.names.ticks) as pit:
        for some in buckets(view.server, view.names.ticks, filters.query, sources, {}, pit, page):
            yield from (_group(bucket, by) for bucket in some)


def _group(bucket: Mapping[str, Any], by: tuple[str, ...]) -> tuple[Group, int]:
    key = bucket["key"]
    group = tuple(
        key[f"g{number}"] // SLOT_MS if name == "slot" else key[f"g{number}"] or ""
        for number, name in enumerate(by)
    )
    return group, bucket["doc_count"]


class _Bounded:
    """Counts as ``fold.events.bounded`` says, without holding all of them at once.

    Every group comes once with its whole number, so one that is not among the largest now never
    will be.
    """

    def __init__(self, by: tuple[str, ...], most: int):
        self._most = most
        self._bounded = bool(set(by) - {"slot"})
        self._kept: dict[Group, int] = {}
        self._rest: Counter[Group] = Counter()

    def add(self, group: Group, number: int) -> None:
        """Count a group."""
        self._kept[group] = number
        if self._bounded and len(self._kept) > 2 * self._most + 1000:
            self._prune()

    def counts(self) -> dict[Group, int]:
        """All of them."""
        if self._bounded:
            self._prune()
        return dict(Counter(self._kept) + self._rest)

    def _prune(self) -> None:
        largest = nsmallest(self._most, self._kept.items(), key=lambda group: (-group[1], group[0]))
        kept = dict(largest)
        for group, number in self._kept.items():
            if group not in kept:
                rest = (REST if isinstance(value, str) and value else value for value in group)
                self._rest[tuple(rest)] += number
        self._kept = kept
