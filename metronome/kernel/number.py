"""The number grammar of every text format, and the only place where the pure twin reads one.

``[+-]? digits [. digits] [e [+-] digits]``: either run of digits may be missing, not both.
No blanks, no ``_``, no hexadecimal.  ``nan``, ``inf`` and ``infinity`` (any case, any sign)
and decimals too large for a double are told apart as ``not_finite``, because a sender that
divides by zero is another fault than one that sends text.

*Literals* are what statsd's values may be as well, because servers read them with their language's
own function: ``_`` between two digits and hexadecimal floats (``0x1.8p-3``, with ``_`` behind the
``x`` too) as in Go; whole numbers without a sign behind ``0x``, ``0o`` or ``0b`` as in JavaScript.
"""

from __future__ import annotations

import re

from metronome.limits import NUMBER_BYTES

_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_INFINITY = float("inf")
_DIGITS = rb"[0-9](?:_?[0-9])*"
_HEX = rb"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_SPACED = re.compile(
    rb"[+-]?(?:D(?:\.D?)?|\.D)(?:[eE][+-]?D)?".replace(b"D?", b"(?:D)?").replace(b"D", _DIGITS)
)
_FLOAT = re.compile(
    rb"[+-]?0[xX](?:_?H(?:\.(?:H)?)?|\.H)[pP][+-]?D".replace(b"H", _HEX).replace(b"D", _DIGITS)
)
_WHOLE = re.compile(rb"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def read_number(text: bytes) -> float | str:
    """The number that the text is, or why it is none: ``bad_value``, ``not_finite``."""
    if len(text) > NUMBER_BYTES or not _DECIMAL.fullmatch(text):
        return "not_finite" if _WORD.fullmatch(text) else "bad_value"
    value = float(text)
    return value if -_INFINITY < value < _INFINITY else "not_finite"


def read_literal(text: bytes) -> float | str:
    """The number that the text is to any of the servers that we follow, or why it is none."""
    value = read_number(text)
    if value != "bad_value" or len(text) > NUMBER_BYTES:
        return value
    try:
        if _WHOLE.fullmatch(text):
            return float(int(text, 0))
        if _FLOAT.fullmatch(text):
            return float.fromhex(text.replace(b"_", b"").decode("ascii"))
    except OverflowError:
        return "not_finite"
    return read_number(text.replace(b"_", b"")) if _SPACED.fullmatch(text) else "bad_value"
