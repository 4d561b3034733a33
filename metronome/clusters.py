"""Where Graphite output goes: addresses of carbons, and ``[[graphite-cluster]]`` tables.

A table names its policy and its members.  As everywhere in the settings a key that does not exist and a
value that cannot be used are a ``ConfigError`` that names both, and says what would be right.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from metronome import values
from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.fold.placement import HASHES, twins
from metronome.gateway.cluster import POLICIES, Cluster, Target

TABLE: Final = "graphite-cluster"
"""The tables of the file that are clusters."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_INSTANCE: Final = re.compile(r"[A-Za-z0-9_.:/,+-]{1,100}")
_RIGHT_MEMBER: Final = "tcp://10.0.0.1:2003 or 10.0.0.1:2003=a would be right"

Table = Mapping[str, Any]


def of_addresses(addresses: tuple[Address, ...], resend: float) -> Cluster:
    """The carbons of ``graphite-out``: each gets everything.  ``resend`` is in seconds."""
    return Cluster("", "replicate", tuple(_target(address, resend, 0.0) for address in addresses))


def read(tables: object, resend: float) -> tuple[Cluster, ...]:
    """The clusters of a file; ``resend`` is what holds where a table says nothing else."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        right = f"[[{TABLE}]] above the keys of each would be right"
        raise ConfigError(f"{TABLE} is no list of tables; {right}")
    return tuple(_cluster(number, table, resend) for number, table in enumerate(tables, 1))


def check(clusters: tuple[Cluster, ...]) -> None:
    """No two of them have one name, and no carbon is in two of them, or twice in one: they would
    share a cursor in the journal, and each miss what the other has sent."""
    places: dict[str, Target] = {}
    names: set[str] = set()
    for cluster in clusters:
        if cluster.name and cluster.name in names:
            raise ConfigError(
                f"{TABLE}: name = {json.dumps(cluster.name)}: it is taken; another would be right"
            )
        names.add(cluster.name)
        key = f"{TABLE} {cluster.name}: members" if cluster.name else "graphite-out"
        for member in cluster.members:
            other = places.setdefault(member.name, member)
            if other is not member:
                there = f"{other.address} goes there already; drop one of them"
                raise ConfigError(f"{key} = {member.address}: {there}")


def _target(
    address: Address, resend: float, again: float, instance: str | None = None, host: str = ""
) -> Target:
    read_span = values.span(0)
    own = {name: float(str(read_span(value))) for name, value in address.parameters if name in _TIMES}
    return Target(address, instance, host, own.get("resend", resend), own.get("again", again))


_TIMES: Final = ("resend", "again")


# --- one table ------------------------------------------------------------------------------


def _cluster(number: int, table: Table, resend: float) -> Cluster:
    given: dict[str, Any] = {}
    for written, value in table.items():
        key = written.replace("-", "_")
        if key not in _READERS:
            close = difflib.get_close_matches(key, _READERS, 1, 0.5)
            right = close[0] if close else f"one of {', '.join(_READERS)}"
            raise _wrong(number, written, value, f"there is no such key; {right} would be right")
        try:
            given[key] = _READERS[key](value)
        except ValueError as error:
            raise _wrong(number, written, value, str(error)) from None
    for key, right in (("name", '"carbons"'), ("policy", '"any_of"'), ("members", '["10.0.0.1:2003"]')):
        if key not in given:
            raise ConfigError(f"{TABLE} {number}: it has no {key}; {key} = {right} would be right")
    members = []
    for text in given.pop("members"):
        try:
            members.append(_member(text, given.get("resend", resend), given.get("again", 0.0)))
        except ValueError as error:
            raise _wrong(number, "members", text, str(error)) from None
    for key in _TIMES:
        given.pop(key, None)
    cluster = Cluster(members=tuple(members), **given)
    for wrong, sentence in _mistakes(cluster, given):
        raise _wrong(number, wrong, table.get(wrong, given.get(wrong)), sentence)
    return cluster


def _wrong(number: int, key: str, value: object, sentence: str) -> ConfigError:
    return ConfigError(f"{TABLE} {number}: {key} = {json.dumps(value, default=str)}: {sentence}")


def _mistakes(cluster: Cluster, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys that contradict each other, each with a sentence."""
    transports = {member.address.transport for member in cluster.members}
    if cluster.policy != "consistent_hash":
        hashed = [key for key in ("hash", "replication") if key in given]
        found = [(key, f'policy = "{cluster.policy}" has none; drop it') for key in hashed]
        if cluster.policy == "any_of" and "udp" in transports:
            found.append(("members", "of udp:// it is not known who is up; tcp:// would be right"))
        return found
    if "unix" in transports:
        return [("members", "a ring is made of hosts and ports; tcp:// would be right")]
    if cluster.replication > len(cluster.members):
        return [("replication", f"there are {len(cluster.members)} members; no more would be right")]
    same = twins(cluster.hash, cluster.ring)
    if same is not None:
        host, port, _ = same[1]
        right = f"an instance such as {host}:{port}=b would be right"
        return [("members", f"{cluster.hash} cannot tell {same[0].host}:{same[0].port} and {host}:{port}"
                 f" apart; {right}")]  # fmt: skip
    return []


def _member(text: str, resend: float, again: float) -> Target:
    """``[TRANSPORT://]HOST:PORT[=INSTANCE][?NAME=VALUE&...]``."""
    transport, _, rest = text.rpartition("://")
    place, _, query = rest.partition("?")
    instance: str | None = None
    if transport != "unix":
        place, named, instance = place.partition("=")
        instance = instance if named else None
    if instance is not None and not _INSTANCE.fullmatch(instance):
        raise ValueError(
            f"{instance or 'nothing'} is no instance; letters, digits and _.:/,+- would be right"
        )
    host = place.rpartition(":")[0].removeprefix("[").removesuffix("]")
    address = values.carbon(f"{transport or 'tcp'}://{place}{'?' if query else ''}{query}")
    return _target(address, resend, again, instance, host)


# --- one value ------------------------------------------------------------------------------


def _name(raw: object) -> str:
    if not isinstance(raw, str) or not _NAME.fullmatch(raw):
        raise ValueError("it is no name; letters, digits, _ and - would be right")
    return raw


def _members(raw: object) -> list[str]:
    if not isinstance(raw, list) or not raw or not all(isinstance(text, str) for text in raw):
        raise ValueError(f"it is no list of addresses; {_RIGHT_MEMBER}")
    return raw


def _replication(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
        raise ValueError("it is no number of members; 1 or 2 would be right")
    return raw


_READERS: Final[dict[str, Callable[[object], object]]] = {
    "name": _name,
    "policy": values.choice(*POLICIES),
    "hash": values.choice(*HASHES),
    "replication": _replication,
    "members": _members,
    "resend": values.span(0),
    "again": values.span(0),
}
"""What each key takes."""

KEYS: Final = tuple(_READERS)
"""All of them, as the documentation has to name them."""
