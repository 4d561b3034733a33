"""Indices are made where they are missing, with fields for what comes."""

from __future__ import annotations

import pytest

from metronome.errors import StoreUnavailable
from metronome.store.elastic_client import Refusal
from metronome.store.elastic_indices import REMEMBERED_SECONDS, Indices
from tests.store.cluster import FakeCluster


def test_an_index_is_made_and_remembered() -> None:
    """Another gateway may have made it; later names are added."""
    cluster = FakeCluster()
    cluster.call("PUT", "/i")
    indices = Indices(cluster, lambda: 0.0)
    assert indices.fields("i", ["a"]).labels == {"a"}
    asked = len(cluster.calls)
    assert indices.fields("i", ["a"]).labels == {"a"}
    assert len(cluster.calls) == asked
    assert indices.fields("i", ["b"], ["n"]).labels == {"a", "b"}
    assert list(cluster.indices["i"].properties["labels"]["properties"]) == ["a", "b"]
    assert list(cluster.indices["i"].properties["fields"]["properties"]) == ["n"]


def test_what_is_remembered_grows_old() -> None:
    """Somebody may have deleted the index and made it again."""
    cluster, now = FakeCluster(), [0.0]
    indices = Indices(cluster, lambda: now[0])
    indices.fields("i", ["a"])
    del cluster.indices["i"]
    now[0] = REMEMBERED_SECONDS + 1
    assert indices.fields("i", ["b"]).labels == {"b"}
    indices.forget("i")
    del cluster.indices["i"]
    assert indices.fields("i").labels == set()


def test_an_index_that_was_deleted_is_told_and_forgotten() -> None:
    """Made again or not; the others are left alone."""
    cluster = FakeCluster()
    indices = Indices(cluster, lambda: 0.0)
    for name in ("i", "j", "k"):
        indices.fields(name, ["a"])
    assert indices.replaced(["i", "j", "k", "never met"]) == set()
    del cluster.indices["i"], cluster.indices["j"]
    cluster.call("PUT", "/j")
    assert indices.replaced(["i", "j", "k"]) == {"i", "j"}
    assert indices.replaced(["i", "j", "k"]) == set()
    assert indices.fields("j", ["b"]).labels == {"b"}


def test_a_new_index_is_given_to_the_policy() -> None:
    """Of OpenSearch; once."""
    cluster = FakeCluster()
    indices = Indices(cluster, lambda: 0.0, "hot")
    for _ in range(2):
        indices.fields("i")
        indices.forget("i")
    assert cluster.managed == [("i", "hot")]


def test_a_cluster_that_makes_no_index_is_waited_for() -> None:
    """It has as many shards as it may; whoever reads the log can do something about that."""
    cluster = FakeCluster()
    full = Refusal(400, {"error": {"type": "validation_exception", "reason": "maximum shards open"}})
    cluster.faults.append(lambda method, path: full if (method, path) == ("PUT", "/i") else None)
    with pytest.raises(StoreUnavailable, match="does not make the index i: maximum shards open"):
        Indices(cluster, lambda: 0.0).fields("i")


def test_a_mapping_that_takes_no_more_is_left_alone() -> None:
    """Documents come in all the same, and say that the label has no field."""
    cluster = FakeCluster()
    full = Refusal(400, {"error": {"type": "illegal_argument_exception", "reason": "limit of fields"}})
    cluster.faults.append(lambda method, path: full if (method, path) == ("PUT", "/i/_mapping") else None)
    indices = Indices(cluster, lambda: 0.0)
    assert indices.fields("i", ["a"]).unindexed(["a"]) == ["a"]
    asked = len(cluster.calls)
    indices.fields("i", ["b"])
    assert len(cluster.calls) == asked


@pytest.mark.parametrize("error", [StoreUnavailable("cut off"), Refusal(503, {})])
def test_a_mapping_whose_answer_was_lost_is_read_again(error: Exception) -> None:
    """Else documents would say of a label that it has a field, and it has none."""
    cluster = FakeCluster()
    indices = Indices(cluster, lambda: 0.0)
    indices.fields("i")
    cluster.faults.append(lambda method, path: error if (method, path) == ("PUT", "/i/_mapping") else None)
    for _ in range(2):
        with pytest.raises(type(error)):
            indices.fields("i", ["a"])
    cluster.faults.clear()
    assert indices.fields("i", ["a"]).labels == {"a"}
    assert list(cluster.indices["i"].properties["labels"]["properties"]) == ["a"]
