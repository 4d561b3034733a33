"""Pieces of an array of bytes, one behind the other: the pure twin of ``copied`` in ``exposed.pxi``."""

from __future__ import annotations

import numpy as np

from metronome.kernel.writing import Texts
from metronome.model import U8


def copied(texts: Texts) -> U8:
    """The bytes of these texts in their order.  ``ValueError`` when one lies outside of the bytes."""
    check_pieces(texts)
    lengths = texts.ends - texts.begins
    ends = np.cumsum(lengths)
    if not len(ends):
        return texts.flat[:0]
    places = np.arange(ends[-1]) + np.repeat(texts.begins - (ends - lengths), lengths)
    found: U8 = texts.flat[places]
    return found


def check_pieces(texts: Texts) -> None:
    """Raise ``ValueError`` when the arrays do not fit each other."""
    if len(texts.begins) != len(texts.ends):
        raise ValueError("not as many ends as begins")
    if ((texts.begins < 0) | (texts.begins > texts.ends) | (texts.ends > len(texts.flat))).any():
        raise ValueError("a text lies outside of the bytes")
