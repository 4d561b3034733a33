"""Wild keys, lines and tables for the page's part of the twins: what differs between them."""

from __future__ import annotations

import random
import struct
from types import ModuleType

import numpy as np

from metronome.kernel import copying, families, messages, probing, samples
from metronome.kernel.families import SUFFIXES, Escaping
from metronome.kernel.writing import Texts, joined

PIECES = (b"a", b"Z9", b".", b"_", b"__", b":", b"U__", b"le", b"stream", b"quantile", b"exported_",
          b"total", b"_total", b"_sum", b"_bytes", b"\0", b"\0", b"\0", b'"', b"\\", b"\n",
          b"\xc2\xa0", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xc0\x80",
          b"\xf4\x90\x80\x80", b"\xe2", b"\x80", b"\xff")  # fmt: skip
WORDS = (b'quantile="0.5"', b" # {} 1", 'é\\\n"'.encode(), b"")


def keys(chance: random.Random, number: int) -> list[bytes]:
    """What are nearly series' keys."""
    return [
        chance.choice((b"c", b"g", b"t", b"s", b"?"))
        + b"".join(chance.choices(PIECES, k=chance.randint(0, 10)))
        for _ in range(number)
    ]


def some(chance: random.Random, least: int, most: int, number: int) -> np.ndarray:
    """So many whole numbers."""
    return np.array([chance.randint(least, most) for _ in range(number)], np.int64)


def difference(fast: ModuleType, seed: int, number: int) -> str:
    """Where the native part differs from the pure one, or nothing."""
    chance = random.Random(seed)
    texts = joined(keys(chance, number))
    counters = some(chance, 0, 1, number).astype(np.uint8)
    one, other = families.page_ids(texts, counters), fast.page_ids(texts, counters)
    if (one.ids != other.ids).any() or (one.endings != other.endings).any():
        return f"seed {seed}: page_ids"
    values = np.array([struct.unpack("d", chance.randbytes(8))[0] for _ in range(number)])
    lines = samples.Samples(
        texts,
        counters,
        np.sort(some(chance, 0, number - 1, number)),
        some(chance, 0, len(SUFFIXES) - 1, number).astype(np.uint8),
        some(chance, -1, len(WORDS) - 1, number),
        values,
        some(chance, -1, len(WORDS) - 1, number),
        some(chance, 0, len(samples.TYPES), number).astype(np.uint8),
        some(chance, -1, len(WORDS) - 1, number),
    )
    bodies = joined([chance.randbytes(chance.choice((0, 3, 200))) for _ in range(number)])
    metrics = messages.Metrics(texts, counters, lines.labels, bodies, lines.heads, lines.helps)
    for escaping in Escaping:
        for open_metrics in (False, True):
            told = (lines, WORDS, escaping, open_metrics)
            if samples.write_samples(*told) != fast.write_samples(*told):
                return f"seed {seed}: write_samples, {escaping!r}, OpenMetrics {open_metrics}"
        first = messages.write_messages(metrics, WORDS, escaping)
        second = fast.write_messages(metrics, WORDS, escaping)
        if first.data != second.data or (first.ends != second.ends).any():
            return f"seed {seed}: write_messages, {escaping!r}"
    return _tables(fast, chance, seed) or _copies(fast, chance, texts, seed)


def _copies(fast: ModuleType, chance: random.Random, texts: Texts, seed: int) -> str:
    rows = np.array(chance.sample(range(len(texts)), len(texts) // 2), np.int64)
    pieces = Texts(texts.flat, texts.begins[rows], texts.ends[rows])
    same = copying.copied(pieces).tobytes() == fast.copied(pieces).tobytes()
    return "" if same else f"seed {seed}: copied"


def _tables(fast: ModuleType, chance: random.Random, seed: int) -> str:
    """Ids that come and go; where they lie is each twin's own business."""
    size = 1 << chance.randint(3, 9)
    wild = {chance.getrandbits(chance.choice((8, 64))) for _ in range(size)}
    ids = np.array(sorted(wild), np.uint64)[: size * 4 // 5]
    gone = np.array(chance.sample(range(len(ids)), len(ids) // 3), np.int64)
    found = []
    for kernel in (probing, fast):
        slots = np.full(size, probing.EMPTY, np.int32)
        kernel.place_ids(slots, ids, np.arange(len(ids)))
        kernel.drop_ids(slots, ids, gone)
        kernel.place_ids(slots, ids, gone[::2])
        found.append(kernel.find_ids(slots, ids, np.append(ids, np.uint64(12345))).tolist())
    return "" if found[0] == found[1] else f"seed {seed}: a table"
