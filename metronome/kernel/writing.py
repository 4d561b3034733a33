"""Graphite's lines and pickles written from arrays: the pure twin of ``write.c``.

A row is a series with some numbers; each makes one line ``head name tail tags value time``, as
``paths.py`` spells name and tags, ``head`` and ``tail`` being those of its column.  A number that is
none, or infinite, makes no line, and so does a series of whose name nothing is left.

A number is written as the shortest decimal text that reads back as the same double; a whole
one below 10^15 without a decimal point.  The form of the others is that of C's ``%g``: with an
exponent from 10^16 on and below 10^-4.

carbon's pickle form is frames ``u32 length, big-endian | pickle``; each pickle is a list of
``(path, (time, value))`` in protocol 2, the newest that every carbon reads.  carbon closes a
connection that sends a frame above 1 MiB, and its own relay sends 500 points at a time; so do we.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Final, NamedTuple

import numpy as np

from metronome.kernel.paths import Spelling, path_of
from metronome.model import F64, I64, U8, Ragged

POINTS_PER_FRAME: Final = 500
_EXACT_INTEGERS: Final = 1e15
"""Below this a whole number prints the same with and without a decimal point."""
_SHORT_TIMES: Final = 1 << 31
"""Beyond this a pickle has another opcode for a time."""


class Texts(NamedTuple):
    """Pieces of one array of bytes: ``flat[begins[i]:ends[i]]``, in any order, also repeated."""

    flat: U8
    begins: I64
    ends: I64

    def __len__(self) -> int:
        return len(self.begins)

    def cut(self, begin: int, end: int) -> Texts:
        """Texts ``begin`` to ``end``."""
        return Texts(self.flat, self.begins[begin:end], self.ends[begin:end])

    def take(self, rows: I64) -> Texts:
        """The texts of these numbers, in their order."""
        return Texts(self.flat, self.begins[rows], self.ends[rows])

    def texts(self) -> list[bytes]:
        """Each by itself."""
        return [self.flat[begin:end].tobytes() for begin, end in zip(self.begins, self.ends, strict=True)]


class Form(NamedTuple):
    """What is around the halves of a path, for each column of numbers."""

    spelling: Spelling
    heads: tuple[bytes, ...]
    tails: tuple[bytes, ...]


class Written(NamedTuple):
    """What rows became, and how many numbers were no finite ones."""

    data: bytes
    lines: int
    not_finite: int


def texts_of(ragged: Ragged) -> Texts:
    """The rows of a ragged array that has some."""
    ends = ragged.ends.astype(np.int64)
    begins = np.zeros_like(ends)
    begins[1:] = ends[:-1]
    return Texts(np.asarray(ragged.flat, np.uint8), begins, ends)


def joined(texts: Sequence[bytes]) -> Texts:
    """Texts of which each stands alone."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    return Texts(np.frombuffer(b"".join(texts), np.uint8), ends - lengths, ends)


def number_text(value: float) -> str:
    """The shortest decimal text that reads back as the same double."""
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS and value == int(value):
        return str(int(value))
    return repr(value)


def write_lines(texts: Texts, form: Form, values: F64, seconds: I64, pickled: bool = False) -> Written:
    """Write the numbers of rows, row after row: ``values[row, column]``.

    ``texts`` are series' keys, or what the spelling says; ``seconds`` is the time of each row, or
    one for all.  ``ValueError`` when the arrays do not fit each other.
    """
    check(texts, form, values, seconds)
    points, not_finite = [], 0
    times = seconds.tolist() * (len(texts) if len(seconds) == 1 else 1)
    flat = texts.flat.tobytes()
    rows = zip(texts.begins.tolist(), texts.ends.tolist(), values.tolist(), times, strict=True)
    for begin, end, numbers, time in rows:
        name, tags = path_of(flat[begin:end], form.spelling)
        for head, tail, number in zip(form.heads, form.tails, numbers, strict=True):
            if not isfinite(number):
                not_finite += 1
            elif name:
                points.append((head + name + tail + tags, number, time))
    data = b"".join(_frames(points)) if pickled else b"".join([_line(*point) for point in points])
    return Written(data, len(points), not_finite)


def check(texts: Texts, form: Form, values: F64, seconds: I64) -> None:
    """Raise ``ValueError`` when the arrays do not fit each other."""
    if values.shape != (len(texts), len(form.heads)) or len(form.heads) != len(form.tails):
        raise ValueError(f"{values.shape} numbers for {len(texts)} rows of {len(form.heads)} lines")
    if len(seconds) not in (1, len(texts)):
        raise ValueError(f"{len(seconds)} times for {len(texts)} rows")
    if len(texts.ends) != len(texts.begins):
        raise ValueError("not as many ends as begins")
    wrong = (texts.begins < 0) | (texts.begins > texts.ends) | (texts.ends > len(texts.flat))
    if wrong.any():
        raise ValueError("a text lies outside of the bytes")


def _line(path: bytes, value: float, time: int) -> bytes:
    return b"%b %b %d\n" % (path, number_text(value).encode(), time)


def _frames(points: Sequence[tuple[bytes, float, int]]) -> Iterator[bytes]:
    for begin in range(0, len(points), POINTS_PER_FRAME):
        body = b"".join([_point(*point) for point in points[begin : begin + POINTS_PER_FRAME]])
        yield struct.pack(">L", len(body) + 6)
        yield b"\x80\x02](" + body + b"e."


def _point(path: bytes, value: float, time: int) -> bytes:
    """The opcodes of one point: a text, a whole number and a double in two pairs."""
    short = -_SHORT_TIMES <= time < _SHORT_TIMES
    when = struct.pack("<ci", b"J", time) if short else struct.pack("<2sq", b"\x8a\x08", time)
    return b"X%b%b%bG%b\x86\x86" % (struct.pack("<L", len(path)), path, when, struct.pack(">d", value))
