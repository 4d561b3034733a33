"""Whole answers or none."""

from __future__ import annotations

from typing import Any

import pytest

from metronome.errors import ClientError, StoreUnavailable
from metronome.store.elastic_client import Refusal
from metronome.store.elastic_search import Server, buckets
from tests.store.cluster import FakeCluster

KEYS = [{"k": {"terms": {"field": "series"}}}]


def filled(number: int) -> FakeCluster:
    cluster = FakeCluster()
    lines = [f'{{"create":{{"_id":"{at}"}}}}\n{{"series":"s{at:03}","n":{at}}}\n' for at in range(number)]
    cluster.call("POST", "/i/_bulk", "".join(lines).encode())
    cluster.call("POST", "/i/_refresh")
    return cluster


class Odd(FakeCluster):
    """Answers every search with one answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = {"timed_out": False, "_shards": {"failed": 0}, **answer}

    def call(self, *_: Any, **__: Any) -> Any:
        return self.answer


@pytest.mark.parametrize("product", ["elasticsearch", "opensearch"])
def test_pages_are_of_one_point_in_time(product: str) -> None:
    """What is written and deleted in between changes nothing, and it is closed at the end."""
    cluster = filled(7)
    server = Server(cluster, product)
    seen = []
    with server.snapshot("i") as pit:
        for hits in server.pages({"query": {"match_all": {}}, "size": 3}, pit):
            seen += [hit["_id"] for hit in hits]
            cluster.call("POST", "/i/_bulk", b'{"delete":{"_id":"6"}}\n{"create":{"_id":"x"}}\n{}\n')
            cluster.call("POST", "/i/_refresh")
    assert seen == [str(at) for at in range(7)]
    assert cluster.calls[-1][0] == "DELETE"
    assert server.count("i", {"match_all": {}}) == 7


class Older(FakeCluster):
    """Knows no ``_shard_doc``, as OpenSearch 2."""

    def call(self, method: str, path: str, body: Any = None, **rest: Any) -> Any:
        if isinstance(body, dict) and "_shard_doc" in str(body.get("sort")):
            reason = "No mapping found for [_shard_doc] in order to sort on"
            raise Refusal(400, {"error": {"type": "search_phase_execution_exception", "reason": reason}})
        return super().call(method, path, body, **rest)


def test_pages_of_a_server_that_cannot_sort_by_place() -> None:
    """They come by index and id, and nothing is left out."""
    cluster = Older()
    for index in ("i", "j"):
        lines = "".join(f'{{"create":{{"_id":"{at}"}}}}\n{{"n":{at}}}\n' for at in range(5))
        cluster.call("POST", f"/{index}/_bulk", lines.encode())
        cluster.call("POST", f"/{index}/_refresh")
    server = Server(cluster, "opensearch")
    for size in (2, 3, 10):
        with server.snapshot("*") as pit:
            pages = list(server.pages({"query": {"match_all": {}}, "size": size}, pit))
        seen = [(hit["_index"], hit["_id"]) for hits in pages for hit in hits]
        assert seen == [(index, str(at)) for index in ("i", "j") for at in range(5)]


def test_no_bucket_is_left_out() -> None:
    """However many pages there are; a full last page is followed by an empty one."""
    server = Server(filled(6), "elasticsearch")
    for size in (2, 3, 5, 6, 7):
        pages = list(buckets(server, "i", {"match_all": {}}, KEYS, {}, size=size))
        assert [bucket["key"]["k"] for page in pages for bucket in page] == [f"s{at:03}" for at in range(6)]
        assert max(map(len, pages)) == min(size, 6)
    with server.snapshot("i") as pit:
        assert len(list(buckets(server, "", {"match_all": {}}, KEYS, {}, pit, 4))) == 2
    assert list(buckets(server, "none", {"match_all": {}}, KEYS, {})) == []


def test_no_indices_are_at_no_point_in_time() -> None:
    """OpenSearch refuses that; there is nothing to see."""
    cluster = filled(1)
    null = Refusal(400, {"error": {"type": "illegal_argument_exception", "reason": "invalid id: [null]"}})
    cluster.faults.append(lambda method, path: null if path.endswith("point_in_time") else None)
    server = Server(cluster, "opensearch")
    with server.snapshot("none") as pit:
        assert list(server.pages({"query": {"match_all": {}}}, pit)) == []
        assert list(buckets(server, "", {"match_all": {}}, KEYS, {}, pit)) == []
    assert ("DELETE", "/_search/point_in_time") not in cluster.calls


def test_an_answer_in_part_is_none() -> None:
    """Shards are missing."""
    server = Server(Odd({"_shards": {"failed": 1}, "count": 1, "id": "x"}), "elasticsearch")
    for ask in (lambda: server.search("i", {}), lambda: server.count("i", {})):
        with pytest.raises(StoreUnavailable, match="shards"):
            ask()
    with pytest.raises(StoreUnavailable, match="shards"), server.snapshot("i"):
        raise AssertionError


def test_what_takes_too_long_or_too_much_is_too_expensive() -> None:
    """Whoever asked may ask for less."""
    with pytest.raises(ClientError) as caught:
        Server(Odd({"timed_out": True}), "elasticsearch").search("i", {})
    assert (caught.value.reason, caught.value.status) == ("too_expensive", 413)
    cluster = filled(1)
    refusal = Refusal(503, {"error": {"type": "x", "caused_by": {"type": "too_many_buckets_exception"}}})
    cluster.faults.append(lambda method, path: refusal)
    with pytest.raises(ClientError):
        Server(cluster, "elasticsearch").search("i", {})


def test_a_point_in_time_that_is_gone_is_no_matter() -> None:
    """It is closed when the answer is there already."""
    cluster = filled(1)
    with Server(cluster, "elasticsearch").snapshot("i"):
        cluster.faults.append(lambda method, path: Refusal(404, {}) if method == "DELETE" else None)
    assert cluster.calls[-1] == ("DELETE", "/_pit")
