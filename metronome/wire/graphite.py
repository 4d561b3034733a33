"""Graphite's plaintext form, written: ``path value timestamp`` and a line feed.

carbon's rules that the writer obeys: the path holds no white space; tags follow it as
``;name=value``, sorted by name; a tag name holds none of ``;!^=``, a value no ``;`` and no
leading ``~``, and neither is empty; the timestamp is in whole seconds.

Reading plaintext is the kernel's business, because it has to be fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from metronome.model import Labels

_UNSAFE_PATH = re.compile(r"[\s\x00-\x1f\x7f;]+")
_UNSAFE_TAG_NAME = re.compile(r"[\s\x00-\x1f\x7f;!^=]+")
_UNSAFE_TAG_VALUE = re.compile(r"[\s\x00-\x1f\x7f;]+")
_EXACT_INTEGERS: Final = 1e15
"""Below this a whole number prints the same with and without a decimal point."""


class Line(NamedTuple):
    """One value of one path."""

    path: str
    value: float
    time: int
    """Epoch seconds."""


def safe_path(name: str) -> str:
    """A series name as a path that is one word: what would end it becomes ``_``."""
    return _UNSAFE_PATH.sub("_", name)


def tag_text(labels: Labels) -> str:
    """Labels as ``;name=value…``; an empty value is sent as ``_``."""
    return "".join(f";{_UNSAFE_TAG_NAME.sub('_', name)}={safe_value(value)}" for name, value in labels)


def number_text(value: float) -> str:
    """The shortest decimal text that reads back as the same double."""
    if -_EXACT_INTEGERS < value < _EXACT_INTEGERS and value == int(value):
        return str(int(value))
    return repr(value)


def encode(points: Iterable[Line]) -> bytes:
    """Write finite values as lines; paths must be safe already."""
    return "".join([f"{path} {number_text(value)} {time}\n" for path, value, time in points]).encode()


def safe_value(value: str) -> str:
    """A label's value as that of a tag, which is not empty."""
    text = _UNSAFE_TAG_VALUE.sub("_", value) or "_"
    return "_" + text[1:] if text.startswith("~") else text
