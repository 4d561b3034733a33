"""Graphite's plaintext form, written: ``path value timestamp`` and a line feed.

carbon's rules that the writer obeys: the path holds no white space; tags follow it as
``;name=value``, sorted by name; a tag name holds none of ``;!^=``, a value no ``;`` and no
leading ``~``, and neither is empty; the timestamp is in whole seconds.

Writing many rows is the kernel's business, because it has to be fast, and so is reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from metronome.kernel import write_lines
from metronome.kernel.paths import Spelling, safe_path, safe_value, tag_text
from metronome.kernel.writing import Form, Texts, Written, joined, number_text
from metronome.model import F64, I64

__all__ = ["Line", "Rows", "encode", "number_text", "rows_of", "safe_path", "safe_value", "tag_text", "write"]


class Line(NamedTuple):
    """One value of one path."""

    path: str
    value: float
    time: int
    """Epoch seconds."""


class Rows(NamedTuple):
    """Many lines as arrays; ``kernel/writing.py`` says what they are."""

    texts: Texts
    form: Form
    values: F64
    """A row for each text, a column for each line of it."""
    seconds: I64
    """Of each row, or of all."""


_WHOLE_PATHS: Final = Form(Spelling.READY, (b"",), (b"",))


def write(texts: Texts, form: Form, values: F64, seconds: I64) -> Written:
    """Write rows of finite values as lines; see ``kernel/writing.py``."""
    return write_lines(texts, form, values, seconds)


def rows_of(points: Iterable[Line]) -> Rows:
    """Lines as rows to be written."""
    points = list(points)
    return Rows(
        joined([point.path.encode() for point in points]),
        _WHOLE_PATHS,
        np.array([[point.value] for point in points], np.float64).reshape(-1, 1),
        np.array([point.time for point in points], np.int64),
    )


def encode(points: Iterable[Line]) -> bytes:
    """Write finite values as lines; paths must be safe already."""
    return write(*rows_of(points)).data
