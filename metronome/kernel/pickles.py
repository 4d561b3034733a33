"""Which pickles may be read; the pure twin's.

A pickle is a program for a machine that can import and call.  Only such are harmless whose
instructions make numbers, texts, tuples and lists, or put these into the memo and take them out
again, up to the one that ends it.  Any other (classes, calls, dictionaries, sets, extensions,
persistent ids, out-of-band buffers) makes the whole pickle one that is not to be read.

Bounds: a memo index stays below ``2**19`` (the memo is an array: a large index in ten bytes would take
gigabytes), a pickle's own frame below ``2**24`` bytes (room is made before it is read), integers
have at most 40 digits or 16 bytes.
"""

from __future__ import annotations

import re
from typing import Final


def _texts(width: int) -> bytes:
    """Texts of less than 256 bytes behind their length of 1 or 4 bytes."""
    high = b"\0" * (width - 1)
    return b"|".join(re.escape(bytes([n])) + high + b".{%d}" % n for n in range(256))


def _integers() -> bytes:
    return b"|".join(re.escape(bytes([n])) + b".{%d}" % n for n in range(17))


_TOKENS: Final = (
    rb"[(\x85\x86\x87te\]al)N\x88\x89]",  # mark, tuples, lists, None, True, False
    rb"q.|\x94|r..[\x00-\x07]\x00|p[0-9]{1,6}\n",  # into the memo
    rb"J.{4}|G.{8}|K.|M..|\x8a(?:" + _integers() + rb")",  # numbers
    rb"[IL]-?[0-9]{1,40}L?\n|F[^\n]{1,512}\n",  # numbers as text
    rb"X(?:" + _texts(4) + rb")|\x8c(?:" + _texts(1) + rb")",  # str
    rb"[CU](?:" + _texts(1) + rb")|[BT](?:" + _texts(4) + rb")",  # bytes, and Python 2's str
    rb"h.|j.{4}|g[0-9]{1,6}\n",  # out of the memo
    rb"[SV][^\n]*\n|\x80.|\x95.{3}\x00{5}",  # texts as text, protocol, frame
)
_HARMLESS: Final = re.compile(b"(?s)(?:" + b"|".join(_TOKENS) + b")*+")
_LONG_TEXTS: Final = b"XTB"
"""Instructions with a length of four bytes; the pattern knows only the short ones."""


def is_harmless(frame: bytes) -> bool:
    """Whether a pickle holds nothing but numbers, texts, tuples and lists, and ends in time."""
    at = 0
    while True:
        found = _HARMLESS.match(frame, at)
        assert found is not None, "the pattern matches nothing, too"
        at = found.end()
        if frame[at : at + 1] == b".":
            return True
        body = at + 5
        if body > len(frame) or frame[at] not in _LONG_TEXTS:
            return False
        at = body + int.from_bytes(frame[at + 1 : body], "little")
        if at > len(frame):
            return False
