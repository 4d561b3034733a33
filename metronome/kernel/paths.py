"""How a series is called in Graphite: a path in two halves, between which the stat goes.

The first half comes of the name, the second of the labels, which follow the whole path as
Graphite's tags, ``;label=value``.  There are four spellings:

- ``STATSD``: statsd's ``sanitizeKeyName`` for names, label names and values: a run of blanks
  becomes ``_``, ``/`` becomes ``-``, and what else is not a letter, digit or one of ``_-.=`` is
  left out.  A ``;``, which statsd lets stand, would begin a tag: a name goes without it, in a
  tag a run of them is ``_``.
- ``STATSD_TAGS_KEPT``: the same for names; of labels only what would end a tag is replaced, a run
  of blanks and ``;`` by ``_``.
- ``CARBON``: what carbon would not take as one word: a run of blanks, control characters and
  ``;`` becomes ``_``, in a label's name ``!``, ``^`` and ``=`` too; a value does not begin with ``~``.
- ``READY``: the halves stand there already, with NUL between them.

Graphite wants every tag to have a value, so one of which nothing is left is ``_``.  Blanks are
those of Unicode.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final

from metronome.model import Labels

_PLAIN: Final = re.compile(rb"[a-zA-Z_\-0-9.=]+")
"""Names that are paths as they are: nearly all."""
_BLANKS: Final = re.compile(r"\s+")
_UNWANTED: Final = re.compile(r"[^a-zA-Z_\-0-9.;=]")
_ENDS_TAG: Final = re.compile(r"[\s;]+")
_UNSAFE: Final = re.compile(r"[\s\x00-\x1f\x7f;]+")
_UNSAFE_TAG_NAME: Final = re.compile(r"[\s\x00-\x1f\x7f;!^=]+")


class Spelling(IntEnum):
    """What becomes of a series' key, or stands in its place."""

    READY = 0
    STATSD = 1
    STATSD_TAGS_KEPT = 2
    CARBON = 3


def sanitized(name: str) -> str:
    """A name as statsd cleans it: blanks to ``_``, ``/`` to ``-``, what else is not a letter,
    digit or one of ``_-.;=`` is left out."""
    return _UNWANTED.sub("", _BLANKS.sub("_", name).replace("/", "-"))


def safe_path(name: str) -> str:
    """A series name as a path that is one word for carbon: what would end it becomes ``_``."""
    return _UNSAFE.sub("_", name)


def safe_value(value: str) -> str:
    """A label's value as that of a tag, which is not empty."""
    text = _UNSAFE.sub("_", value) or "_"
    return "_" + text[1:] if text.startswith("~") else text


def tag_text(labels: Labels) -> str:
    """Labels as ``;name=value…`` that carbon takes; an empty value is sent as ``_``."""
    return "".join(f";{_UNSAFE_TAG_NAME.sub('_', name)}={safe_value(value)}" for name, value in labels)


def path_of(key: bytes, spelling: Spelling) -> tuple[bytes, bytes]:
    """The two halves of the path of a series' key."""
    if spelling == Spelling.READY:
        ready, _, tags = key.partition(b"\0")
        return ready, tags
    if spelling != Spelling.CARBON and _PLAIN.fullmatch(key, 1):
        return key[1:], b""
    name, *texts = key[1:].decode(errors="surrogateescape").split("\0")
    labels = tuple(zip(texts[::2], texts[1::2], strict=False))
    if spelling == Spelling.CARBON:
        head, tail = safe_path(name), tag_text(labels)
    else:
        clean = _statsd_tag if spelling == Spelling.STATSD else _kept_tag
        head = sanitized(name).replace(";", "")
        tail = "".join(f";{clean(label)}={clean(value) or '_'}" for label, value in labels)
    return head.encode(errors="surrogateescape"), tail.encode(errors="surrogateescape")


def _statsd_tag(text: str) -> str:
    return _ENDS_TAG.sub("_", sanitized(text))


def _kept_tag(text: str) -> str:
    return _ENDS_TAG.sub("_", text)
