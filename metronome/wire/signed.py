"""Signed datagrams, as brubeck's statsd-secure takes them: who has the secret may send, once.

A datagram is, one behind the other::

    32 bytes    HMAC-SHA256 of all that follows, keyed with the secret
     8 bytes    when it was sent, epoch seconds, unsigned, little-endian
     4 bytes    anything: makes two equal messages of one second differ
    the rest    statsd lines

It is taken when the signature is right, its time is no more than the *drift* away from ours, and
no datagram with this signature was taken before.  brubeck refuses every time ahead of its own;
clocks differ both ways, so here the drift counts both ways.

Signatures are remembered by their second, exactly, for as long as the drift lets them come
again.  When there would be too many, the oldest second is forgotten and what was sent in it or
before is refused from then on: a flood makes the drift shorter, never a replay possible.  For
the same reason nothing is taken that was sent before the verifier began.
"""

from __future__ import annotations

import hmac
import math
import struct
from typing import Final, NamedTuple

from metronome.limits import SIGNATURES_KEPT

DIGEST: Final = "sha256"
_MAC_BYTES: Final = 32
_STAMP: Final = struct.Struct("<QI")
HEADER_BYTES: Final = _MAC_BYTES + _STAMP.size
_REMEMBERED: Final = slice(0, 8)
"""So much of a signature tells it from the others: two in 2^64 agree."""


class Secret(NamedTuple):
    """What both sides know, and how many seconds their clocks may be apart."""

    key: bytes
    drift: float


def sign(payload: bytes, key: bytes, now: float, nonce: int) -> bytes:
    """Write a signed datagram; ``nonce`` in 32 bits."""
    rest = _STAMP.pack(int(now), nonce) + payload
    return hmac.digest(key, rest, DIGEST) + rest


class Verifier:
    """Reads the datagrams of one socket."""

    def __init__(self, secret: Secret, began: float, kept: int = SIGNATURES_KEPT):
        """``began`` in epoch seconds; ``kept`` signatures are remembered at most."""
        self._key, self._drift = secret
        self._kept = kept
        self._earliest = math.ceil(began)
        self._seen: dict[int, set[bytes]] = {}
        self._number = 0

    def verify(self, datagram: bytes, now: float) -> tuple[str, bytes]:
        """An empty reason and the payload; or why the datagram is refused, and what is shown of it."""
        mac, rest, payload = datagram[:_MAC_BYTES], datagram[_MAC_BYTES:], datagram[HEADER_BYTES:]
        if len(datagram) < HEADER_BYTES:
            return "bad_signature", datagram
        if not hmac.compare_digest(mac, hmac.digest(self._key, rest, DIGEST)):
            return "bad_signature", payload
        sent, _ = _STAMP.unpack_from(rest)
        if sent > now + self._drift:
            return "too_new", payload
        self._forget(math.floor(now - self._drift))
        if sent < self._earliest:
            return "too_old", payload
        return self._remember(sent, mac[_REMEMBERED]), payload

    def _remember(self, sent: int, mark: bytes) -> str:
        seen = self._seen.setdefault(sent, set())
        if mark in seen:
            return "replayed"
        seen.add(mark)
        self._number += 1
        while self._number > self._kept:
            self._forget(min(self._seen) + 1)
        return ""

    def _forget(self, earliest: int) -> None:
        """Let go of the seconds before, which are refused from now on."""
        if earliest <= self._earliest:
            return
        self._earliest = earliest
        for second in [second for second in self._seen if second < earliest]:
            self._number -= len(self._seen.pop(second))
