"""The formats of saved objects, as one JSON object a line.

An export of Kibana says with each object which version its attributes are of, and Kibana
brings older ones up to date when it imports them: "into the same version, a newer minor on
the same major, or the next major" (documentation of ``_import``).  So what is written as of 8.0
can be imported into every 8.x and 9.x.

OpenSearch Dashboards has the formats of Kibana 7.10, from which it was forked; it refuses
newer versions, and attributes that it does not know.

What differs between the two, apart from those versions:

- names of a dashboard's references: ``panel_0``, and since 7.11 ``ID:panel_ID``;
- a panel says its ``type`` since 7.11;
- time series charts (TSVB) name their indices, and since 7.13 refer to a data view.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

Object = dict[str, Any]
"""A saved object: ``id``, ``type``, ``attributes``, ``references`` and versions."""

VIEW: Final = "index-pattern"
"""The type of a data view, which was an index pattern."""
_SOURCE: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"
_NOTHING: Final = {"query": {"query": "", "language": "kuery"}, "filter": []}


class Flavour(NamedTuple):
    """One of the two programs."""

    name: str
    versions: Mapping[str, str]
    """The version that the attributes of each type are of."""
    core: str
    """And that of objects themselves; empty: they say none."""
    refers: bool
    """Whether charts and panels refer as since 7.11."""


KIBANA: Final = Flavour(
    "kibana", dict.fromkeys((VIEW, "search", "visualization", "dashboard"), "8.0.0"), "8.0.0", True
)
OPENSEARCH: Final = Flavour(
    "opensearch",
    {VIEW: "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"},
    "",
    False,
)
FLAVOURS: Final = (KIBANA, OPENSEARCH)


class Panel(NamedTuple):
    """Something on a dashboard: which object, and where, in a grid of 48 columns."""

    shown: Object
    x: int
    y: int
    width: int
    height: int


class Objects:
    """Makes objects of one flavour."""

    def __init__(self, flavour: Flavour):
        self.flavour = flavour

    def view(self, id_: str, indices: str) -> Object:
        """A data view of indices with ``@timestamp``."""
        return self._object(VIEW, id_, {"title": indices, "timeFieldName": "@timestamp", "fields": "[]"}, [])

    def search(self, id_: str, title: str, view: Object, query: str, columns: Sequence[str]) -> Object:
        """Documents that a query finds, the newest first."""
        attributes = {
            "title": title,
            "description": "",
            "hits": 0,
            "columns": list(columns),
            "sort": [["@timestamp", "desc"]],
            "version": 1,
            **_source(query, {"highlightAll": True, "version": True, "indexRefName": _SOURCE}),
        }
        return self._object("search", id_, attributes, [_reference(_SOURCE, view)])

    def table(self, id_: str, title: str, state: Mapping[str, Any], view: Object, query: str) -> Object:
        """A chart made of aggregations over what a query finds in a data view."""
        attributes = _chart(title, state, _source(query, {"indexRefName": _SOURCE}))
        return self._object("visualization", id_, attributes, [_reference(_SOURCE, view)])

    def series(self, id_: str, title: str, params: Mapping[str, Any], view: Object) -> Object:
        """A chart of TSVB; the parameters do not say where from."""
        references = []
        if self.flavour.refers:
            name = "metrics_0_index_pattern"
            source: dict[str, Any] = {"index_pattern_ref_name": name, "use_kibana_indexes": True}
            source["time_field"] = ""
            references.append(_reference(name, view))
        else:
            source = {"index_pattern": view["attributes"]["title"], "time_field": "@timestamp"}
        state = {"type": "metrics", "aggs": [], "params": {**params, **source}}
        meta = {"kibanaSavedObjectMeta": {"searchSourceJSON": "{}"}}
        return self._object("visualization", id_, _chart(title, state, meta), references)

    def text(self, id_: str, title: str, markdown: str) -> Object:
        """A panel of words."""
        params = {"fontSize": 12, "openLinksInNewTab": False, "markdown": markdown}
        state = {"type": "markdown", "aggs": [], "params": params}
        return self._object("visualization", id_, _chart(title, state, _source("", {})), [])

    def dashboard(self, id_: str, title: str, description: str, panels: Iterable[Panel]) -> Object:
        """Several of those."""
        placed, references = [], []
        for index, panel in enumerate(panels):
            number = str(index + 1)
            name = f"panel_{number if self.flavour.refers else index}"
            grid = {"x": panel.x, "y": panel.y, "w": panel.width, "h": panel.height, "i": number}
            kind = {"type": panel.shown["type"]} if self.flavour.refers else {}
            placed.append(
                {
                    "version": self.flavour.core or "7.10.0",
                    **kind,
                    "gridData": grid,
                    "panelIndex": number,
                    "embeddableConfig": {},
                    "panelRefName": name,
                }
            )
            references.append(_reference(f"{number}:{name}" if self.flavour.refers else name, panel.shown))
        attributes = {
            "title": title,
            "description": description,
            "hits": 0,
            "panelsJSON": _json(placed),
            "optionsJSON": _json({"useMargins": True, "hidePanelTitles": False}),
            "version": 1,
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "refreshInterval": {"pause": True, "value": 60_000},
            **_source("", {}),
        }
        return self._object("dashboard", id_, attributes, references)

    def _object(self, kind: str, id_: str, attributes: Object, references: list[Object]) -> Object:
        core = {"coreMigrationVersion": self.flavour.core} if self.flavour.core else {}
        return {
            "id": id_,
            "type": kind,
            "attributes": attributes,
            "references": references,
            "migrationVersion": {kind: self.flavour.versions[kind]},
            **core,
        }


def ndjson(objects: Iterable[Object]) -> bytes:
    """Objects as a file that can be imported; always the same bytes for the same objects."""
    return b"".join(_json(one).encode() + b"\n" for one in objects)


def _chart(title: str, state: Mapping[str, Any], meta: Mapping[str, Any]) -> Object:
    return {
        "title": title,
        "visState": _json({"title": title, **state}),
        "uiStateJSON": "{}",
        "description": "",
        "version": 1,
        **meta,
    }


def _source(query: str, more: Mapping[str, Any]) -> Object:
    found = {**_NOTHING, "query": {"query": query, "language": "kuery"}, **more}
    return {"kibanaSavedObjectMeta": {"searchSourceJSON": _json(found)}}


def _reference(name: str, target: Object) -> Object:
    return {"name": name, "type": target["type"], "id": target["id"]}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
