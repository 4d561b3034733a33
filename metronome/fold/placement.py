"""Which members of a cluster of carbons get a path: the placements of carbon-c-relay.

Whoever puts Metronome in the place of a relay must find each path where its whisper file lies, so the
four ways are those of carbon-c-relay (its ``consistent-hash.c`` and ``router.c``; versions 3.7 and later
place alike), to the bit:

- ``carbon_ch``: a ring of 65,536 places.  A member has 100 of them, the first two bytes of the
  MD5 of ``('HOST', 'INSTANCE'):0`` and so on, as Python writes a tuple (``None`` without an instance); the
  port does not count.  A key belongs to the first member at or behind the first two bytes of its own MD5.
  Where two members have one place, the one whose host, then instance, sorts first has it.  (carbon's
  own relay moves the second of them by one, so on some keys it differs.)
- ``fnv1a_ch``: the same ring with FNV-1a (32 bits, folded to 16) of ``0-HOST:PORT`` and so on, or of
  ``0-INSTANCE`` for a member that has one.  Host, then port decide about one place.
- ``jump_fnv1a_ch``: FNV-1a (64 bits) and the jump hash of Lamping and Veach over the members in the
  order of their instances, numbers as numbers, then those without one in the order given.
- ``any_of``: the remainder of FNV-1a (32 bits); whoever is up takes over for one that is down.

Replicas are the next other members on the ring; jump hashes again, by a xorshift, over those left.

What is hashed is not always the path: ``kernel/keys.py`` has the rules.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import Final, NamedTuple, Protocol

import numpy as np

from metronome.kernel.keys import Hashing, hash_keys
from metronome.model import I64, U64

Places = I64
"""A row for each key: the indexes of its members, the first one first."""

HASHES: Final = ("carbon_ch", "fnv1a_ch", "jump_fnv1a_ch")

_POINTS: Final = 100
"""Places of one member on a ring."""
_RING: Final = 1 << 16

_JUMP: Final = np.uint64(2862933555777941757)
_XORSHIFT: Final = np.uint64(2685821657736338717)

_NUMBER: Final = re.compile(r"[+-]?[0-9]+")


class Member(NamedTuple):
    """One carbon as a ring knows it: the host is the text of the settings, without brackets."""

    host: str
    port: int
    instance: str | None = None


class Placement(Protocol):
    """Where keys belong."""

    hashing: Hashing
    """How keys are hashed for it."""

    def places(self, hashes: U64) -> Places:
        """The members of each hash, by index; as many as there are replicas."""
        ...


def placement(name: str, members: Sequence[Member], replicas: int = 1) -> Placement:
    """One of ``HASHES``; members must be distinct for it: see :func:`twins`."""
    assert 1 <= replicas <= len(members)
    if name == "jump_fnv1a_ch":
        return Jump(members, replicas)
    return Ring(members, replicas, name == "carbon_ch")


def twins(name: str, members: Sequence[Member]) -> tuple[Member, Member] | None:
    """Two members that a hash cannot tell apart, so that one of them would never get anything."""
    seen: dict[object, Member] = {}
    for member in members:
        same: object = member
        if name == "carbon_ch":
            same = (member.host, member.instance)
        elif name == "fnv1a_ch":
            same = member.instance if member.instance is not None else (member.host, member.port)
        other = seen.setdefault(same, member)
        if other is not member:
            return other, member
    return None


# --- the ring ---------------------------------------------------------------------------------


def _carbon_texts(member: Member) -> list[str]:
    instance = "None" if member.instance is None else f"'{member.instance}'"
    return [f"('{member.host}', {instance}):{point}" for point in range(_POINTS)]


def _fnv_texts(member: Member) -> list[str]:
    text = f"{member.host}:{member.port}" if member.instance is None else member.instance
    return [f"{point}-{text}" for point in range(_POINTS)]


def _by_instance(member: Member) -> tuple[str, bool, str]:
    return member.host, member.instance is None, member.instance or ""


def _by_port(member: Member) -> tuple[str, int, int]:
    return member.host, member.port, 0


class Ring:
    """Members on a ring, worked out for each of its places beforehand."""

    def __init__(self, members: Sequence[Member], replicas: int, carbon: bool):
        """``carbon`` says that it is ``carbon_ch``, not ``fnv1a_ch``."""
        self.hashing = Hashing.MD5 if carbon else Hashing.FNV_32
        texts = _carbon_texts if carbon else _fnv_texts
        order: Callable[[Member], tuple[str, object, object]] = _by_instance if carbon else _by_port
        ranked = sorted(range(len(members)), key=lambda index: order(members[index]))
        owners: dict[int, int] = {}
        for index in ranked:
            hashes = hash_keys([text.encode() for text in texts(members[index])], self.hashing)
            for place in self._positions(hashes).tolist():
                owners.setdefault(place, index)
        taken = sorted(owners)
        after = [self._from(begin, taken, owners, replicas) for begin in range(len(taken))]
        steps = [bisect_left(taken, place) % len(taken) for place in range(_RING)]
        self._table: Places = np.array(after, np.int64)[steps]

    def places(self, hashes: U64) -> Places:
        return self._table[self._positions(hashes)]

    def _positions(self, hashes: U64) -> I64:
        """Places of the ring; the halves of 32 bits are joined by exclusive or."""
        if self.hashing == Hashing.MD5:
            return hashes.astype(np.int64)
        return ((hashes >> np.uint64(16)) ^ (hashes & np.uint64(0xFFFF))).astype(np.int64)

    @staticmethod
    def _from(begin: int, taken: list[int], owners: dict[int, int], replicas: int) -> list[int]:
        """The first so many different members from a place on."""
        found: list[int] = []
        step = begin
        while len(found) < replicas:
            owner = owners[taken[step % len(taken)]]
            if owner not in found:
                found.append(owner)
            step += 1
        return found


# --- jump -------------------------------------------------------------------------------------


def _instance_order(left: Member, right: Member) -> int:
    if left.instance is None or right.instance is None:
        return (left.instance is None) - (right.instance is None)
    if _NUMBER.fullmatch(left.instance) and _NUMBER.fullmatch(right.instance):
        return int(left.instance) - int(right.instance)
    return (left.instance > right.instance) - (left.instance < right.instance)


class Jump:
    """The jump consistent hash: no ring, only an order of the members."""

    hashing = Hashing.FNV_64

    def __init__(self, members: Sequence[Member], replicas: int):
        rank = cmp_to_key(_instance_order)
        order = sorted(range(len(members)), key=lambda index: rank(members[index]))
        self._order = np.array(order, np.int64)
        self._replicas = replicas

    def places(self, hashes: U64) -> Places:
        rows = np.arange(len(hashes))
        left = np.tile(self._order, (len(hashes), 1))
        found: list[I64] = []
        for number in range(left.shape[1], left.shape[1] - self._replicas, -1):
            chosen = jump(hashes, number)
            found.append(left[rows, chosen])
            left[rows, chosen] = left[:, number - 1]
            for shift, up in ((12, False), (25, True), (27, False)):
                hashes = hashes ^ (hashes << np.uint64(shift) if up else hashes >> np.uint64(shift))
            hashes = hashes * _XORSHIFT
        return np.stack(found, 1)


def jump(hashes: U64, buckets: int) -> I64:
    """The bucket of each hash: Lamping and Veach, A Fast, Minimal Memory, Consistent Hash Algorithm."""
    keys = hashes.copy()
    found = np.zeros(len(keys), np.int64)
    ahead = np.zeros(len(keys), np.int64)
    open_rows = np.arange(len(keys))
    while len(open_rows):
        found[open_rows] = ahead[open_rows]
        keys[open_rows] = keys[open_rows] * _JUMP + np.uint64(1)
        scale = float(1 << 31) / ((keys[open_rows] >> np.uint64(33)) + np.uint64(1)).astype(np.float64)
        ahead[open_rows] = ((found[open_rows] + 1).astype(np.float64) * scale).astype(np.int64)
        open_rows = open_rows[ahead[open_rows] < buckets]
    return found


class AnyOf:
    """One of several equals, by the remainder of a hash."""

    hashing = Hashing.FNV_32

    def __init__(self, members: int):
        self._members = members

    def places(self, hashes: U64) -> Places:
        return (hashes % np.uint64(self._members)).astype(np.int64).reshape(-1, 1)
