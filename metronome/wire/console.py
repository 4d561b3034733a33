"""statsd's admin console: command lines in, replies out, byte for byte as statsd gives them.

A command is the first word of a line; words are separated by blanks.  What statsd prints of its
tables is Node's rendering of an object (``util.inspect``), which scripts have learnt to read:

- ``{ 'a.b': 1, c: 2 }`` on one line where that has room in 80 columns, else an entry a line;
  names that are no JavaScript identifier stand in quotes.
- a list ``[ 1, 2.5 ]`` likewise; of more than 100 values the first 100 and how many more there
  are; more than 6 values stand in columns, if they are not too wide.
- numbers as JavaScript writes them: ``1e+21``, ``0.00001``, ``1e-7``, ``-0``.

Of objects that nest deeper, or of other values, nothing is printed, so nothing is written here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

END: Final = "END\n\n"
ERROR: Final = "ERROR\n"
HELP: Final = (
    "Commands: stats, counters, timers, gauges, delcounters, deltimers, delgauges, health, config, quit\n\n"
)
"""statsd's own words; ``help all`` has ours as well."""
HELP_ALL: Final = HELP.rstrip("\n") + "\nMetronome's: sets, delsets, top, rejects, unmapped\n\n"

_WIDTH: Final = 80
_ITEMS: Final = 100
_TOGETHER: Final = 6
_COLUMNS: Final = 12
"""Three lines' worth of four columns: what Node's ``compact: 3`` allows."""
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z_0-9]*")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f'\\\ud800-\udfff]")
_ESCAPES: Final = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "'": "\\'", "\\": "\\\\"}


class Many(NamedTuple):
    """A list of which only the beginning is at hand."""

    first: Sequence[float]
    number: int
    """How long it is."""


def listing(table: Mapping[str, float | Many]) -> str:
    """The reply to ``counters``, ``gauges``, ``timers`` and ``sets``."""
    return f"{inspected(table)}\n{END}"


def lines(pairs: Iterable[tuple[str, object]]) -> str:
    """``name: value`` a line, as ``stats`` has them before its ``END``."""
    return "".join(f"{name}: {value}\n" for name, value in pairs)


def deletion(asked: Sequence[str], names: Iterable[str]) -> tuple[list[str], str]:
    """What ``delcounters`` and its like delete of these names, and their reply.

    ``a.b.*`` means everything below ``a.b.``; any other word is one name.
    """
    left = dict.fromkeys(names)
    gone: list[str] = []
    reply = ""
    for word in asked:
        found = [word] if word in left else []
        if word.endswith(".*"):
            found += [name for name in left if name.startswith(word[:-1]) and name != word]
        if not found:
            reply += f"metric {word} not found\n"
        for name in found:
            del left[name]
            reply += f"deleted: {name}\n"
        gone += found
    return gone, reply + END


def inspected(table: Mapping[str, float | Many]) -> str:
    """An object as Node prints it."""
    if not table:
        return "{}"
    entries = [f"{_key(name)}: {_value(value)}" for name, value in table.items()]
    return _wrapped(entries, "{}", 0)


def number_text(value: float) -> str:
    """A number as JavaScript prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = _decimal(value)
    point = len(digits) + exponent
    if len(digits) <= point <= 21:
        return sign + digits + "0" * exponent
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{point - 1:+d}"


def _decimal(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits without zeros at either end, and the exponent of the last one."""
    mantissa, _, power = repr(float(value)).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    return sign, kept, int(power or 0) - len(fraction) + len(digits) - len(kept)


def _key(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    quote = "'"
    if "'" in name:
        quote = '"' if '"' not in name else "`" if "`" not in name and "${" not in name else "'"
    escaped = _UNSAFE.sub(lambda found: found[0] if found[0] == "'" != quote else _escaped(found[0]), name)
    return f"{quote}{escaped}{quote}"


def _escaped(char: str) -> str:
    code = ord(char)
    return _ESCAPES.get(char) or (f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}")


def _value(value: float | Many) -> str:
    if not isinstance(value, Many):
        return number_text(value)
    if not value.number:
        return "[]"
    items = [number_text(item) for item in value.first[:_ITEMS]]
    more = value.number - len(items)
    if more:
        items.append(f"... {more} more item{'s' if more > 1 else ''}")
    return _wrapped(items, "[]", 2)


def _wrapped(entries: list[str], braces: str, indent: int) -> str:
    """Entries on one line where they fit, else one a line; a list's in columns."""
    opening, closing = braces[0], braces[1]
    rows = _in_columns(entries, indent) if opening == "[" and len(entries) > _TOGETHER else entries
    if len(rows) == len(entries):
        width = sum(map(len, entries)) + len(entries) + (len(entries) + indent + 1 + 10)
        text = ", ".join(entries)
        if width <= _WIDTH and "\n" not in text:
            return f"{opening} {text} {closing}"
    start = "\n" + " " * indent
    return f"{opening}{start}  " + f",{start}  ".join(rows) + f"{start}{closing}"


def _in_columns(entries: list[str], indent: int) -> list[str]:
    """Numbers under one another, right-aligned, in about as many columns as rows by area."""
    items, more = (entries[:_ITEMS], entries[_ITEMS:]) if len(entries) > _ITEMS else (entries, [])
    widths = [len(item) + 2 for item in items]
    widest, total = max(widths), sum(widths)
    if widest * 3 + indent >= _WIDTH or not (total / widest > 5 or widest <= 8):
        return entries
    bias = max(widest - 3 - math.sqrt(widest - total / len(entries)), 1)
    columns = min(
        math.floor(math.sqrt(2.5 * bias * len(items)) / bias + 0.5),
        (_WIDTH - indent) // widest,
        _COLUMNS,
    )
    if columns <= 1:
        return entries
    room = [max(widths[column::columns]) for column in range(columns)]
    rows = []
    for begin in range(0, len(items), columns):
        row = items[begin : begin + columns]
        cells = [f"{item}, ".rjust(width) for item, width in zip(row[:-1], room, strict=False)]
        rows.append("".join(cells) + row[-1].rjust(room[len(row) - 1] - 2))
    return rows + more
