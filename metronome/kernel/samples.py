"""Lines of ``/metrics`` written from arrays: the pure twin of ``sample.c``.

A line is ``name{labels} value`` of one series, whose key says name and labels as ``families.py`` has
it.  In front of the first line of a family stand its HELP and TYPE and, in OpenMetrics, its UNIT, if
its name ends in one.  What else there is comes from a list of words: a label that the key does not
have (``quantile="0.5"``), what stands behind the value (an exemplar), a HELP that does not speak of
the one series.

Whole numbers below 10^15 have no decimal point; what is no number is ``NaN``, ``+Inf`` or ``-Inf``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from metronome.kernel.families import (
    SUFFIXES,
    Escaping,
    base_of,
    check_texts,
    escaped,
    family_name,
    quoted,
    read,
    sample_name,
)
from metronome.kernel.writing import Texts, number_text
from metronome.model import F64, I64, KIND_CODES, U8, Kind

TYPES: Final = ("counter", "gauge", "summary", "histogram")
"""What a family can be; ``heads`` speaks of them from 1."""
UNITS: Final = (
    *("seconds", "milliseconds", "bytes", "ratio", "celsius", "meters", "volts", "amperes", "joules"),
    *("grams", "percent"),
)
NONE: Final = -1
"""Instead of the number of a word: there is none."""


class Samples(NamedTuple):
    """Lines to be written, of which each is of one of the texts; those of one follow each other."""

    texts: Texts
    """Keys of series."""
    counters: U8
    """Of each text: whether it is of a counter's family."""
    rows: I64
    """Of each line: its text."""
    suffixes: U8
    """Of each line: which of ``SUFFIXES`` its name has."""
    labels: I64
    """Of each line: the word behind its labels."""
    values: F64
    tails: I64
    """Of each line: the word behind its value."""
    heads: U8
    """Of each line: 0, or the type (from 1) of the family that begins with it."""
    helps: I64
    """Of each line that begins a family: the word that is its help; ``NONE``: name and kind."""


def write_samples(
    samples: Samples, words: tuple[bytes, ...], escaping: Escaping, open_metrics: bool
) -> bytes:
    """The lines.  ``ValueError`` when the arrays do not fit each other."""
    check(samples, words)
    texts = samples.texts
    flat = texts.flat.tobytes()
    series = [
        _Series(flat[begin:end], bool(counter), escaping)
        for begin, end, counter in zip(
            texts.begins.tolist(), texts.ends.tolist(), samples.counters.tolist(), strict=True
        )
    ]
    pieces: list[bytes] = []
    lines = zip(*(column.tolist() for column in samples[2:]), strict=True)
    for row, suffix, label, value, tail, head, help_word in lines:
        one = series[row]
        if head:
            meaning = None if help_word == NONE else words[help_word]
            pieces += one.head(TYPES[head - 1], meaning, open_metrics)
        word = b"" if label == NONE else words[label]
        behind = b"" if tail == NONE else words[tail]
        pieces += (one.begin(suffix, word), b" ", value_text(value).encode(), behind, b"\n")
    return b"".join(pieces)


def check(samples: Samples, words: tuple[bytes, ...]) -> None:
    """Raise ``ValueError`` when the arrays do not fit each other."""
    texts, lines = samples.texts, len(samples.rows)
    check_texts(texts, samples.counters)
    if any(len(column) != lines for column in samples[2:]):
        raise ValueError("columns of different lengths")
    for column, least, end in (
        (samples.rows, 0, len(texts)),
        (samples.suffixes, 0, len(SUFFIXES)),
        (samples.labels, NONE, len(words)),
        (samples.tails, NONE, len(words)),
        (samples.helps, NONE, len(words)),
        (samples.heads, 0, len(TYPES) + 1),
    ):
        if lines and (column.min() < least or column.max() >= end):
            raise ValueError("a number of something that is not there")


def value_text(value: float) -> str:
    """A double as Prometheus reads it."""
    if math.isfinite(value):
        return number_text(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class _Series:
    """How one series is called."""

    def __init__(self, key: bytes, counter: bool, escaping: Escaping):
        name, labels = read(key)
        self._key = key
        self._name = name
        self._base = base_of(name, counter)
        self._counter = counter
        self._escaping = escaping
        self._labels = [
            _quoted_name(escaped(label, escaping, label=True), colon=False) + f'="{quoted(value)}"'
            for label, value in labels
        ]

    def begin(self, suffix: int, word: bytes) -> bytes:
        """What stands in front of the value."""
        name = sample_name(self._base, suffix, self._counter, self._escaping)
        labels = [*self._labels, *([_decoded(word)] if word else [])]
        shown = _quoted_name(name)
        if shown != name:
            text = f"{{{','.join([shown, *labels])}}}"
        else:
            text = f"{name}{{{','.join(labels)}}}" if labels else name
        return text.encode(errors="surrogateescape")

    def head(self, kind: str, meaning: bytes | None, open_metrics: bool) -> Iterator[bytes]:
        """HELP, TYPE and UNIT."""
        name = family_name(self._base, self._counter, self._escaping, open_metrics)
        shown = _quoted_name(name)
        word = Kind(max(KIND_CODES.find(self._key[:1]), 0)).word
        told = f"{self._name} ({word})" if meaning is None else _decoded(meaning)
        told = told.replace("\\", r"\\").replace("\n", r"\n")
        if open_metrics:
            told = told.replace('"', r"\"")
        lines = f"# HELP {shown} {told}\n# TYPE {shown} {kind}\n"
        unit = next((unit for unit in UNITS if name.endswith(f"_{unit}")), "")
        if open_metrics and unit:
            lines += f"# UNIT {shown} {unit}\n"
        yield lines.encode(errors="surrogateescape")


def _decoded(word: bytes) -> str:
    return word.decode(errors="surrogateescape")


def _quoted_name(name: str, colon: bool = True) -> str:
    """A name, in quotes where the old syntax does not know it."""
    plain = name.replace(":", "_") if colon else name
    old = plain.replace("_", "a").isalnum() and plain.isascii() and not plain[0].isdigit()
    return name if old else f'"{quoted(name)}"'
