"""The formats of saved objects: versions, references, and what each of the two programs knows."""

from __future__ import annotations

import json

from metronome.kibana.objects import FLAVOURS, KIBANA, OPENSEARCH, Objects, Panel, ndjson


def test_versions_are_those_that_are_taken() -> None:
    """Kibana takes what is of its major or the one before; OpenSearch Dashboards nothing above 7.10."""
    for flavour in FLAVOURS:
        view = Objects(flavour).view("v", "v-*")
        assert view["migrationVersion"] == {"index-pattern": flavour.versions["index-pattern"]}
        assert view.get("coreMigrationVersion", "") == flavour.core
    assert set(KIBANA.versions.values()) == {"8.0.0"}
    numbers = [tuple(map(int, text.split("."))) for text in OPENSEARCH.versions.values()]
    assert max(numbers) == (7, 10, 0)


def test_references_are_named_as_each_wants() -> None:
    """A dashboard's panels, and a time series' data view."""
    names, panels, sources = [], [], []
    for flavour in FLAVOURS:
        objects = Objects(flavour)
        view = objects.view("v", "v-*")
        chart = objects.series("c", "C", {"type": "timeseries"}, view)
        board = objects.dashboard("d", "D", "", [Panel(chart, 0, 0, 48, 10)])
        names.append([one["name"] for one in board["references"]])
        (panel,) = json.loads(board["attributes"]["panelsJSON"])
        panels.append((panel["panelRefName"], panel["panelIndex"], panel.get("type")))
        params = json.loads(chart["attributes"]["visState"])["params"]
        sources.append((params.get("index_pattern"), params.get("index_pattern_ref_name")))
        assert [one["id"] for one in chart["references"]] == (["v"] if flavour is KIBANA else [])
    assert names == [["1:panel_1"], ["panel_0"]]
    assert panels == [("panel_1", "1", "visualization"), ("panel_0", "1", None)]
    assert sources == [(None, "metrics_0_index_pattern"), ("v-*", None)]


def test_searches_and_tables_refer_to_their_view() -> None:
    """By the name that stands in their source."""
    objects = Objects(KIBANA)
    view = objects.view("v", "v-*")
    for made in (
        objects.search("s", "S", view, 'type : "x"', ["a"]),
        objects.table("t", "T", {"type": "table", "aggs": [], "params": {}}, view, 'type : "x"'),
    ):
        source = json.loads(made["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        assert source["query"] == {"query": 'type : "x"', "language": "kuery"}
        assert [(one["name"], one["type"], one["id"]) for one in made["references"]] == [
            (source["indexRefName"], "index-pattern", "v")
        ]
    text = objects.text("m", "M", "*words*")
    assert json.loads(text["attributes"]["visState"])["params"]["markdown"] == "*words*"
    assert text["references"] == []


def test_a_file_has_one_object_a_line() -> None:
    """And its bytes do not change from run to run."""
    objects = Objects(KIBANA)
    some = [objects.view("é", "é-*"), objects.view("b", "b-*")]
    content = ndjson(some)
    assert [json.loads(line)["id"] for line in content.splitlines()] == ["é", "b"]
    assert content == ndjson([objects.view("é", "é-*"), objects.view("b", "b-*")])
