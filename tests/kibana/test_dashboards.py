"""What is shown hangs together: references resolve, JSON within JSON parses, fields exist, and what is
committed is what the code makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from metronome.kibana.dashboards import everything
from metronome.kibana.objects import FLAVOURS, KIBANA, OPENSEARCH, Flavour, Object, ndjson
from tests.kibana_files import FILES, FOLDER

DOC = Path(__file__).parent.parent.parent / "doc" / "elasticsearch.md"
KNOWN: dict[str, dict[str, set[str]]] = {
    # As of 7.10: OpenSearch Dashboards' mappings are strict.
    "opensearch": {
        "index-pattern": {"title", "timeFieldName", "fields"},
        "search": {"columns", "description", "hits", "kibanaSavedObjectMeta", "sort", "title", "version"},
        "visualization": {
            *("description", "kibanaSavedObjectMeta", "savedSearchRefName", "title", "uiStateJSON"),
            *("version", "visState"),
        },
        "dashboard": {
            *("description", "hits", "kibanaSavedObjectMeta", "optionsJSON", "panelsJSON", "refreshInterval"),
            *("timeFrom", "timeRestore", "timeTo", "title", "version"),
        },
    },
}
KNOWN["kibana"] = KNOWN["opensearch"]
"""The attributes that each program takes of a type; Kibana has more, of which none is used."""

both = pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)


def inner(made: Object, *path: str) -> Any:
    """JSON that stands as text within an object's attributes."""
    value: Any = made["attributes"]
    for name in path:
        value = value[name]
    return json.loads(value)


def source(made: Object) -> Any:
    return inner(made, "kibanaSavedObjectMeta", "searchSourceJSON")


def of_type(objects: list[Object], kind: str) -> list[Object]:
    return [made for made in objects if made["type"] == kind]


@both
def test_objects_have_what_an_import_wants(flavour: Flavour) -> None:
    """Id, type, attributes that are known, references, versions; no object twice."""
    objects = everything(flavour)
    names = [(made["type"], made["id"]) for made in objects]
    assert len(set(names)) == len(names)
    for made in objects:
        assert set(made) - {"coreMigrationVersion"} == {
            *("id", "type", "attributes", "references", "migrationVersion")
        }
        assert set(made["attributes"]) <= KNOWN[flavour.name][made["type"]], made["id"]
        assert made["attributes"]["title"]
        assert re.fullmatch(r"[a-z0-9-]+", made["id"])


@both
def test_references_resolve_and_are_used(flavour: Flavour) -> None:
    """Each names an object that stands earlier in the file, and is named by what refers."""
    seen: set[tuple[str, str]] = set()
    for made in everything(flavour):
        for reference in made["references"]:
            assert (reference["type"], reference["id"]) in seen, made["id"]
        assert {one["name"] for one in made["references"]} == used(made, flavour), made["id"]
        seen.add((made["type"], made["id"]))


def used(made: Object, flavour: Flavour) -> set[str]:
    """The references that an object's attributes want."""
    if made["type"] == "dashboard":
        panels = inner(made, "panelsJSON")
        if flavour is OPENSEARCH:
            return {panel["panelRefName"] for panel in panels}
        return {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
    if made["type"] == "index-pattern":
        return set()
    wanted = {source(made)["indexRefName"]} if "indexRefName" in source(made) else set()
    if made["type"] == "visualization":
        name = inner(made, "visState")["params"].get("index_pattern_ref_name")
        wanted |= {name} if name else set()
    return wanted


@both
def test_four_dashboards_are_laid_out(flavour: Flavour) -> None:
    """Panels lie within the grid and on nobody else's place; everything that is made is shown."""
    objects = everything(flavour)
    dashboards = of_type(objects, "dashboard")
    assert [made["id"] for made in dashboards] == [
        f"metronome-{name}" for name in ("traffic", "errors", "performance", "gateways")
    ]
    shown = set()
    for made in dashboards:
        places = [panel["gridData"] for panel in inner(made, "panelsJSON")]
        assert all(place["w"] > 0 and place["h"] > 0 and place["x"] + place["w"] <= 48 for place in places)
        for one, other in combinations(places, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below, (made["id"], one, other)
        shown |= {(one["type"], one["id"]) for one in made["references"]}
        assert inner(made, "optionsJSON")["useMargins"] is True
    assert shown == {
        (made["type"], made["id"]) for made in objects if made["type"] in ("search", "visualization")
    }


@both
def test_charts_parse_and_have_a_source(flavour: Flavour) -> None:
    """The state is JSON with the object's own title, of a type that both programs have."""
    objects = everything(flavour)
    for made in of_type(objects, "visualization"):
        state = inner(made, "visState")
        assert state["title"] == made["attributes"]["title"]
        assert state["type"] in ("metrics", "table", "markdown")
        assert inner(made, "uiStateJSON") == {}
        if state["type"] == "metrics":
            params = state["params"]
            assert params["type"] in ("timeseries", "metric", "top_n", "table")
            assert ("index_pattern" in params) is (flavour is OPENSEARCH)
            assert params["series"]
    for made in of_type(objects, "search"):
        assert made["attributes"]["sort"] == [["@timestamp", "desc"]]


def documented() -> dict[str, set[str]]:
    """Fields of points and of ticks, as their tables in the documentation say."""
    found = {}
    text = DOC.read_text(encoding="utf-8")
    for kind in ("points", "ticks"):
        table = re.search(rf"in `metronome-{kind}-.*?\n\n(\|.*?)\n\n", text, re.DOTALL)
        assert table, kind
        first = [line.split("|")[1] for line in table[1].splitlines()]
        found[kind] = {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}
    return {**found, "ticks": found["ticks"] | {"message.keyword"}}


def fields(made: Object) -> Iterator[str]:
    """Every field that an object names."""
    yield from made["attributes"].get("columns", ())
    queries = [] if made["type"] == "dashboard" else [source(made).get("query", {}).get("query", "")]
    if made["type"] == "visualization":
        state = inner(made, "visState")
        yield from (one["params"]["field"] for one in state["aggs"] if "field" in one["params"])
        params = state["params"]
        queries.append(params.get("filter", {}).get("query", ""))
        yield from (params[name] for name in ("pivot_id",) if name in params)
        for series in params.get("series", ()):
            queries.append(series["filter"]["query"])
            yield from (series[name] for name in ("terms_field",) if name in series)
            for metric in series["metrics"]:
                queries += [metric[name]["query"] for name in ("numerator", "denominator") if name in metric]
                yield from (metric[name] for name in ("field",) if name in metric)
    for query in queries:
        yield from re.findall(r"([\w.@-]+) : ", query)


@both
def test_fields_are_in_the_documents(flavour: Flavour) -> None:
    """A chart over points names fields of points, one over ticks those of ticks."""
    known = documented()
    named: dict[str, set[str]] = {"points": set(), "ticks": set()}
    for made in everything(flavour):
        found = set(fields(made)) if made["type"] != "index-pattern" else set()
        if found:
            kind = view_of(made, flavour).removeprefix("metronome-")
            named[kind] |= found
            assert found <= known[kind], made["id"]
    assert {"n", "d", "p95", "gateway", "name"} <= named["points"]
    assert {"type", "id", "referer", "message.keyword"} <= named["ticks"]


def view_of(made: Object, flavour: Flavour) -> str:
    """The data view of an object."""
    views = [one["id"] for one in made["references"] if one["type"] == "index-pattern"]
    if views:
        return str(views[0])
    assert flavour is OPENSEARCH
    return str(inner(made, "visState")["params"]["index_pattern"]).removesuffix("-*")


def test_a_prefix_is_everywhere() -> None:
    """Two installations can share one Kibana."""
    objects = everything(KIBANA, "acme")
    assert all(made["id"].startswith("acme-") for made in objects)
    assert [made["attributes"]["title"] for made in objects[:2]] == ["acme-points-*", "acme-ticks-*"]


@both
def test_the_committed_files_are_what_the_code_makes(flavour: Flavour) -> None:
    """``make doc`` writes them."""
    assert (FOLDER / FILES[flavour.name]).read_bytes() == ndjson(everything(flavour)), "make doc"
