"""Only who has the secret sends, only in time, and only once."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest

from metronome.wire.signed import HEADER_BYTES, Secret, Verifier, sign

KEY = b"750c783e6ab0b503eaa86e310a5db738"
NOW = 1_700_000_000.5
SECRET = Secret(KEY, 3)


def verifier(began: float = NOW - 100, kept: int = 100) -> Verifier:
    return Verifier(SECRET, began, kept)


def test_the_packet_is_brubecks() -> None:
    """Signature over time, nonce and lines, in this order, all little-endian."""
    rest = struct.pack("<Q", 1_700_000_000) + struct.pack("<I", 7) + b"a:1|c"
    wanted = hmac.new(KEY, rest, hashlib.sha256).digest() + rest
    assert sign(b"a:1|c", KEY, NOW, 7) == wanted
    assert verifier().verify(wanted, NOW) == ("", b"a:1|c")
    assert HEADER_BYTES == 44


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [(0, ""), (-3, ""), (3, ""), (-4, "too_old"), (4, "too_new"), (-(10**9), "too_old"), (10**12, "too_new")],
)
def test_the_drift_counts_both_ways(ahead: int, reason: str) -> None:
    """Three seconds early or late are taken, more are not."""
    assert verifier().verify(sign(b"a:1|c", KEY, NOW + ahead, 1), NOW)[0] == reason


def test_a_changed_bit_anywhere_is_seen() -> None:
    """Also in the time and the nonce; too short is no signature either."""
    good = sign(b"a:1|c", KEY, NOW, 1)
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        assert verifier().verify(bad, NOW)[0] == "bad_signature"
    for length in range(len(good)):
        assert verifier().verify(good[:length], NOW)[0] == "bad_signature"
    assert verifier().verify(sign(b"a:1|c", KEY + b"x", NOW, 1), NOW)[0] == "bad_signature"
    assert verifier().verify(b"a:1|c", NOW) == ("bad_signature", b"a:1|c")


def test_an_empty_payload_is_none() -> None:
    """Signed nothing is nothing, and no error."""
    assert verifier().verify(sign(b"", KEY, NOW, 1), NOW) == ("", b"")


def test_a_datagram_is_taken_once_for_as_long_as_it_could_come_again() -> None:
    """Then its time refuses it; an equal message with another nonce is another one."""
    opened = verifier()
    first = sign(b"a:1|c", KEY, NOW, 1)
    assert opened.verify(first, NOW)[0] == ""
    for later in (0, 1, 2.9):
        assert opened.verify(first, NOW + later)[0] == "replayed"
    assert opened.verify(sign(b"a:1|c", KEY, NOW, 2), NOW + 1)[0] == ""
    assert opened.verify(first, NOW + 4)[0] == "too_old"
    assert opened.verify(first, NOW)[0] == "too_old"


def test_what_was_sent_before_it_began_is_refused() -> None:
    """A former run may have taken it."""
    opened = verifier(began=NOW)
    assert opened.verify(sign(b"a:1|c", KEY, NOW, 1), NOW)[0] == "too_old"
    assert opened.verify(sign(b"a:1|c", KEY, NOW + 1, 1), NOW + 1)[0] == ""


def test_a_flood_shortens_the_drift_and_never_forgets_what_it_would_take() -> None:
    """The oldest second goes, and nothing of it is taken from then on."""
    opened = verifier(kept=10)
    old = [sign(b"a:1|c", KEY, NOW - 2, nonce) for nonce in range(6)]
    new = [sign(b"a:1|c", KEY, NOW, nonce) for nonce in range(6)]
    assert [opened.verify(one, NOW)[0] for one in old + new] == [""] * 12
    assert [opened.verify(one, NOW)[0] for one in old] == ["too_old"] * 6
    assert [opened.verify(one, NOW)[0] for one in new] == ["replayed"] * 6
    assert opened.verify(sign(b"b:1|c", KEY, NOW - 2, 99), NOW)[0] == "too_old"
    assert opened.verify(sign(b"b:1|c", KEY, NOW - 1, 99), NOW)[0] == ""
