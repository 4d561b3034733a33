"""carbon's pickle form, written: frames of ``u32 length | pickle``.

Each pickle is a list of ``(path, (timestamp, value))``; how many, and in which protocol, says
``kernel/writing.py``.
"""

from __future__ import annotations

from collections.abc import Iterable

from metronome.kernel import write_lines
from metronome.kernel.writing import POINTS_PER_FRAME, Form, Texts, Written
from metronome.model import F64, I64
from metronome.wire.graphite import Line, rows_of

__all__ = ["POINTS_PER_FRAME", "encode", "write"]


def write(texts: Texts, form: Form, values: F64, seconds: I64) -> Written:
    """Write rows of finite values as frames, in order."""
    return write_lines(texts, form, values, seconds, pickled=True)


def encode(points: Iterable[Line]) -> bytes:
    """Write finite values as frames, in order."""
    return write(*rows_of(points)).data
