"""Figures: ratios in one run where there is something to compare with, never timed tests.

``make bench`` (``python -m tests.bench [section ...]``) prints one table.  A section is a
module of this folder with a function ``measure() -> Iterable[Figure]``.
"""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """One measured number."""

    what: str
    value: float
    unit: str
    note: str = ""
