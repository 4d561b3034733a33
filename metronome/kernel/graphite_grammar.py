"""One line of Graphite's plaintext: ``path value [timestamp]``, as carbon and VictoriaMetrics read it.

Parts are separated by runs of spaces and tabs and read from the right, so that a path may
hold blanks: the last two parts of three or more are value and timestamp, of two the last is
the value.

*Times.*  None, ``-1``, ``N`` or ``n`` mean now.  Fractions count to the millisecond.  What is before
1970 or after ``LATEST_MS`` is ``bad_time``.

*Tags* ``path;tag=value;...`` and OpenMetrics' ``path{tag="value",...}`` (``\\"``, ``\\\\`` and ``\\n`` in
values, a comma at the end allowed; a value that never ends is ``bad_label``).  Tags without name
or value are dropped, label names are made to fit the model, of a repeated one the last stands.
With tags switched off both are part of the path.

*Paths* are kept as they are: no sanitising.  One with control characters, none at all, or more
than ``NAME_BYTES`` is ``bad_name``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from metronome.kernel.interface import Dialect
from metronome.kernel.naming import NameAndLabels, add_label, add_pairs, clean, finished
from metronome.kernel.number import read_number
from metronome.limits import EARLIEST_MS, LATEST_MS

_BLANKS = b" \t"
_RUN = re.compile(rb"[ \t]+")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_PAIR = re.compile(rb'[ ,]*([^=",{}]*)="((?:[^"\\]|\\.)*)"[ ]*(?=,|\Z)', re.DOTALL)
_ESCAPES = {b"\\\\": b"\\", b'\\"': b'"', b"\\n": b"\n"}


class Line(NamedTuple):
    """A good line; ``time_ms`` is None where it means now."""

    path: bytes
    value: float
    time_ms: int | None


def read_line(line: bytes) -> Line | str:
    """A line, or the reason why it is refused."""
    text = line.strip(_BLANKS)
    path, tail = _cut(text)
    if not tail:
        return "malformed_line"
    value = read_number(tail[0])
    if isinstance(value, str):
        return value
    if len(tail) == 1 or tail[1] in (b"N", b"n"):
        return Line(path, value, None)
    seconds = read_number(tail[1])
    if isinstance(seconds, str):
        return "bad_time"
    if seconds == -1:
        return Line(path, value, None)
    if not EARLIEST_MS <= seconds * 1000 <= LATEST_MS:
        return "bad_time"
    return Line(path, value, round(seconds * 1000))


def _cut(text: bytes) -> tuple[bytes, list[bytes]]:
    """The path, and the value and timestamp behind it; an empty list where there are none."""
    close = max(text.rfind(b"} "), text.rfind(b"}\t"))
    if close >= 0 and b"{" in text[:close]:
        tail = _RUN.split(text[close + 1 :].strip(_BLANKS))
        if len(tail) <= 2:
            return text[: close + 1], tail
    parts = _RUN.split(text)
    if len(parts) < 2:
        return text, []
    tail = parts[1:] if len(parts) == 2 else parts[-2:]
    head = text
    for part in reversed(tail):
        head = head.rstrip(_BLANKS).removesuffix(part)
    return head.rstrip(_BLANKS), tail


def graphite_series(path: bytes, dialect: Dialect) -> NameAndLabels | str:
    """The series of a path, or why it has none."""
    labels: dict[str, str] = {}
    name, reason = path, ""
    if dialect.graphite_tags and path.endswith(b"}") and b"{" in path:
        name, _, section = path[:-1].partition(b"{")
        reason = _add_quoted(labels, section)
    elif dialect.graphite_tags:
        name, _, section = path.partition(b";")
        reason = add_pairs(labels, section, b";")
    if reason:
        return reason
    if _CONTROL.search(name):
        return "bad_name"
    return finished(clean(name), labels)


def _add_quoted(labels: dict[str, str], section: bytes) -> str:
    index = 0
    while index < len(section):
        pair = _PAIR.match(section, index)
        if pair is None:
            return "bad_label" if section[index:].strip(b" ,") else ""
        value = re.sub(rb"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), pair[2], flags=re.DOTALL)
        name = pair[1].strip(b" ")
        if name and value and (reason := add_label(labels, name, value)):
            return reason
        index = pair.end()
    return ""
