"""Messages of ``/metrics`` as protocol buffers, written from arrays: the pure twin of ``message.c``.

Source: ``io/prometheus/client/metrics.proto`` of Prometheus' client model.  What is written of a row is a
``metric`` of its family, ``4: {1: {1: label, 2: value}…, body}``, in front of the first one with what the
family has besides: ``1: name, 2: help, 3: type, 5: unit``.  The body, the values, stands there already;
so do further labels, as words.  Names are as ``families.py`` has them, a counter's with ``_total``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from metronome.kernel.copying import check_pieces
from metronome.kernel.families import Escaping, base_of, check_texts, escaped, family_name, read
from metronome.kernel.samples import NONE, TYPES, UNITS
from metronome.kernel.writing import Texts
from metronome.model import I64, KIND_CODES, U8, Kind

_TYPES: Final = (0, 1, 2, 4)
"""What the protocol calls ``TYPES``."""


class Metrics(NamedTuple):
    """Rows to be written, those of one family one behind the other."""

    texts: Texts
    """Keys of series."""
    counters: U8
    """Of each: whether it is of a counter's family."""
    labels: I64
    """Of each: the word with its further labels."""
    bodies: Texts
    """Of each: its values."""
    heads: U8
    """Of each: 0, or the type (from 1) of the family that begins with it."""
    helps: I64
    """Of each that begins a family: the word that is its help; ``NONE``: name and kind."""


class Messages(NamedTuple):
    """The bytes of all rows, and where each ends."""

    data: bytes
    ends: I64


def write_messages(metrics: Metrics, words: tuple[bytes, ...], escaping: Escaping) -> Messages:
    """What is inside of the families' messages.  ``ValueError`` when the arrays do not fit."""
    check_metrics(metrics, words)
    texts, bodies = metrics.texts, metrics.bodies
    flat, body_flat = texts.flat.tobytes(), bodies.flat.tobytes()
    columns = (*texts[1:], metrics.counters, metrics.labels, *bodies[1:], metrics.heads, metrics.helps)
    pieces, ends, end = [], [], 0
    for begin, stop, counter, label, body, body_end, head, help_word in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        key = flat[begin:stop]
        name, labels = read(key)
        inside = b"".join(
            _field(1, _field(1, _bytes(escaped(one, escaping, label=True))) + _field(2, _bytes(value)))
            for one, value in labels
        )
        word = b"" if label == NONE else words[label]
        if head:
            told = None if help_word == NONE else words[help_word]
            pieces.append(_head(key, name, bool(counter), head, told, escaping))
            end += len(pieces[-1])
        pieces.append(_field(4, inside + word + body_flat[body:body_end]))
        end += len(pieces[-1])
        ends.append(end)
    return Messages(b"".join(pieces), np.array(ends, np.int64))


def check_metrics(metrics: Metrics, words: tuple[bytes, ...]) -> None:
    """Raise ``ValueError`` when the arrays do not fit each other."""
    check_texts(metrics.texts, metrics.counters)
    check_pieces(metrics.bodies)
    rows = len(metrics.texts)
    if any(len(column) != rows for column in metrics[1:]):
        raise ValueError("columns of different lengths")
    for column, least, end in (
        (metrics.labels, NONE, len(words)),
        (metrics.helps, NONE, len(words)),
        (metrics.heads, 0, len(TYPES) + 1),
    ):
        if rows and (column.min() < least or column.max() >= end):
            raise ValueError("a number of something that is not there")


def varint(value: int) -> bytes:
    """A whole number, not negative."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _head(key: bytes, name: str, counter: bool, head: int, told: bytes | None, escaping: Escaping) -> bytes:
    base = base_of(name, counter)
    word = Kind(max(KIND_CODES.find(key[:1]), 0)).word
    family = family_name(base, counter, escaping, open_metrics=True)
    fields = [
        _field(1, _bytes(family_name(base, counter, escaping, open_metrics=False))),
        _field(2, _bytes(f"{name} ({word})") if told is None else told),
        bytes((0x18, _TYPES[head - 1])),
        *(_field(5, unit.encode()) for unit in UNITS if family.endswith(f"_{unit}")),
    ]
    return b"".join(fields)


def _field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
