"""Wild keys and numbers for the writers of the twins: what differs between them."""

from __future__ import annotations

import random
import struct
from types import ModuleType

import numpy as np

from metronome.kernel import writing
from metronome.kernel.paths import Spelling

PIECES = (b"a.b", b"/", b" ", b";", b"=", b"~", b"\0", b"\0", b"\x1f", b"\x7f", b"\xc2\xa0",
          b"\xe2\x80\x83", b"\xe2\x81\x9f", b"\xe3\x80\x80", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xe2",
          b"\x80", b"\xff")  # fmt: skip


def rows(chance: random.Random, number: int) -> tuple[writing.Texts, np.ndarray, np.ndarray]:
    """Keys, two numbers each, times."""
    keys = [b"c" * chance.randint(0, 1) + b"".join(chance.choices(PIECES, k=chance.randint(0, 8)))
            for _ in range(number)]  # fmt: skip
    values = [
        struct.unpack("d", chance.randbytes(8))[0]
        if chance.random() < 0.5
        else chance.randint(-(10**6), 10**6) / 10 ** chance.randint(0, 6)
        for _ in range(2 * number)
    ]
    times = [chance.randint(-(1 << 63), (1 << 63) - 1) >> chance.choice((0, 31)) for _ in range(number)]
    return (
        writing.joined(keys),
        np.array(values, np.float64).reshape(number, 2),
        np.array(times[: chance.choice((1, number))], np.int64),
    )


def difference(fast: ModuleType, seed: int, number: int) -> str:
    """Where the native writer differs from the pure one on some rows, or nothing."""
    chance = random.Random(seed)
    texts, values, seconds = rows(chance, number)
    for spelling in Spelling:
        form = writing.Form(spelling, (b"h.", b""), (b"", b".t"))
        for pickled in (False, True):
            one = writing.write_lines(texts, form, values, seconds, pickled)
            other = fast.write_lines(texts, form, values, seconds, pickled)
            if one != other:
                return f"seed {seed}, {spelling!r}, pickled {pickled}: {one!r} and {other!r}"
    return ""
