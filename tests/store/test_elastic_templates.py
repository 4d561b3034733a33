"""Templates are installed, brought up to date, and left to who has changed them."""

from __future__ import annotations

import pytest

from metronome.errors import ConfigError
from metronome.store.elastic_client import Refusal
from metronome.store.elastic_names import Names
from metronome.store.elastic_templates import KINDS, Templates, digest, schema_of
from tests.store.cluster import FakeCluster

COMPONENTS, INDICES = "_component_template", "_index_template"


def templates(cluster: FakeCluster, **options: bool | str) -> Templates:
    return Templates(cluster, Names("m"), **options)  # type: ignore[arg-type]


def puts(cluster: FakeCluster) -> list[str]:
    return [path for method, path in cluster.calls if method == "PUT"]


def test_missing_ones_are_made_once() -> None:
    """A component and an index template of each kind, and an empty one for the user."""
    cluster = FakeCluster()
    assert templates(cluster).install() == []
    assert set(cluster.templates[COMPONENTS]) == {"m-points", "m-ticks", "m-ids", "m-custom"}
    assert cluster.templates[INDICES]["m-points"]["composed_of"] == ["m-points", "m-custom"]
    before = len(puts(cluster))
    assert templates(cluster).install() == []
    assert len(puts(cluster)) == before == 7


def test_an_older_one_of_ours_is_replaced() -> None:
    """It is what it was when we made it, and another than we would make now."""
    cluster = FakeCluster()
    old = {"template": {"settings": {}, "mappings": {}}}
    cluster.templates[COMPONENTS]["m-ticks"] = {**old, "version": 0, "_meta": {"digest": digest(old)}}
    assert templates(cluster).install() == []
    assert cluster.templates[COMPONENTS]["m-ticks"]["template"]["mappings"]["properties"]


def test_a_newer_one_stays() -> None:
    """A newer Metronome writes to the same cluster."""
    cluster = FakeCluster()
    new = {"template": {"settings": {}, "mappings": {}}}
    cluster.templates[COMPONENTS]["m-ticks"] = {**new, "version": 99, "_meta": {"digest": digest(new)}}
    assert templates(cluster).install() == []
    assert cluster.templates[COMPONENTS]["m-ticks"]["version"] == 99


def test_a_changed_one_stays_and_is_told_of() -> None:
    """Until the operator says otherwise; what is the user's is never touched."""
    cluster = FakeCluster()
    templates(cluster).install()
    changed = cluster.templates[COMPONENTS]["m-points"]["template"]["settings"]["index"]
    changed["refresh_interval"] = "1m"
    cluster.templates[COMPONENTS]["m-custom"] = {"template": {"settings": {"index": {"codec": "x"}}}}
    (note,) = templates(cluster).install()
    assert "m-points was changed" in note
    assert changed["refresh_interval"] == "1m"
    assert templates(cluster, replace=True).install() == []
    settings = cluster.templates[COMPONENTS]["m-points"]["template"]["settings"]["index"]
    assert settings["refresh_interval"] == "5s"
    assert cluster.templates[COMPONENTS]["m-custom"]["template"]["settings"]["index"]["codec"] == "x"


def test_a_policy_stands_in_the_daily_indices() -> None:
    """Not in that of the ids, which live a day anyway."""
    cluster = FakeCluster()
    templates(cluster, policy="hot-warm").install()
    lifecycles = {
        name: one["template"].get("settings", {}).get("index", {}).get("lifecycle")
        for name, one in cluster.templates[COMPONENTS].items()
    }
    assert lifecycles["m-points"] == lifecycles["m-ticks"] == {"name": "hot-warm"}
    assert lifecycles["m-ids"] is None


def test_what_the_cluster_refuses_is_an_error_of_the_settings() -> None:
    """Somebody else's template of the same priority stands in the way."""
    cluster = FakeCluster()
    wrong = Refusal(400, {"error": {"type": "illegal_argument_exception", "reason": "patterns overlap"}})
    cluster.faults.append(
        lambda method, path: wrong if (method, path[:16]) == ("PUT", "/_index_template") else None
    )
    with pytest.raises(ConfigError, match="patterns overlap"):
        templates(cluster).install()


def test_no_mapping_is_open() -> None:
    """A field that nobody named is never added by a document."""
    for kind in KINDS:
        mappings = schema_of(kind)["mappings"]
        assert mappings["dynamic"] == "false"
        for name in {"labels", "fields"} & mappings["properties"].keys():
            assert mappings["properties"][name]["dynamic"] == "false"
