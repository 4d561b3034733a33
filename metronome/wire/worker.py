"""What a gateway and its workers say to each other, over a pair of pipes.

A worker is a process that receives and folds on behalf of the gateway (``doc/workers.md``).  Both ways
go frames::

    u32 length of the rest | u8 what it is | content

numbers little-endian.  The gateway says ``SETTINGS`` first and once, then whatever it likes; a worker
says ``DONE`` 0 when it listens.  To each ``TAKE n`` it answers with everything it has folded and
counted since the last time, ended by ``DONE n``.

==========  =========  ========================================================================
frame       said by    content
==========  =========  ========================================================================
SETTINGS    gateway    JSON, :class:`Settings`
TAKE        gateway    JSON, n: hand over what there is
REST        gateway    nothing: read what has arrived, hand it over, exit
MAPPING     gateway    mapping rules that count from now on, UTF-8
WATCH       gateway    JSON, true or false: show the lines that come in
PARTS       worker     a record of parts (``records.py``): samples, points with their own time
COUNTS      worker     JSON, :class:`Counted`
EVENTS      worker     stream NUL lines: DogStatsD events and service checks
SHOWN       worker     stream NUL datagram, while it is watched
DONE        worker     JSON, n
==========  =========  ========================================================================

Each is whole in itself, so that a worker that dies half way through costs what it had not said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import orjson

from metronome.kernel.interface import Dialect, Reject
from metronome.limits import RECORD_BYTES

SETTINGS: Final = 1
TAKE: Final = 2
REST: Final = 3
MAPPING: Final = 4
WATCH: Final = 5
PARTS: Final = 16
COUNTS: Final = 17
EVENTS: Final = 18
SHOWN: Final = 19
DONE: Final = 20

_HEAD: Final = 5
_LARGEST: Final = 2 * RECORD_BYTES
"""Larger frames are damage.  The largest good ones are parts, and the mapping rules."""


class Place(NamedTuple):
    """A socket that a worker reads: its descriptor there, and what is done with its datagrams."""

    fd: int
    stream: str
    dialect: Dialect


class Settings(NamedTuple):
    """What a worker has to know."""

    places: Sequence[Place]
    series: int
    """Limit of series of each stream."""
    mapping: str
    """Mapping rules; empty: none."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What of a stream's input a worker has counted since the last time.

    ``fresh`` are numbers by the names that a table counts by, ``rejects`` some of the refused lines,
    ``senders`` who sent most datagrams, and how many.
    """

    stream: str
    fresh: Mapping[str, int]
    rejects: Sequence[Reject]
    senders: Sequence[tuple[str, int]]


def frame(what: int, content: bytes = b"") -> bytes:
    """One frame."""
    return (len(content) + 1).to_bytes(4, "little") + bytes([what]) + content


def number(what: int, value: int) -> bytes:
    """A ``TAKE`` or ``DONE``."""
    return frame(what, orjson.dumps(value))


def settings(said: Settings) -> bytes:
    """A ``SETTINGS``."""
    places = [[place.fd, place.stream, asdict(place.dialect)] for place in said.places]
    return frame(SETTINGS, orjson.dumps([places, said.series, said.mapping]))


def counts(said: Counted) -> bytes:
    """A ``COUNTS``.  Excerpts are bytes; each becomes the character of its number."""
    rejects = [[one.reason, one.excerpt.decode("latin-1"), one.sender, one.number] for one in said.rejects]
    return frame(COUNTS, orjson.dumps([said.stream, said.fresh, rejects, said.senders]))


def of_stream(what: int, stream: str, content: bytes) -> bytes:
    """An ``EVENTS`` or ``SHOWN``."""
    return frame(what, stream.encode() + b"\0" + content)


def read_number(content: bytes) -> int:
    """The number of a ``TAKE`` or ``DONE``, the 0 or 1 of a ``WATCH``.  ``ValueError`` for anything else."""
    return int(_typed(orjson.loads(content), int))


def read_settings(content: bytes) -> Settings:
    """A ``SETTINGS``; ``ValueError`` for anything else."""
    try:
        places, series, mapping = orjson.loads(content)
        found = [Place(_typed(fd, int), _typed(stream, str), Dialect(**told)) for fd, stream, told in places]
        return Settings(found, _typed(series, int), _typed(mapping, str))
    except TypeError as error:
        raise ValueError(f"no settings: {error}") from error


def read_counts(content: bytes) -> Counted:
    """A ``COUNTS``; ``ValueError`` for anything else."""
    try:
        stream, fresh, rejects, senders = orjson.loads(content)
        numbers = {name: _typed(value, int) for name, value in _typed(fresh, dict).items()}
        kept = [
            Reject(_typed(reason, str), excerpt.encode("latin-1"), _typed(sender, str), _typed(number, int))
            for reason, excerpt, sender, number in rejects
        ]
        sent = [(_typed(sender, str), _typed(datagrams, int)) for sender, datagrams in senders]
        return Counted(_typed(stream, str), numbers, kept, sent)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no counts: {error}") from error


def read_of_stream(content: bytes) -> tuple[str, bytes]:
    """The stream and what belongs to it; ``ValueError`` where no stream is named."""
    stream, nul, rest = content.partition(b"\0")
    if not nul:
        raise ValueError("no stream is named")
    return stream.decode(), rest


class Frames:
    """Puts frames together from chunks, however they are cut."""

    def __init__(self) -> None:
        self._chunks = bytearray()

    def feed(self, chunk: bytes) -> list[tuple[int, bytes]]:
        """The frames that have become whole: what each is, and its content.

        ``ValueError`` for what can be no frame; nothing good comes after it.
        """
        buffer = self._chunks
        buffer += chunk
        found: list[tuple[int, bytes]] = []
        begin = 0
        while len(buffer) - begin >= _HEAD:
            length = int.from_bytes(buffer[begin : begin + 4], "little")
            if not 0 < length <= _LARGEST:
                raise ValueError(f"a frame of {length} bytes")
            end = begin + 4 + length
            if len(buffer) < end:
                break
            found.append((buffer[begin + 4], bytes(buffer[begin + _HEAD : end])))
            begin = end
        if begin:
            del buffer[:begin]
        return found


def _typed(value: Any, wanted: type[Any]) -> Any:
    if not isinstance(value, wanted):
        raise ValueError(f"{value!r} is not {wanted.__name__}")
    return value
