"""What becomes of documents in a bulk request."""

from __future__ import annotations

from typing import Any

import pytest

from metronome.errors import StoreUnavailable
from metronome.store.elastic_bulk import Chunk, delete, post
from metronome.store.elastic_client import Refusal
from metronome.store.elastic_points import Doc
from tests.store.cluster import FakeCluster, busy


def chunk(*names: str, index: str = "i") -> Chunk:
    return Chunk([(index, Doc(name, f'{{"name":"{name}"}}')) for name in names])


def test_documents_are_created_in_their_indices() -> None:
    """The first one's index is the request's, others are named."""
    cluster = FakeCluster()
    mixed = Chunk([*chunk("a").docs, *chunk("b", index="j").docs])
    assert mixed.body == (
        b'{"create":{"_id":"a"}}\n{"name":"a"}\n{"create":{"_index":"j","_id":"b"}}\n{"name":"b"}\n'
    )
    assert post(cluster, mixed).created == 2
    assert cluster.indices["j"].docs["b"].source == {"name": "b"}
    assert cluster.calls == [("POST", "/i/_bulk")]


def test_what_is_there_already_is_success() -> None:
    """It was written before, and the answer got lost; it is told, to be looked at."""
    cluster = FakeCluster()
    post(cluster, chunk("a"))
    outcome = post(cluster, chunk("a", "b"))
    assert outcome == (1, [], [], False, "", chunk("a").docs)


def test_items_are_sorted_into_for_now_and_for_ever() -> None:
    """What may end is tried again; only what the mapping cannot take is put aside."""
    cluster = FakeCluster()
    cluster.refusals = {
        "a": (400, "document_parsing_exception"),
        "b": (429, "es_rejected_execution_exception"),
        "c": (403, "cluster_block_exception"),
        "d": (503, "unavailable_shards_exception"),
        "e": (400, "something_new_exception"),
    }
    outcome = post(cluster, chunk("a", "b", "c", "d", "e", "f"))
    assert outcome.created == 1
    assert outcome.refused == [("a", "document_parsing_exception: no")]
    assert [doc.id for _, doc in outcome.again[0].docs] == ["b", "c", "d", "e"]
    assert outcome.busy
    assert "busy" in outcome.reason
    cluster.refusals = {"c": (403, "cluster_block_exception")}
    assert "read-only" in post(cluster, chunk("c")).reason


def test_a_busy_server_gets_the_chunk_again() -> None:
    """The whole request was refused."""
    cluster = FakeCluster()
    cluster.faults.append(busy(1))
    outcome = post(cluster, chunk("a", "b"))
    assert (outcome.created, outcome.again, outcome.busy) == (0, [chunk("a", "b")], True)
    assert post(cluster, outcome.again[0]).created == 2


def test_a_request_that_is_too_large_goes_in_two() -> None:
    """And what cannot be cut any more is refused for ever."""
    cluster = FakeCluster()
    cluster.faults.append(lambda method, path: Refusal(413, "too large"))
    outcome = post(cluster, chunk("a", "b", "c"))
    assert outcome.again == [chunk("a"), chunk("b", "c")]
    assert post(cluster, chunk("a")).refused == [("a", "the cluster takes no request of this size")]


class Odd:
    """A server that answers something else."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def call(self, *_: Any, **__: Any) -> Any:
        return self.answer

    def close(self) -> None:
        return


@pytest.mark.parametrize("answer", [{}, {"errors": False, "items": []}, {"errors": True, "items": [{}]}])
def test_an_answer_that_does_not_fit_is_none(answer: Any) -> None:
    """Nobody knows what became of the documents: they are sent again."""
    with pytest.raises(StoreUnavailable):
        post(Odd(answer), chunk("a", "b"))


def test_deleting_twice_is_the_same_as_once() -> None:
    """Only what was there counts."""
    cluster = FakeCluster()
    post(cluster, chunk("a", "b"))
    assert delete(cluster, [("i", "a"), ("i", "none")]) == 1
    assert delete(cluster, [("i", "a")]) == 0
    assert delete(cluster, []) == 0
    refused = Odd({"items": [{"delete": {"status": 403, "error": {"type": "cluster_block_exception"}}}]})
    with pytest.raises(StoreUnavailable, match="read-only"):
        delete(refused, [("i", "a")])
