"""Which of the journal's records are the present streams'.

A stream may be deleted while records of it wait, and another may be made with its name.  The
registry remembers where in the journal each stream begins; what stands before that, or is of
a stream that is no more, belongs to nobody: it is neither stored nor shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from metronome.model import Record

Owns = Callable[[str, int], bool]
"""Whether a record of this stream at this position is the present stream's."""


def every(stream: str, position: int) -> bool:
    """Nothing was ever deleted."""
    return True


def owned(records: Iterable[Record], owns: Owns) -> list[Record]:
    """The records without those that are nobody's, tallies one by one."""
    found = []
    for record in records:
        content = record.content
        if isinstance(content, list):
            tallies = [tally for tally in content if owns(tally.stream, record.position)]
            found.append(record if len(tallies) == len(content) else record._replace(content=tallies))
        elif owns(content.stream, record.position):
            found.append(record)
    return found
