"""The small index: documents that several gateways change."""

from __future__ import annotations

from typing import Any

import pytest

from metronome.errors import ConfigError, StoreUnavailable
from metronome.store.elastic_meta import NOTHING, Meta, books_id
from metronome.store.elastic_names import Names
from tests.store.cluster import FakeCluster


def opened() -> tuple[FakeCluster, Meta]:
    cluster = FakeCluster()
    meta = Meta(cluster, Names("m"))
    meta.open()
    return cluster, meta


def test_it_is_made_once_and_says_its_format() -> None:
    """Opening it again finds it."""
    cluster, meta = opened()
    meta.open()
    assert cluster.indices["m-meta"].docs["format"].source == {"role": "format", "number": 1}


def test_a_newer_format_is_refused_by_name() -> None:
    """A downgrade would have to guess."""
    _, meta = opened()
    meta.put("format", {"role": "format", "number": 2}, meta.get("format"))
    with pytest.raises(ConfigError, match=r"m-meta .* format 2"):
        meta.open()


def test_a_document_is_changed_only_as_it_was_read() -> None:
    """Whoever comes second reads it again."""
    _, meta = opened()
    assert meta.get("a") == NOTHING
    assert meta.put("a", {"x": 1}, NOTHING)
    assert not meta.put("a", {"x": 2}, NOTHING)
    was = meta.get("a")
    assert meta.put("a", {"x": 2}, was)
    assert not meta.put("a", {"x": 3}, was)
    assert meta.get("a").content == {"x": 2}


def test_a_change_is_made_of_what_is_there() -> None:
    """Also when somebody comes in between; None leaves it."""
    _, meta = opened()
    others = iter(range(3))

    def add(content: dict[str, Any]) -> dict[str, Any]:
        if next(others, None) is not None:
            meta.put("n", {"n": content.get("n", 0) + 10}, meta.get("n"))
        return {"n": content.get("n", 0) + 1}

    assert meta.change("n", add) == {"n": 31}
    assert meta.change("n", lambda content: None) == {"n": 31}

    def never(content: dict[str, Any]) -> dict[str, Any]:
        meta.put("n", {"n": 0}, meta.get("n"))
        return {"n": 1}

    with pytest.raises(StoreUnavailable):
        meta.change("n", never)


def test_many_are_read_and_written_at_once() -> None:
    """Those that have changed are left out."""
    _, meta = opened()
    written = meta.put_many([("a", {"x": 1}, NOTHING), ("b", {"x": 2}, NOTHING)])
    assert set(written) == {"a", "b"}
    assert meta.put("b", {"x": 3}, written["b"])
    again = meta.put_many([("a", {"x": 10}, written["a"]), ("b", {"x": 20}, written["b"])])
    assert set(again) == {"a"}
    found = meta.get_many(["a", "b", "c"])
    assert [found[name].content for name in "abc"] == [{"x": 10}, {"x": 3}, {}]
    assert meta.get_many([]) == {}


def test_a_position_never_goes_back() -> None:
    """A late request of before changes nothing."""
    _, meta = opened()
    meta.put_position("g", {"applied": 5})
    meta.put_position("g", {"applied": 7})
    meta.put_position("g", {"applied": 6})
    assert meta.positions() == {"g": {"role": "gateway", "gateway": "g", "applied": 7}}


def test_long_names_make_short_ids() -> None:
    """A server takes 512 bytes."""
    cluster, meta = opened()
    long_one = books_id("g" * 32, "ü" * 500, "2026-01-01")
    assert meta.put(long_one, {"x": 1}, NOTHING)
    assert meta.get(long_one).content == {"x": 1}
    assert max(len(identity.encode()) for identity in cluster.indices["m-meta"].docs) < 100


def test_all_pages_are_found() -> None:
    """In the order of gateway, stream and day."""
    _, meta = opened()
    meta.put_many(
        [
            (
                books_id(gateway, "s", day),
                {"role": "books", "gateway": gateway, "stream": "s", "day": day},
                NOTHING,
            )
            for gateway in "ba"
            for day in ("2", "1")
        ]
    )
    meta.refresh()
    found = [(one["gateway"], one["day"]) for one in meta.find({"term": {"role": "books"}})]
    assert found == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]


def test_what_is_only_read_is_not_made() -> None:
    """A cluster that nothing was ever stored in is said to be one."""
    cluster = FakeCluster()
    with pytest.raises(ConfigError, match="nothing was ever stored"):
        Meta(cluster, Names("m")).open(make=False)
    Meta(cluster, Names("m")).open()
    before = len(cluster.calls)
    Meta(cluster, Names("m")).open(make=False)
    assert [method for method, _ in cluster.calls[before:]] == ["GET"]
