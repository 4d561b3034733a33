"""Selections answered by the cluster, as far as it can fold, and by the algebra for the rest.

===================  ==========================================================================
what is asked for    how
===================  ==========================================================================
series               a composite aggregation over ``series``
counters, and        a composite aggregation over the labels' fields and the step, where these
timers without       fields say exactly what the labels are; else over series and step, and
their sketches       ``fold.rollup.regroup`` brings the series of a group together
gauges, when many    over series and step, when each was set last; then the documents of those times
everything else      the documents themselves, page by page, and ``fold.rollup.fold_parts``
===================  ==========================================================================

Of several parts of a gauge the *latest* stands, which no aggregation that both servers have can
say at a bearable price; percentiles and distinct counts are folded here because only here sketches merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from metronome.errors import ClientError
from metronome.fold.cells import Header
from metronome.fold.rollup import fold_parts, regroup
from metronome.fold.select import wanted
from metronome.limits import ELASTIC_DOCUMENTS, ELASTIC_PAGE, POINTS_PER_ANSWER, SERIES_PER_ANSWER
from metronome.model import Folded, Found, Kind, Selection, Series, canonical_labels, parse_key, series_key
from metronome.store.elastic_points import Row, columns_of, is_key, keys_known, moments, series_of
from metronome.store.elastic_query import Clause, Filters, exists, of_selection, term
from metronome.store.elastic_search import buckets
from metronome.store.elastic_view import View

_NUMBERS: Final = {
    "n": {"sum": {"field": "n"}},
    "d": {"sum": {"field": "d"}},
    "c": {"sum": {"field": "samples"}},
    "l": {"min": {"field": "min"}},
    "h": {"max": {"field": "max"}},
    "q": {"sum": {"field": "squares"}},
}
_SOURCES: Final = {"s": {"cardinality": {"field": "series"}}}
_ADDING: Final = (Kind.COUNTER, Kind.TIMER)
_VALUES: Final = ("n", "d", "p", "samples", "min", "max", "squares")
PART_FIELDS: Final = {
    "_source": ["sketch", "stream"],
    "docvalue_fields": [
        "series",
        {"field": "@timestamp", "format": "epoch_millis"},
        *_VALUES,
        "gateway",
        "position",
        "row",
    ],
}
"""What a search has to give for ``row_of``, and the stream."""


class Bounds(NamedTuple):
    """What an answer may hold at most; beyond that it is refused as too expensive."""

    series: int = SERIES_PER_ANSWER
    points: int = POINTS_PER_ANSWER
    documents: int = ELASTIC_DOCUMENTS
    page: int = ELASTIC_PAGE
    gauges: int = ELASTIC_DOCUMENTS
    """So many parts of gauges are read whatever is asked; of more only the last of each step."""


BOUNDS: Final = Bounds()


def find(view: View, selection: Selection, bounds: Bounds = BOUNDS) -> list[Found]:
    """The series with parts in the selection's time, by key."""
    filters = of_selection(selection).without(view.unwanted)
    sources = [{"k": {"terms": {"field": "series"}}}]
    ends = {"a": {"min": {"field": "@timestamp"}}, "z": {"max": {"field": "@timestamp"}}}
    spans = {
        bucket["key"]["k"]: (int(bucket["a"]["value"]), int(bucket["z"]["value"]))
        for bucket in _gathered(view, filters, sources, ends, bounds.series, "series", bounds.page)
    }
    series = series_named(view, spans)
    found = [
        (series_key(one), Found(one, *spans[name]))
        for name, one in series.items()
        if filters.exact or wanted(one, selection)
    ]
    return [one for _, one in sorted(found)]


def fetch(
    view: View,
    selection: Selection,
    step: int,
    by: tuple[str, ...] | None,
    *,
    sketches: bool,
    members: bool,
    bounds: Bounds = BOUNDS,
) -> list[Folded]:
    """See ``Store.fetch``."""
    kinds = set(Kind) if selection.kind is None else {selection.kind}
    folded_there = {kind for kind in kinds & set(_ADDING) if not (sketches and kind is Kind.TIMER)}
    folded_here = kinds - folded_there
    filters = of_selection(selection).without(view.unwanted)
    groups: list[Folded] = []
    if Kind.GAUGE in folded_here:
        gauges = filters.but(_kinds([Kind.GAUGE]))
        if view.server.count(view.names.points, gauges.query) > bounds.gauges:
            last = _latest(view, gauges, selection, step, by, bounds)
            groups += [_with_empty(group, sketches, members) for group in last]
            folded_here = folded_here - {Kind.GAUGE}
    if folded_there:
        there = _aggregated(view, filters.but(_kinds(folded_there)), selection, step, by, bounds)
        groups += [_with_empty(group, sketches, members) for group in there]
    if folded_here:
        rows = documents(view, filters.but(_kinds(folded_here)), bool(folded_here - {Kind.GAUGE}), bounds)
        keys = keys_of(view, {row.term for row in rows})
        part = (("", 0, columns_of(rows, keys)[0]),)
        groups += fold_parts(part, selection, step, by, sketches=sketches, members=members)
    _bound(len(groups), bounds.series, "series" if by is None else "groups")
    _bound(sum(len(group.times) for group in groups), bounds.points, "points")
    return sorted(groups, key=lambda group: (group.labels, group.kind, group.name))


# --- what the cluster folds ----------------------------------------------------------------------


def _aggregated(
    view: View, filters: Filters, selection: Selection, step: int, by: tuple[str, ...] | None, bounds: Bounds
) -> list[Folded]:
    if by is not None and filters.exact and _fields_tell(view, filters, by):
        return _by_fields(view, filters, step, by, bounds)
    apart = _by_series(view, filters, selection, step, bounds)
    return apart if by is None else regroup(apart, by)


def _fields_tell(view: View, filters: Filters, by: Iterable[str]) -> bool:
    """Whether the fields of these labels say exactly what the labels are, in all documents."""
    names = sorted(set(by))
    if not names:
        return True
    query = filters.but({"terms": {"labels_unindexed": names}}).query
    return not view.server.count(view.names.points, query)


def _by_fields(view: View, filters: Filters, step: int, by: tuple[str, ...], bounds: Bounds) -> list[Folded]:
    names = sorted(set(by))
    sources: list[dict[str, Any]] = [{"kind": {"terms": {"field": "kind"}}}]
    for number, name in enumerate(names):
        sources.append({f"l{number}": {"terms": {"field": f"labels.{name}", "missing_bucket": True}}})
    sources.append(_time(step))
    cells: dict[Header, list[Any]] = {}
    found = _gathered(view, filters, sources, {**_NUMBERS, **_SOURCES}, bounds.points, "points", bounds.page)
    for bucket in found:
        key = bucket["key"]
        labels = tuple((name, key[f"l{number}"] or "") for number, name in enumerate(names))
        cells.setdefault(Header(labels, Kind[key["kind"].upper()]), []).append(bucket)
    return [_folded(header, some) for header, some in cells.items()]


def _by_series(view: View, filters: Filters, selection: Selection, step: int, bounds: Bounds) -> list[Folded]:
    sources = [{"k": {"terms": {"field": "series"}}}, _time(step)]
    cells: dict[str, list[Any]] = {}
    for bucket in _gathered(view, filters, sources, _NUMBERS, bounds.points, "points", bounds.page):
        bucket["s"] = {"value": 1}
        cells.setdefault(bucket["key"]["k"], []).append(bucket)
        _bound(len(cells), bounds.series, "series")
    series = series_named(view, cells)
    return [
        _folded(Header(one.labels, one.kind, one.name), cells[name])
        for name, one in series.items()
        if filters.exact or wanted(one, selection)
    ]


def _latest(
    view: View, filters: Filters, selection: Selection, step: int, by: tuple[str, ...] | None, bounds: Bounds
) -> list[Folded]:
    """Gauges of more parts than are read one by one.  Those of one flush have one time, so the parts of
    the times at which anything was set last are few more than those that were."""
    sources = [{"k": {"terms": {"field": "series"}}}, _time(step)]
    numbers = {**_NUMBERS, "z": {"max": {"field": "@timestamp"}}}
    cells: dict[str, dict[int, Any]] = {}
    for bucket in _gathered(view, filters, sources, numbers, bounds.points, "points", bounds.page):
        cells.setdefault(bucket["key"]["k"], {})[bucket["key"]["t"]] = bucket
        _bound(len(cells), bounds.series, "series")
    last = {(term, int(bucket["z"]["value"])) for term, some in cells.items() for bucket in some.values()}
    times = sorted({time for _, time in last})
    rows: list[Row] = []
    for begin in range(0, len(times), bounds.page):
        texts = moments(np.array(times[begin : begin + bounds.page], np.int64))
        some_times = {"terms": {"@timestamp": texts}}
        found = documents(view, filters.but(some_times), False, bounds)
        rows += [row for row in found if (row.term, row.time) in last]
        _bound(len(rows), bounds.documents, "parts that have to be read one by one")
    series = series_named(view, cells)
    keys = {term: series_key(one) for term, one in series.items()}
    parts = (("", 0, columns_of(rows, keys)[0]),)
    terms = {(one.name, one.labels): term for term, one in series.items()}
    groups = []
    for group in fold_parts(parts, selection, step, None):
        buckets_of = cells[terms[group.name, group.labels]]
        for time, value in zip(group.times.tolist(), group.n.tolist(), strict=True):
            buckets_of[time].update(n={"value": value}, d={"value": 1.0}, s={"value": 1.0})
        header = Header(group.labels, group.kind, group.name)
        groups.append(_folded(header, [buckets_of[time] for time in group.times.tolist()]))
    return groups if by is None else regroup(groups, by)


def _time(step: int) -> dict[str, Any]:
    return {"t": {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{max(step, 1)}ms"}}}


def _gathered(
    view: View,
    filters: Filters,
    sources: Sequence[Mapping[str, Any]],
    aggregations: Mapping[str, Any],
    most: int,
    what: str,
    page: int,
) -> Iterator[Any]:
    """All buckets, which are at most so many."""
    index = view.names.points
    first = next(buckets(view.server, index, filters.query, sources, aggregations, size=page), [])
    if len(first) < page:
        _bound(len(first), most, what)
        yield from first
        return
    number = 0
    with view.snapshot(index) as pit:
        for some in buckets(view.server, index, filters.query, sources, aggregations, pit, page):
            number += len(some)
            _bound(number, most, what)
            yield from some


def _folded(header: Header, found: Sequence[Any]) -> Folded:
    """The buckets of a group as an answer."""
    found = sorted(found, key=lambda bucket: bucket["key"]["t"])

    def numbers(name: str) -> Any:
        return np.array([float(bucket[name]["value"]) for bucket in found])

    return Folded(
        labels=canonical_labels(header.labels),
        kind=header.kind,
        times=np.array([bucket["key"]["t"] for bucket in found], np.int64),
        n=numbers("n"),
        d=numbers("d"),
        counts=numbers("c"),
        sources=numbers("s"),
        low=numbers("l"),
        high=numbers("h"),
        squares=numbers("q"),
        sketches=[],
        members=[],
        name=header.name,
    )


def _with_empty(group: Folded, sketches: bool, members: bool) -> Folded:
    """With a sketch and members for each step, all of them empty, where they are asked for."""
    steps = len(group.times)
    return replace(
        group,
        sketches=[(np.empty(0, np.int16), np.empty(0))] * steps if sketches else [],
        members=[(np.empty(0, np.uint64), np.empty(0, np.uint8))] * steps if members else [],
    )


# --- what is folded here -------------------------------------------------------------------------


def documents(view: View, filters: Filters, sketches: bool, bounds: Bounds) -> list[Row]:
    """The documents themselves."""
    rows: list[Row] = []
    for hits in pages_of_parts(view, filters, sketches, bounds.page):
        rows += [row_of(hit) for hit in hits]
        _bound(len(rows), bounds.documents, "parts that have to be read one by one")
    return rows


def pages_of_parts(view: View, filters: Filters, sketches: bool, size: int) -> Iterator[list[Any]]:
    """The documents as the server gives them, with what a ``Row`` is made of."""
    source = ["sketch"] if sketches else False
    body = {**PART_FIELDS, "size": size, "query": filters.query, "_source": source}
    index = view.names.points
    whole = {**body, "sort": ["_doc"], "track_total_hits": False}
    first = view.server.search(index, whole)["hits"]["hits"]
    if len(first) < size:
        yield first
        return
    with view.snapshot(index) as pit:
        yield from view.server.pages(body, pit)


def row_of(hit: Mapping[str, Any]) -> Row:
    """A hit as a part."""
    fields = hit["fields"]
    return Row(
        term=fields["series"][0],
        time=int(fields["@timestamp"][0]),
        numbers=tuple(fields[name][0] if name in fields else 0.0 for name in _VALUES),
        sketch=hit.get("_source", {}).get("sketch", ""),
        gateway=fields["gateway"][0] if "gateway" in fields else "",
        position=fields["position"][0],
        row=fields["row"][0],
    )


# --- names ---------------------------------------------------------------------------------------


def series_named(view: View, terms: Iterable[str]) -> dict[str, Series]:
    """The series that terms of ``series`` name."""
    terms = list(terms)
    long_ones = [name for name in terms if not is_key(name)]
    series = {name: parse_key(name.encode()) for name in terms if is_key(name)}
    for name in long_ones:
        query = {"bool": {"filter": [term("series", name), exists("name")]}}
        body = {"size": 1, "query": query, "_source": ["name", "kind", "label_pairs"]}
        for hit in view.server.search(view.names.points, body)["hits"]["hits"]:
            series[name] = series_of(hit["_source"])
    return series


def keys_of(view: View, terms: Iterable[str]) -> dict[str, bytes]:
    """The keys that terms of ``series`` stand for."""
    terms = list(terms)
    return keys_known(terms, series_named(view, [name for name in terms if not is_key(name)]))


def _kinds(kinds: Iterable[Kind]) -> Clause:
    return {"terms": {"kind": sorted(kind.word for kind in kinds)}}


def _bound(number: int, most: int, what: str) -> None:
    if number > most:
        raise ClientError("too_expensive", 413, f"more than {most} {what}; narrow the selection or group it")
