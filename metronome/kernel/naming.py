"""From what a line says to the name and labels of its series.

*Names.*  A name without labels goes through statsd's own sanitising (a run of blanks becomes
``_``, ``/`` becomes ``-``, everything but ``[a-zA-Z0-9_.;=-]`` goes).  A name with labels is kept as
sent, without control characters.  If there is a mapper, both go through it with their labels.
What is empty then, or longer than ``NAME_BYTES``, is ``bad_name``.

*Text.*  Bytes that are not UTF-8 and NUL become U+FFFD.  Label names are made to fit the
model (other characters become ``_``, a ``_`` goes in front of a leading digit, dot or dash),
because clients are never changed.  Of a repeated label the last value stands.

*DogStatsD tags* ``|#k:v,k2:v2,bare``.  A tag without a colon says that something is so and
gets the value ``true``; ``k:`` keeps its empty value; one without a name says nothing and
is dropped, as are empty items.  One ``#`` in front of each tag is not part of it; so it is
in Influx, Librato and SignalFx tags.

*Tags in the name*: Influx ``name,k=v``, Librato ``name#k=v``, Graphite ``name;k=v``, SignalFx
``name[k=v]rest``.  Tags without name or value are dropped, as the programs that brought these
styles do.  A mark only opens tags when a ``=`` follows somewhere (statsd clients that call
something ``C#.calls`` mean it), a closed pair of brackets always does, a lone bracket means
that the name has no tags at all.  The first mark decides; a second style in the same name,
or one in the name and DogStatsD's after it, is ``mixed_tag_styles``.  A style that is
switched off is part of the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from metronome.kernel.interface import Dialect, Mapped, Mapper
from metronome.limits import LABEL_VALUE_BYTES, LABELS_PER_SERIES, NAME_BYTES
from metronome.model import Labels, canonical_labels

_BLANKS = re.compile(rb"[ \t\n\v\f\r]+")
_NOT_STATSD = re.compile(rb"[^a-zA-Z0-9_.;=-]")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_.-]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PAIR = rb"[a-zA-Z_][a-zA-Z0-9_.-]*="


class Naming(NamedTuple):
    """What of a line decides which series it belongs to, as sent.

    ``tags`` is the DogStatsD section without ``|#``, None where there is none; ``origin`` holds
    the container labels (name and value) where the dialect wants them.
    """

    name: bytes
    tags: bytes | None
    origin: tuple[tuple[bytes, bytes], ...]


class NameAndLabels(NamedTuple):
    """A series without its kind, and what mapping rules say of it, where there are any."""

    name: str
    labels: Labels
    mapped: Mapped | None = None


def clean(raw: bytes) -> str:
    """Text off the wire: invalid UTF-8 and NUL replaced."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def sanitised(raw: bytes) -> str:
    """A name as statsd would store it."""
    return _NOT_STATSD.sub(b"", _BLANKS.sub(b"_", raw).replace(b"/", b"-")).decode("ascii")


def kept(raw: bytes) -> str:
    """A name with labels: as sent, without control characters."""
    return _CONTROL.sub("", clean(raw))


def label_name(raw: bytes) -> str:
    """A label name made to fit ``[A-Za-z_][A-Za-z0-9_.-]*``."""
    text = _NOT_LABEL.sub("_", clean(raw))
    return text if text[:1].isalpha() or text[:1] == "_" else "_" + text


def add_label(labels: dict[str, str], name: bytes, value: bytes) -> str:
    """Add one label; the reason where it cannot be, else an empty string."""
    word, text = label_name(name), clean(value)
    if len(word) > NAME_BYTES or len(text.encode()) > LABEL_VALUE_BYTES:
        return "bad_label"
    if word not in labels and len(labels) == LABELS_PER_SERIES:
        return "too_many_labels"
    labels[word] = text
    return ""


def add_tags(labels: dict[str, str], section: bytes) -> str:
    """Add the labels of a DogStatsD section; a reason or an empty string."""
    for item in section.split(b","):
        name, colon, value = item.removeprefix(b"#").partition(b":")
        if name and (reason := add_label(labels, name, value if colon else b"true")):
            return reason
    return ""


def add_pairs(labels: dict[str, str], section: bytes, separator: bytes) -> str:
    """Add the labels of tags in a name; a reason or an empty string."""
    for item in section.split(separator):
        name, _, value = (item.removeprefix(b"#") if separator == b"," else item).partition(b"=")
        if name and value and (reason := add_label(labels, name, value)):
            return reason
    return ""


def _marks(dialect: Dialect) -> bytes:
    styles = ((b",", dialect.influx_tags), (b"#", dialect.librato_tags), (b";", dialect.graphite_tags))
    return b"".join(mark for mark, wanted in styles if wanted)


def _find_mark(raw: bytes, marks: bytes) -> int:
    last = raw.rfind(b"=")
    return next((index for index in range(last) if raw[index] in marks), -1)


def _second_style(section: bytes, mark: bytes, marks: bytes) -> bool:
    """Whether tags that ``mark`` opened hold a pair of another style."""
    if mark == b";":
        others = [bytes([other]) for other in marks if other in b",#"]
        return any(re.search(re.escape(other) + _PAIR, section) for other in others)
    graphite = b";" in marks and re.search(b";" + _PAIR, section)
    librato = mark == b"," and b"#" in marks and re.search(b"[^,]#" + _PAIR, section)
    return bool(graphite or librato)


def split_name(raw: bytes, dialect: Dialect) -> tuple[bytes, bytes, bytes] | str:
    """A raw name as (name, tags, separator of the tags), or why it has none."""
    marks = _marks(dialect)
    if dialect.signalfx_tags and (b"[" in raw or b"]" in raw):
        begin, end = raw.find(b"["), raw.find(b"]")
        if not 0 <= begin < end:
            return raw, b"", b","
        name = raw[:begin] + raw[end + 1 :]
        return "mixed_tag_styles" if _find_mark(name, marks) >= 0 else (name, raw[begin + 1 : end], b",")
    index = _find_mark(raw, marks)
    if index < 0:
        return raw, b"", b","
    mark, section = raw[index : index + 1], raw[index + 1 :]
    if _second_style(section, mark, marks):
        return "mixed_tag_styles"
    return raw[:index], section, b";" if mark == b";" else b","


def statsd_series(naming: Naming, kind: int, dialect: Dialect, mapper: Mapper | None) -> NameAndLabels | str:
    """The series of a statsd line, or why it has none."""
    labels: dict[str, str] = {}
    split = split_name(naming.name, dialect)
    if isinstance(split, str):
        return split
    raw, section, separator = split
    reason = add_pairs(labels, section, separator)
    if not reason and naming.tags:
        reason = "mixed_tag_styles" if labels else add_tags(labels, naming.tags)
    if reason:
        return reason
    name = kept(raw) if labels else sanitised(raw)
    mapped: Mapped | None = None
    if name and mapper is not None:
        mapped = mapper(name, kind, canonical_labels(labels))
        if mapped is None:
            return "mapping_drop"
        if mapped.ruled:
            name, labels = kept(mapped.name.encode()), {}
            reason = _add_all(labels, [(label.encode(), value.encode()) for label, value in mapped.labels])
    reason = reason or _add_all(labels, naming.origin) or check_name(name)
    return reason or NameAndLabels(name, canonical_labels(labels), mapped)


def _add_all(labels: dict[str, str], pairs: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in pairs:
        if reason := add_label(labels, name, value):
            return reason
    return ""


def check_name(name: str) -> str:
    """The reason where a name cannot be, else an empty string."""
    return "bad_name" if not name or len(name.encode()) > NAME_BYTES else ""


def finished(name: str, labels: dict[str, str]) -> NameAndLabels | str:
    """Check the name and sort the labels."""
    return check_name(name) or NameAndLabels(name, canonical_labels(labels))
