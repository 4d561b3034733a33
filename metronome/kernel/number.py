"""The number grammar of every text format, and the only place where the pure twin reads one.

``[+-]? digits [. digits] [e [+-] digits]``: either run of digits may be missing, not both.
No blanks, no ``_``, no hexadecimal.  ``nan``, ``inf`` and ``infinity`` (any case, any sign)
and decimals too large for a double are told apart as ``not_finite``, because a sender that
divides by zero is another fault than one that sends text.
"""

from __future__ import annotations

import re

from metronome.limits import NUMBER_BYTES

_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_INFINITY = float("inf")


def read_number(text: bytes) -> float | str:
    """The number that the text is, or why it is none: ``bad_value``, ``not_finite``."""
    if len(text) > NUMBER_BYTES or not _DECIMAL.fullmatch(text):
        return "not_finite" if _WORD.fullmatch(text) else "bad_value"
    value = float(text)
    return value if -_INFINITY < value < _INFINITY else "not_finite"
