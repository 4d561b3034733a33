"""``[[graphite-cluster]]`` tables and addresses of carbons: what is taken, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from metronome.config import describe, load
from metronome.errors import ConfigError
from metronome.gateway.cluster import Cluster

RING = """
[[graphite-cluster]]
name = "ring"
policy = "consistent_hash"
hash = "fnv1a_ch"
replication = 2
resend = "2m"
members = ["10.0.0.1:2003=a", "pickle://Carbon-B:2004=b?resend=5", "[::1]:2003"]

[[graphite_cluster]]
name = "relays"
policy = "any_of"
again = 30
members = ["relay-a:2003", "unix:///run/relay.sock"]
"""


def clusters(tmp_path: Path, text: str, **given: object) -> tuple[Cluster, ...]:
    """What a file with these tables gives."""
    file = tmp_path / "metronome.toml"
    file.write_text(text)
    return load({"config": str(file), **given}, {}).clusters


def test_tables(tmp_path: Path) -> None:
    """Members are addresses, with a name in the ring; times are the table's unless they have their own."""
    _, ring, relays = clusters(tmp_path, RING)
    assert (ring.name, ring.policy, ring.hash, ring.replication) == ("ring", "consistent_hash", "fnv1a_ch", 2)
    assert [tuple(member) for member in ring.ring] == [
        ("10.0.0.1", 2003, "a"),
        ("Carbon-B", 2004, "b"),
        ("::1", 2003, None),
    ]
    assert [member.name for member in ring.members] == ["10.0.0.1:2003", "carbon-b:2004", "[::1]:2003"]
    assert [member.resend for member in ring.members] == [120, 5, 120]
    assert [member.pickled for member in ring.members] == [False, True, False]
    assert [member.name for member in relays.members] == ["relay-a:2003", "/run/relay.sock"]
    assert [(member.resend, member.again) for member in relays.members] == [(60, 30), (60, 30)]


def test_addresses_get_everything(tmp_path: Path) -> None:
    """What ``graphite-out`` names are so many destinations."""
    given = {"graphite-out": ["tcp://a:2003", "pickle://b:2004?again=20"], "graphite-resend": "10"}
    first, *others = clusters(tmp_path, "", **given)
    assert others == []
    assert first.policy == "replicate"
    assert [(one.name, one.resend, one.again) for one in first.members] == [
        ("a:2003", 10, 0),
        ("b:2004", 10, 20),
    ]


def test_printed_as_they_are_read(tmp_path: Path) -> None:
    """``--check-config`` prints a file that gives the same clusters."""
    file = tmp_path / "metronome.toml"
    file.write_text(RING)
    config = load({"config": str(file)}, {})
    assert clusters(tmp_path, describe(config)) == config.clusters


HASHED = 'name = "x"\npolicy = "consistent_hash"\n'


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('name = "x"\npolicy = "any_of"', ["it has no members"]),
        ('name = "a b"', ["name", "a b", "letters, digits"]),
        ('policy = "failover"', ["policy", "failover", "replicate or any_of or consistent_hash"]),
        ('polcy = "any_of"', ["polcy", "there is no such key", "policy would be right"]),
        (HASHED + 'hash = "md5"\nmembers = ["a:1"]', ["hash", "md5", "jump_fnv1a_ch"]),
        (HASHED + 'replication = 3\nmembers = ["a:1", "b:1"]', ["replication = 3", "there are 2 members"]),
        (HASHED + 'replication = 0\nmembers = ["a:1"]', ["replication = 0", "1 or 2"]),
        (HASHED + 'members = ["a:1", "a:2"]', ["carbon_ch cannot tell a:1 and a:2 apart", "a:2=b"]),
        (HASHED + 'members = ["a:1=x y"]', ["members", "x y is no instance"]),
        (HASHED + 'members = ["unix:///run/a"]', ["members", "hosts and ports"]),
        ('name = "x"\npolicy = "any_of"\nmembers = ["udp://a:1", "b:1"]', ["it is not known who is up"]),
        ('name = "x"\npolicy = "any_of"\nhash = "fnv1a_ch"\nmembers = ["b:1"]', ["hash", "drop it"]),
        ('name = "x"\npolicy = "replicate"\nmembers = ["b:1", "b:1"]', ["goes there already"]),
        ('name = "x"\npolicy = "replicate"\nmembers = ["b"]', ["members", '"b"', "it has no port"]),
        ('name = "x"\npolicy = "replicate"\nmembers = "b:1"', ["it is no list of addresses"]),
        ('name = "x"\npolicy = "replicate"\nmembers = ["b:1"]\nresend = "soon"', ["resend", "soon", "90s"]),
    ],
)
def test_mistakes(tmp_path: Path, table: str, words: list[str]) -> None:
    """Each message names the table by its number, the key, the value, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        clusters(tmp_path, "[[graphite-cluster]]\n" + table)
    for word in ["graphite-cluster", *words]:
        assert word in str(caught.value)


def test_mistakes_between_tables(tmp_path: Path) -> None:
    """One name, or one carbon, twice."""
    table = '[[graphite-cluster]]\nname = "x"\npolicy = "replicate"\nmembers = ["%s"]\n'
    with pytest.raises(ConfigError, match='name = "x": it is taken'):
        clusters(tmp_path, table % "a:1" + table % "b:1")
    with pytest.raises(ConfigError, match="tcp://a:1 goes there already"):
        clusters(tmp_path, table % "a:1", **{"graphite-out": ["tcp://a:1"]})
    with pytest.raises(ConfigError, match="graphite-cluster is no list of tables"):
        clusters(tmp_path, '[graphite-cluster]\nname = "x"\n')


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://a:1?ca=/etc/ca.pem", "ca= is for TLS"),
        ("tls://a:1?ca=/does/not/exist.pem", "cannot be read"),
        ("udp://a:1?resend=5", "what left over UDP is done"),
        ("tcp://a:1?again=soon", "again=soon: it is not a time"),
        ("http://a:1", "http:// is not taken here"),
    ],
)
def test_mistakes_in_addresses(address: str, words: str) -> None:
    """The same for the option."""
    with pytest.raises(ConfigError) as caught:
        load({"graphite-out": [address]}, {})
    assert "graphite-out" in str(caught.value)
    assert address in str(caught.value)
    assert words in str(caught.value)
