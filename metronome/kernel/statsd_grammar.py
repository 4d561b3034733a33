"""One statsd line: the union of what statsd, DogStatsD 1.6 and their followers understand.

::

    line   = name ":" group *(":" group) *("|" field)
    group  = values "|" type *("|@" rate)
    values = item *(":" item)                 a set has one item, colons and all

*Types.*  ``c`` and ``m`` count, ``C`` (brubeck's) is a counter's running total, ``ms``, ``h`` and ``d`` are
timers, ``g`` and ``kv`` (statsite's) set a gauge, ``s`` is a set.

*Several values.*  DogStatsD packs ``a:1:2:3|ms``; empty items are skipped, a list of nothing
else is a line without samples.  Old statsd groups ``a:1|c:2|ms``; each group has its own type
and rate, all else is the line's.  A colon opens a group behind a type, behind a rate, or at the
start of a field, as long as no tags came: from there on it belongs to the fields.

*Fields* come in any order: ``@`` rate, ``#`` tags, ``T`` Unix seconds, ``c:`` container, ``e:`` external
data, ``card:`` cardinality.  Several sections of tags are one; of the others the last stands.
Every other field is skipped and fails nothing.

*Rates* are numbers in (0, 1]; a rate so small that 1/rate overflows is none.  Gauges and sets do
not use theirs.  A value that overflows when divided by its rate is ``not_finite``.

*Times* (``T``) are for counters and gauges, above 0 and not later than ``LATEST_MS``, else
``bad_time``; on timers and sets they say nothing.

*Blanks* (spaces and tabs) around a number or a type and at the end of a line are not part of it:
shell scripts send ``a:$(wc -l < file)|c``, and ``wc`` puts blanks in front.

*Numbers* are decimals, or literals as others read them (``number.py``): ``0x1f``, ``1_000``.  Times are
decimals only.

*Gauges.*  ``+`` or ``-`` in front changes the gauge (``dialect.gauge_delta``), otherwise it is the
sign.  ``=`` in front sets it whatever follows: ``a:=-5|g``.  With a time the sign is a sign too,
because there is nothing in the past to add to.  ``kv`` has no changes: its sign is a sign.

*Running totals.*  What ``C`` sends is how far a counter is.  The counter grows by the difference to the
last total, and by all of a total that is lower, because whoever counts began anew; the first one
is where it starts.  Without a past to compare with, a time says nothing of it.

*Events* ``_e{T,X}:title|text`` and checks ``_sc|name|0-3``: only their shape is looked at.

The checks are made in the order of the line, values last; the first that fails refuses it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from metronome.kernel.interface import Dialect
from metronome.kernel.naming import Naming
from metronome.kernel.number import read_literal, read_number
from metronome.limits import LATEST_MS
from metronome.model import Kind

_KINDS = {
    b"c": Kind.COUNTER,
    b"m": Kind.COUNTER,
    b"C": Kind.COUNTER,
    b"ms": Kind.TIMER,
    b"h": Kind.TIMER,
    b"d": Kind.TIMER,
    b"g": Kind.GAUGE,
    b"kv": Kind.GAUGE,
    b"s": Kind.SET,
}
_ORIGINS = ((b"c:", b"container_id"), (b"e:", b"external_data"), (b"card:", b"cardinality"))
_EVENT = re.compile(rb"_e\{([0-9]{1,5}),([0-9]{1,5})\}:")
_CHECK = re.compile(rb"_sc\|[^|]+\|[0-3](?:\||\Z)")
_BLANKS = b" \t"
_LARGEST = 1.7976931348623157e308


class Item(NamedTuple):
    """One value: a number, or the raw member of a set."""

    value: float | bytes
    delta: bool
    """Of a gauge: a change."""
    total: bool
    """Of a counter: how far it is."""


class Group(NamedTuple):
    """Values of one type and rate."""

    word: bytes
    """The type as sent."""
    kind: Kind
    rate: float
    items: list[Item]


class Line(NamedTuple):
    """A good line.  ``time`` is epoch seconds, None where the samples belong to now."""

    naming: Naming
    groups: list[Group]
    time: float | None


_Raw = tuple[bytes, bytes, float]
"""A group with its values unread: values, type, rate."""


class _Fields:
    """The fields of a line while it is read."""

    def __init__(self) -> None:
        self.tags: bytes | None = None
        self.time: bytes | None = None
        self.origin: dict[bytes, bytes] = {}

    def take(self, field: bytes, dialect: Dialect) -> None:
        if field[:1] == b"#" and dialect.dogstatsd_tags:
            self.tags = field[1:] if self.tags is None else self.tags + b"," + field[1:]
        elif field[:1] == b"T":
            self.time = field[1:]
        elif dialect.container_labels:
            for mark, label in _ORIGINS:
                if field.startswith(mark):
                    self.origin[label] = field[len(mark) :]


def is_event(line: bytes) -> bool:
    """Whether the line is a DogStatsD event or service check."""
    return line.startswith((b"_e{", b"_sc|"))


def event_is_good(line: bytes) -> bool:
    """Whether an event's lengths fit its text, or a check has a name and a status."""
    if line.startswith(b"_sc|"):
        return _CHECK.match(line) is not None
    head = _EVENT.match(line)
    if head is None:
        return False
    title, text = int(head[1]), int(head[2])
    middle = head.end() + title
    end = middle + 1 + text
    if not title or end > len(line):
        return False
    return line[middle : middle + 1] == b"|" and line[end : end + 1] in (b"", b"|")


def read_line(line: bytes, dialect: Dialect) -> Line | str:
    """A line that is no event, or the reason why it is refused."""
    name, colon, rest = line.rstrip(_BLANKS).partition(b":")
    if not colon or b"|" in name:
        return "malformed_line"
    if not name:
        return "bad_name"
    fields = _Fields()
    raw = _read_groups(rest.split(b"|"), fields, dialect)
    if isinstance(raw, str):
        return raw
    time: float | None = None
    if fields.time is not None and any(has_time(word) for _, word, _ in raw):
        seconds = read_number(fields.time.strip(_BLANKS))
        if isinstance(seconds, str) or not 0 < seconds * 1000 <= LATEST_MS:
            return "bad_time"
        time = seconds
    groups = []
    for values, word, rate in raw:
        items = read_items(values, word, rate, dialect.gauge_delta and time is None)
        if isinstance(items, str):
            return items
        groups.append(Group(word, _KINDS[word], rate, items))
    origin = tuple((label, fields.origin[label]) for _, label in _ORIGINS if fields.origin.get(label))
    return Line(Naming(name, fields.tags, origin), groups, time)


def _read_groups(texts: list[bytes], fields: _Fields, dialect: Dialect) -> list[_Raw] | str:
    """The groups, values unread; the other fields go to ``fields``."""
    groups: list[_Raw] = []
    values, index, tagged = texts[0], 1, False
    while True:
        if index == len(texts):
            return "malformed_line"
        word, more, after = texts[index].partition(b":")
        index += 1
        word = word.strip(_BLANKS)
        if not word:
            return "malformed_line"
        if word not in _KINDS:
            return "bad_type"
        rate = 1.0
        while not more and index < len(texts):
            field = texts[index]
            index += 1
            if field[:1] == b"@":
                text, more, after = (field, b"", b"") if tagged else field.partition(b":")
                rate = read_rate(text[1:])
                if not rate:
                    return "bad_rate"
            elif not tagged and field[:1] == b":" and len(field) > 1:
                more, after = b":", field[1:]
            else:
                fields.take(field, dialect)
                tagged = tagged or field[:1] == b"#"
        groups.append((values, word, rate))
        if not more:
            return groups
        values = after


def read_rate(text: bytes) -> float:
    """A sample rate; 0 where it is not in (0, 1]."""
    rate = read_literal(text.strip(_BLANKS))
    if isinstance(rate, str) or not 0 < rate <= 1 or 1 / rate > _LARGEST:
        return 0.0
    return rate


def has_time(word: bytes) -> bool:
    """Whether a time says anything of samples of this type."""
    return _KINDS[word] in (Kind.COUNTER, Kind.GAUGE) and word != b"C"


def converted(group: Group, factor: float) -> list[Item] | str:
    """The values in the unit and scale of the mapping rule that named their series, or why one of them is
    no number then.  Rules think in seconds: what was sent as ``ms`` becomes that first."""
    items = []
    for item in group.items:
        if isinstance(item.value, bytes):
            return group.items
        value = (item.value / 1000 if group.word == b"ms" else item.value) * factor
        if abs(value / (1.0 if group.kind == Kind.GAUGE else group.rate)) > _LARGEST:
            return "not_finite"
        items.append(item._replace(value=value))
    return items


def read_items(values: bytes, word: bytes, rate: float, deltas: bool) -> list[Item] | str:
    """The values of a group, or why one of them is none."""
    kind = _KINDS[word]
    if kind == Kind.SET:
        return [Item(values, False, False)] if values else []
    items = []
    for text in values.split(b":"):
        if not text:
            continue
        text = text.strip(_BLANKS)
        delta = word == b"g" and deltas and text[:1] in (b"+", b"-")
        value = read_literal(text[1:] if kind == Kind.GAUGE and text[:1] == b"=" else text)
        if isinstance(value, str):
            return value
        if kind != Kind.GAUGE and abs(value / rate) > _LARGEST:
            return "not_finite"
        items.append(Item(value, delta, word == b"C"))
    return items
