"""Placements against what carbon-c-relay 3.7.3 says in its test mode (``-t``), asked once and kept here;
``tests/live/test_relay.py`` asks a real one about thousands of paths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.placement import HASHES, AnyOf, Member, Placement, Places, jump, placement, twins
from metronome.kernel.keys import hash_keys

PATHS = [
    b"stats.counters.web1.hits.count",
    b"stats.timers.web2.latency.upper_90",
    b"stats.gauges.load",
    b"a",
    b"servers.db-3.cpu0.user",
    b"stats.statsd.numStats",
    b"x_y:z#1.q",
    b"stats.counters.shop.hits.rate",
]
RELAY = {
    "carbon_ch": (
        [("10.0.0.1", 2003, None), ("10.0.0.2", 2003, "b"), ("10.0.0.1", 2004, "c"), ("::1", 2005, "d")],
        [[3, 2, 0], [1, 2, 3], [0, 3, 2], [1, 2, 3], [0, 1, 3], [1, 3, 0], [3, 2, 0], [0, 3, 1]],
    ),
    "fnv1a_ch": (
        [("10.0.0.1", 2003, None), ("10.0.0.2", 2003, "b"), ("10.0.0.1", 2004, None), ("::1", 2005, "d")],
        [[1, 0, 3], [1, 2, 0], [1, 0, 2], [0, 3, 1], [2, 0, 3], [1, 3, 2], [1, 0, 2], [1, 3, 2]],
    ),
    "jump_fnv1a_ch": (
        [("10.0.0.1", 2003, None), ("10.0.0.2", 2003, "b"), ("10.0.0.1", 2004, "10"), ("::1", 2005, "9")],
        [[1, 2, 3], [2, 3, 1], [2, 0, 3], [1, 0, 2], [0, 2, 1], [1, 0, 3], [3, 1, 2], [3, 1, 0]],
    ),
}
"""Hash to members, and for each of ``PATHS`` the three members that the relay chose."""


def places(of: Placement, keys: list[bytes]) -> Places:
    """Where keys belong."""
    return of.places(hash_keys(keys, of.hashing))


@pytest.mark.parametrize("name", HASHES)
def test_places_are_those_of_the_relay(name: str) -> None:
    """The first member and its replicas, by index."""
    members, wanted = RELAY[name]
    found = placement(name, [Member(*member) for member in members], 3)
    assert places(found, PATHS).tolist() == wanted


@pytest.mark.parametrize(("name", "key"), [("carbon_ch", b"k45"), ("fnv1a_ch", b"k50")])
def test_two_members_at_one_place(name: str, key: bytes) -> None:
    """The host that sorts first has it, wherever it stands in the settings; the relay says the same."""
    members = [Member("10.0.0.3", 2003), Member("10.0.0.1", 2003)]
    assert places(placement(name, members), [key]).tolist() == [[1]]


def test_any_of() -> None:
    """Which of three equals the relay chooses while all are up."""
    assert places(AnyOf(3), PATHS)[:, 0].tolist() == [2, 0, 1, 1, 0, 2, 1, 0]


def test_the_jump_hash() -> None:
    """As others' implementations have it."""
    cases = [(42, 57, 43), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361), (256, 1024, 520)]
    for key, buckets, bucket in cases:
        assert jump(np.array([key], np.uint64), buckets).tolist() == [bucket]


@given(st.sampled_from(HASHES), st.integers(2, 12), st.data())
def test_a_member_more_takes_from_all_and_moves_nothing_else(
    name: str, number: int, data: st.DataObject
) -> None:
    """That is what consistent hashes are for; replicas are different members."""
    members = [Member(f"10.0.{one}.1", 2003, f"{one:03}") for one in range(number + 1)]
    keys = [f"path.{one}".encode() for one in range(200)]
    before = places(placement(name, members[:-1]), keys)[:, 0]
    after = places(placement(name, members), keys)[:, 0]
    assert ((before == after) | (after == number)).all()
    replicas = data.draw(st.integers(1, number))
    rows = places(placement(name, members, replicas), keys)
    assert rows.shape == (200, replicas)
    assert all(len(set(row)) == replicas for row in rows.tolist())


@pytest.mark.parametrize(
    ("name", "members", "same"),
    [
        ("carbon_ch", [("a", 1, None), ("a", 2, None)], True),
        ("carbon_ch", [("a", 1, "x"), ("a", 2, "y")], False),
        ("fnv1a_ch", [("a", 1, None), ("a", 2, None)], False),
        ("fnv1a_ch", [("a", 1, "x"), ("b", 2, "x")], True),
        ("jump_fnv1a_ch", [("a", 1, "x"), ("b", 2, "x")], False),
    ],
)
def test_members_that_a_hash_cannot_tell_apart(name: str, members: list[tuple], same: bool) -> None:
    """One of two such members would never get anything."""
    both = [Member(*member) for member in members]
    assert twins(name, both) == (tuple(both) if same else None)


def test_no_keys() -> None:
    """Nothing in, nothing out."""
    members = [Member("a", 1), Member("b", 1)]
    assert [places(placement(name, members, 2), []).shape for name in HASHES] == [(0, 2)] * 3
