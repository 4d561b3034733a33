"""The guard against too many series; the pure twin's.

A stream has ``series_limit`` series, and one name prefix (the first two elements of dotted names:
up to the second dot) has ``prefix_limit`` of them, 0 for no limit.  What comes for further ones is
not refused but folded into one series for each kind, which says so in a label:

- beyond the prefix's limit: the prefix, ``_other_`` = ``true``;
- beyond the stream's: the name ``_other_``, ``_other_`` = ``true``.

So sums stay right, and what floods a stream can be seen in it.  These series are not counted
towards the prefix; there are at most four for each that is full, and four for the stream.
Points with a time of their own that no series can take are refused: points of many series in one
would say nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

OTHER = b"_other_"
LABEL = b"\0_other_\0true"


def prefix_of(key: bytes) -> bytes:
    """The prefix of a series key's name."""
    name = key[1:].partition(b"\0")[0]
    return b".".join(name.split(b".", 2)[:2])


def other_key(key: bytes, crowded: bool) -> bytes:
    """The key of the series that takes what is meant for this one."""
    return key[:1] + (prefix_of(key) if crowded else OTHER) + LABEL


class Guard:
    """Counts series by prefix."""

    def __init__(self, prefix_limit: int):
        self._limit = prefix_limit
        self._prefixes: Counter[bytes] = Counter()

    def is_crowded(self, key: bytes) -> bool:
        """Whether a new series of this key would be one too many of its prefix."""
        return bool(self._limit) and self._prefixes[prefix_of(key)] >= self._limit

    def add(self, key: bytes) -> None:
        """A series has come."""
        if self._limit:
            self._prefixes[prefix_of(key)] += 1

    def recount(self, keys: Iterable[bytes]) -> None:
        """Series have gone: these are left."""
        self._prefixes.clear()
        for key in keys:
            self.add(key)
