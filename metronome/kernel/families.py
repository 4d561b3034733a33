"""How a series is called on ``/metrics``: the pure twin of ``family.c``.

A name is what was sent, escaped to what Prometheus takes, and a label's name too.  There are
four escapings, as a client may ask for (Prometheus' "Content negotiation" and "Escaping schemes"):

- ``UNDERSCORES``: what is no letter, digit or ``_`` becomes ``_``; what begins with a digit gets a
  ``_`` in front, and an empty name is ``_``.
- ``DOTS``: a dot becomes ``_dot_``, ``_`` becomes ``__``, and anything else that would not do ``__``.
- ``VALUES``: a name that would not do is ``U__`` and then, of each character that would not, its
  hexadecimal number between two ``_``; ``_`` becomes ``__``.  A name that begins with ``U__`` would
  not do, or it could be another's.
- ``UTF8``: names stay what they are; those that the old syntax does not know stand in quotes.

A counter ends in ``_total``; where its own name does in some form (``a.total``) that is the one.
Its suffix is escaped with it; the suffixes of summaries and histograms stand behind what is escaped.

The labels ``le``, ``quantile`` and ``stream`` belong to the page, and Prometheus keeps what begins with
``__`` for itself: a sender's own label of such a name is ``exported_NAME``.  Labels are in the order
of their names with underscores; of those that are equal so, the first in the key stands.

Two series are one and the same to Prometheus if names and labels are equal, where a label
without a value is as good as none.  Whether they are is asked of their names with underscores,
whatever a client prefers: what differs there differs in every escaping, because each of the
others says what stands there with underscores.  ``page_ids`` has the hashes by which that is told,
and one of the name as it was sent: two names that are one with underscores are two in the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from metronome.kernel.hash64 import hash64
from metronome.kernel.writing import Texts
from metronome.model import U8, U64

SUFFIXES: Final = ("", "_total", "_created", "_sum", "_count", "_bucket")
"""What stands behind the name of a family in the name of a sample."""
TOTAL: Final = SUFFIXES.index("_total")
CREATED: Final = SUFFIXES.index("_created")
STEM: Final = len(SUFFIXES)
SERIES: Final = STEM + 1
SPELLING: Final = STEM + 2
COLUMNS: Final = STEM + 3
"""Of the ids of a row: the family's name with each suffix, without the one that it ends in, the series,
the family's name as it was sent."""

_NOT_WORD: Final = re.compile(r"[^a-zA-Z0-9_]")
_OLD_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OLD_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED: Final = ("le", "quantile", "stream")


class Escaping(IntEnum):
    """What becomes of characters that the old syntax does not know."""

    UNDERSCORES = 0
    DOTS = 1
    VALUES = 2
    UTF8 = 3


class PageIds(NamedTuple):
    """Hashes of what series are called on the page."""

    ids: U64
    """A row for each series: the name of its family with each of ``SUFFIXES``, then without the
    suffix that it ends in, then name and labels, then the name as it was sent."""
    endings: U8
    """Which suffix that is; 0 where it ends in none."""


def metric_name(text: str) -> str:
    """Any text as a name of letters, digits and underscores."""
    name = _NOT_WORD.sub("_", text)
    return name if name and not name[0].isdigit() else "_" + name


def base_of(name: str, counter: bool) -> str:
    """The name of a family, not escaped: of a counter without a ``_total`` that it ends in."""
    size = len(SUFFIXES[TOTAL])
    if counter and len(name) > size and _NOT_WORD.sub("_", name[-size:]) == SUFFIXES[TOTAL]:
        return name[:-size]
    return name or "_"


def escaped(text: str, escaping: Escaping, label: bool = False) -> str:
    """A name in one of the escapings; with ``UTF8`` as it is, not quoted."""
    if escaping is Escaping.UNDERSCORES:
        return metric_name(text)
    if escaping is Escaping.UTF8:
        return text or "_"
    old = _OLD_LABEL if label else _OLD_METRIC
    if escaping is Escaping.VALUES:
        if not text or (old.fullmatch(text) and not text.startswith("U__")):
            return text or "_"
        return "U__" + "".join([_by_value(letter, not at, label) for at, letter in enumerate(text)])
    name = "".join([_dotted(letter, label) for letter in text])
    return name if name and not name[0].isdigit() else "__" + name


def _by_value(letter: str, first: bool, label: bool) -> str:
    if letter == "_":
        return "__"
    if (letter == ":" and not label) or (letter.isascii() and letter.isalpha()):
        return letter
    return letter if letter in "0123456789" and not first else f"_{ord(letter):x}_"


def _dotted(letter: str, label: bool) -> str:
    if letter == ".":
        return "_dot_"
    if (letter.isascii() and letter.isalnum()) or (letter == ":" and not label):
        return letter
    return "__"


def sample_name(base: str, suffix: int, counter: bool, escaping: Escaping) -> str:
    """The name of a sample of the family with this base."""
    if counter:
        return escaped(base + SUFFIXES[suffix], escaping)
    return escaped(base, escaping) + SUFFIXES[suffix]


def family_name(base: str, counter: bool, escaping: Escaping, open_metrics: bool) -> str:
    """The name of a family in HELP and TYPE: of a counter in OpenMetrics without ``_total``."""
    if not counter:
        return escaped(base, escaping)
    name = sample_name(base, TOTAL, True, escaping)
    return name.removesuffix("_total") if open_metrics else name


def labels_of(pairs: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """A series' labels under the names that they have on the page, not escaped, in their order."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in pairs:
        plain = metric_name(name)
        if plain.startswith("__") or plain in _RESERVED:
            plain, name = f"exported_{plain}", f"exported_{name}"
        found.setdefault(plain, (name, value))
    return [found[plain] for plain in sorted(found)]


def read(key: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Name and labels of a series' key; what is not UTF-8 is as good as a character."""
    name, *texts = key[1:].decode(errors="surrogateescape").split("\0")
    return name, labels_of(zip(texts[::2], texts[1::2], strict=False))


def quoted(value: str) -> str:
    """A label's value as it stands between quotes."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def check_texts(texts: Texts, counters: U8) -> None:
    """Raise ``ValueError`` when the arrays do not fit each other."""
    if len(counters) != len(texts) or len(texts.ends) != len(texts.begins):
        raise ValueError("not as many ends, or types, as texts")
    wrong = (texts.begins < 0) | (texts.begins >= texts.ends) | (texts.ends > len(texts.flat))
    if wrong.any():
        raise ValueError("a text is empty or lies outside of the bytes")


def page_ids(texts: Texts, counters: U8) -> PageIds:
    """The hashes of series' keys; ``counters`` says which are counters' families.  ``ValueError`` when
    the arrays do not fit each other."""
    check_texts(texts, counters)
    ids = np.zeros((len(texts), COLUMNS), np.uint64)
    endings = np.zeros(len(texts), np.uint8)
    flat = texts.flat.tobytes()
    rows = zip(texts.begins.tolist(), texts.ends.tolist(), counters.tolist(), strict=True)
    for row, (begin, end, counter) in enumerate(rows):
        name, labels = read(flat[begin:end])
        spelling = base_of(name, bool(counter))
        base = metric_name(spelling)
        ending = next((at for at in range(1, len(SUFFIXES)) if base.endswith(SUFFIXES[at])), 0)
        stem = base.removesuffix(SUFFIXES[ending])
        labelled = "".join([f'{metric_name(one)}="{quoted(value)}",' for one, value in labels if value])
        names = [*(base + suffix for suffix in SUFFIXES), stem, f"{base}{{{labelled}", spelling]
        ids[row] = [hash64(text.encode(errors="surrogateescape")) for text in names]
        endings[row] = ending
    return PageIds(ids, endings)
