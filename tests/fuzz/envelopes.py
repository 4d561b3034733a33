"""What lines come in: framing, pickles, signed datagrams, events; all of it nearly good.

Whatever is sent, nothing raises, the way in which a stream is cut changes nothing, a changed bit of a
signed datagram is seen, and a pickle's good items cost nobody.  What comes out is folded by both twins,
which agree on it.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

from metronome.errors import REJECT_REASONS
from metronome.kernel.interface import Dialect
from metronome.wire import dogstatsd, signed
from metronome.wire.framing import Either, Framing, Taken
from metronome.wire.unpickle import PickleFraming
from tests.kernel import lines
from tests.kernel.helpers import dumped

NOW = 1_700_000_000
SECRET = signed.Secret(b"a secret", 60.0)
PATHS = ["a", "a.b;k=v", "é", "a b", " a", "a\nb", "", "x" * 250, b"a.c", b"\xff", None, 7, ("a",)]
NUMBERS = [1, 0, -1, 1.5, 1e300, float("nan"), float("inf"), "3", b"4", "N", "x", None, True, 10**30, NOW, ()]
TEXTS = [b"a", "é".encode(), b"|", b"\\n", b":", b"#", b",", b"\xff"]
FIELDS = [b"d:", b"h:", b"k:", b"p:", b"s:", b"t:", b"#", b"m:", b"c:", b"e:", b"card:", b"x"]


def trouble(native: ModuleType, pure: ModuleType, seed: int, number: int) -> str:
    """What is wrong in one round of so many lines; empty where nothing is."""
    rng = random.Random(seed)
    try:
        blocks = [
            _framed(rng, number // 4),
            _pickled(rng, number // 4),
            _verified(rng, number // 4),
        ]
        _events(rng, number // 4)
    except AssertionError as error:
        return f"seed {seed}: {error}"
    for wire, block in zip(("statsd", "graphite", "statsd"), blocks, strict=True):
        found = [_folded(kernel, wire, block) for kernel in (pure, native)]
        if found[0] != found[1]:
            return f"seed {seed}: {wire} {block!r}\npure:   {found[0]}\nnative: {found[1]}"
    return ""


def _folded(kernel: ModuleType, wire: str, block: bytes) -> Any:
    table = kernel.Table(series_limit=50)
    if wire == "statsd":
        table.feed_statsd(block, Dialect())
    else:
        table.feed_graphite(block, float(NOW), Dialect())
    return dumped(table.flush_points()), dumped(table.flush(0, 10.0)), table.rejects(), table.counts()


def cut(make: Callable[[], Framing], stream: bytes, rng: random.Random) -> bytes:
    """Feed a stream whole, and in pieces: the same comes out.  The block."""
    whole, pieces = make(), make()
    once = [whole.feed(stream), whole.end(True)]
    often: list[Taken] = []
    at = 0
    while at < len(stream):
        end = at + rng.choice((1, 1, 2, 3, 7, 100, 5000))
        often.append(pieces.feed(stream[at:end]))
        at = end
    often.append(pieces.end(True))
    found, other = [(b"".join(one.block for one in taken), _summed(taken)) for taken in (once, often)]
    assert found == other, f"cut otherwise, {stream!r} is {other} and not {found}"
    return found[0]


def _summed(taken: list[Taken]) -> dict[str, int]:
    """How many were refused, by reason."""
    totals: dict[str, int] = {}
    for one in [refused for each in taken for refused in each.refused]:
        assert one.reason in REJECT_REASONS, one
        totals[one.reason] = totals.get(one.reason, 0) + one.number
    return totals


def _wild(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, put in or taken out, now and then."""
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        at = rng.randint(0, len(data))
        data = data[:at] + rng.randbytes(rng.choice((0, 1, 1, 4))) + data[at + rng.choice((0, 1, 1, 4)) :]
    return data


def _framed(rng: random.Random, number: int) -> bytes:
    """A connection with lines, or with packets of them behind their lengths."""
    sent = [lines.statsd_line(rng) for _ in range(number)]
    if rng.random() < 0.5:
        return cut(Either, _wild(b"\n".join(sent), rng), rng)
    packets = []
    while sent:
        some = rng.randint(1, 5)
        packet = b"\n".join(sent[:some])
        packets.append(len(packet).to_bytes(4, "little") + packet)
        sent = sent[some:]
    return cut(Either, _wild(b"".join(packets), rng), rng)


def _pickled(rng: random.Random, number: int) -> bytes:
    """A connection with pickles of points, one field of which may be wild."""
    stream, good = b"", 0
    damaged = rng.random() < 0.4
    while number > 0:
        items: list[Any] = []
        protocol = rng.randint(0, 5)
        # Before protocol 3 Python writes bytes as a call, which is refused.
        paths, numbers = (
            [one for one in some if protocol > 2 or type(one) is not bytes] for some in (PATHS, NUMBERS)
        )
        for place in range(rng.randint(1, 6)):
            item: Any = (f"n{place}.x", (NOW + place, place / 2))
            if rng.random() < 0.3:
                path = rng.choice(paths) if rng.random() < 0.4 else item[0]
                item = (path, (rng.choice(numbers), rng.choice(numbers)))
            else:
                good += 1
            items.append(list(item) if rng.random() < 0.2 else item)
        number -= len(items)
        frame = pickle.dumps(items, protocol)
        if damaged:
            frame = _wild(frame, rng)
        stream += len(frame).to_bytes(4, "big") + frame
    block = cut(PickleFraming, stream, rng)
    if not damaged:
        assert sum(line.startswith(b"n") for line in block.split(b"\n")) >= good, f"good points of {stream!r}"
    return block


def _verified(rng: random.Random, number: int) -> bytes:
    """Signed datagrams, some of them changed: those are refused, the others taken once."""
    verifier = signed.Verifier(SECRET, NOW - 100)
    taken = b""
    for nonce in range(max(number // 4, 1)):
        payload = b"\n".join(lines.statsd_line(rng) for _ in range(4))
        sent = NOW + rng.choice((0, 0, 0, -59, 59, -3000, 3000))
        datagram = signed.sign(payload, SECRET.key, sent, nonce)
        got = _wild(datagram, rng)
        reason, found = verifier.verify(got, float(NOW))
        assert (reason == "") == (got == datagram and abs(sent - NOW) < 60), f"{reason!r} for {got!r}"
        assert reason == "" or reason in REJECT_REASONS, reason
        if not reason:
            assert found == payload, got
            assert verifier.verify(got, float(NOW))[0] == "replayed", got
            taken += found + b"\n"
    return taken


def _events(rng: random.Random, number: int) -> None:
    """Events and checks: each is one, or refused with a reason."""
    for _ in range(number):
        text = b"".join(rng.choices(TEXTS, k=rng.randint(0, 6)))
        check = b"_sc|a%b|%d" % (text, rng.randint(0, 4))
        line = rng.choice((b"_e{%d,%d}:a|%b" % (1, len(text), text), check))
        for _ in range(rng.randint(0, 4)):
            line += b"|" + rng.choice(FIELDS) + rng.choice((b"", b"1", b"low", b"error", b"a:b,c", text))
        found = dogstatsd.parse(_wild(line, rng), NOW * 1000)
        assert isinstance(found, dict) or found[0] in REJECT_REASONS, line
