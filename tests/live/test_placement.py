"""Placements beside those of a real carbon-c-relay, and of carbon's own ring, for thousands of paths."""

from __future__ import annotations

import json
import random
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from metronome.fold.placement import HASHES, AnyOf, Member, Placement, Places, placement, twins
from metronome.kernel import hash_lines
from tests.live.carbon import environment, free_ports
from tests.live.conftest import require
from tests.live.gateway import eventually
from tests.live.relay import Place, RunningRelay, Taker, said
from tests.live.tools import which

pytestmark = pytest.mark.live

CARBONS_RING = """\
import json, sys
from carbon.hashing import ConsistentHashRing
asked = json.load(sys.stdin)
ring = ConsistentHashRing([tuple(node) for node in asked["nodes"]], hash_type=asked["hash"])
print(json.dumps([ring.get_node(path) for path in asked["paths"]]))
"""
WORDS = ("stats", "counters", "timers", "web", "a-b", "x_y", "upper_90", "db:1", "q#7", "Requests")


def some_paths(draw: random.Random, number: int) -> list[str]:
    """Distinct paths of which the relay changes nothing."""
    made: dict[str, None] = {}
    while len(made) < number:
        words = [draw.choice(WORDS) + draw.choice(["", str(draw.randrange(1000))])]
        words += [draw.choice(WORDS) + str(draw.randrange(100)) for _ in range(draw.randrange(7))]
        made[".".join(words)] = None
    return list(made)


def some_members(draw: random.Random, hash_name: str, number: int) -> list[Place]:
    """Members that the hash can tell apart, some with instances."""
    while True:
        named = draw.choice([0.0, 0.5, 1.0])
        found = []
        for index in range(number):
            host = draw.choice([f"10.0.{draw.randrange(9)}.{draw.randrange(250)}", "::1", "localhost"])
            instance = draw.choice([str(index * 7 % 11), f"n{index}", f"n-{index}.x"])
            found.append(Place(host, 2000 + index, instance if draw.random() < named else None))
        instances = [place.instance for place in found if place.instance]
        if len(set(instances)) == len(instances) and not twins(hash_name, as_members(found)):
            return found


def as_members(places: Sequence[Place]) -> list[Member]:
    return [Member(*place) for place in places]


def places_of(placement: Placement, paths: Sequence[str]) -> Places:
    """Where lines with these paths go."""
    data = "".join(f"{path} 1 1700000000\n" for path in paths).encode()
    return placement.places(hash_lines(data, placement.hashing).hashes)


@pytest.mark.parametrize("hash_name", HASHES)
def test_places_are_the_relays(tmp_path: Path, hash_name: str) -> None:
    """12 rings of 1 to 12 members with 1 to all replicas, 1,500 paths each: every place is the same."""
    require(which("carbon-c-relay"), "carbon-c-relay (Debian package)")
    draw = random.Random(hash_name)
    for number in range(1, 13):
        members = some_members(draw, hash_name, number)
        replicas = draw.randint(1, number)
        paths = some_paths(draw, 1500)
        ours = placement(hash_name, as_members(members), replicas)
        places = places_of(ours, paths).tolist()
        wanted = said(tmp_path, f"{hash_name} replication {replicas}", members, paths)
        assert [[members[index].port for index in row] for row in places] == wanted


def test_any_of_is_the_relays(tmp_path: Path) -> None:
    """While all equals are up a path goes to the same one as through the relay."""
    require(which("carbon-c-relay"), "carbon-c-relay (Debian package)")
    paths = some_paths(random.Random(7), 3000)
    for number in (2, 3, 8):
        members = [Place("127.0.0.1", 2000 + index) for index in range(number)]
        places = places_of(AnyOf(number), paths)
        wanted = said(tmp_path, "any_of", members, paths)
        assert [[2000 + index] for index in places[:, 0].tolist()] == wanted


@pytest.mark.parametrize("hash_name", HASHES)
def test_what_the_relay_really_does(tmp_path: Path, hash_name: str) -> None:
    """Lines through a running relay, tagged ones and ones that it cleans among them, come to the member
    that we would send them to."""
    require(which("carbon-c-relay"), "carbon-c-relay (Debian package)")
    draw = random.Random(3)
    plain = some_paths(draw, 2000)
    tagged = [f"{path};host=h{draw.randrange(50)};dc=a.b" for path in plain[:500]]
    odd = [f"{path}.{draw.choice('@%+/()=!')}x..y{draw.choice(['', '.'])}" for path in plain[500:900]]
    foreign = [f"grün.{path}" for path in plain[900:1000]]
    asked = [*plain, *tagged, *odd, *foreign]
    own, *ports = free_ports(4)
    members = [Place("127.0.0.1", port, name) for port, name in zip(ports, "abc", strict=True)]
    takers = [Taker(port) for port in ports]
    with RunningRelay(tmp_path, hash_name, members, own):
        with socket.create_connection(("127.0.0.1", own)) as connection:
            for number, path in enumerate(asked):
                connection.sendall(f"{path} {number} 1700000000\n".encode())
        got = eventually(lambda: sum(len(one.lines) for one in takers), lambda got: got >= len(asked), 30)
    assert got == len(asked)
    where = {int(line.split()[-2]): index for index, one in enumerate(takers) for line in one.lines}
    ours = places_of(placement(hash_name, as_members(members)), asked)
    assert [where[number] for number in range(len(asked))] == ours[:, 0].tolist()
    for taker in takers:
        taker.close()


def test_carbons_own_ring() -> None:
    """carbon_ch is what carbon's own relay does too, but for the few paths behind a place of the ring
    that two members would have."""
    python = environment()
    require(python, "carbon and whisper from PyPI")
    paths = some_paths(random.Random(5), 5000)
    for number, most in ((2, 0), (4, 25), (16, 150)):
        members = [Member(f"10.0.0.{index}", 2003, f"i{index}") for index in range(number)]
        asked = {"nodes": [[one.host, one.instance] for one in members], "hash": "carbon_ch", "paths": paths}
        command = [str(python / "bin" / "python"), "-c", CARBONS_RING]
        out = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True)
        ours = places_of(placement("carbon_ch", members), paths)
        mine = [[members[index].host, members[index].instance] for index in ours[:, 0].tolist()]
        differ = sum(one != other for one, other in zip(mine, json.loads(out.stdout), strict=True))
        assert differ <= most
