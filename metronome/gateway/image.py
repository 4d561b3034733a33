"""The files in which the totals of an output of remote write survive a restart.

Two files, each replaced whole, so that a process that is killed leaves the old one or the new one:

- The **image**: all totals, and for each stream the position of the journal up to which
  everything is in them.  It is written now and then.  The next run folds what stands behind it in
  the journal once more and comes to the same numbers, because the fold looks at nothing else.
- The **mark**: the position up to which the receiver has everything.  It is written after every
  flush that was sent, before the next is.  So the next run sends again at most one flush,
  with the times and values that it had; to Prometheus those are the same samples.

Neither is synced: they are for a process that dies, not for a machine that loses power.  After
that a run may send again what the receiver has; a Prometheus refuses samples that come before
its last, so it has each once all the same.

Image: ``u32 length | JSON header | arrays | ends of the series' texts | texts | u32 CRC-32`` of all
before.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from metronome.gateway.totals import Image

_TYPES: Final = (*[np.int64] * 4, np.float64, np.int64, np.int64, np.float64)
"""Of the arrays of an image of totals."""


class Kept(NamedTuple):
    """What an image holds of one stream."""

    position: int
    """What stands before it is in the totals."""
    stamp: int
    """The last time of which its samples were sent, ms."""
    image: Image


class State(NamedTuple):
    """What an image holds."""

    journal: str
    """Identity of the journal that the positions are of."""
    replay: int
    """Where the next run begins to read."""
    sent: int
    """The receiver has all flushes whose marks stand before it."""
    families: dict[str, tuple[str, str]]
    """Base to type and meaning."""
    streams: dict[str, Kept]


def encoder(state: State) -> Callable[[], bytes]:
    """What writes an image; the state is not needed any more once this has answered."""
    arrays: list[bytes] = []
    streams: dict[str, list[int]] = {}
    series: list[bytes] = []
    for stream, (position, stamp, image) in state.streams.items():
        streams[stream] = [position, stamp, len(image.series), len(image.cells), len(image.native_rows)]
        series += image.series
        arrays += [np.asarray(array).tobytes() for array in image[1:]]
    header = orjson.dumps(
        {
            "journal": state.journal,
            "replay": state.replay,
            "sent": state.sent,
            "families": state.families,
            "streams": streams,
        }
    )

    def encode() -> bytes:
        ends = np.cumsum(np.fromiter(map(len, series), np.int64, len(series)))
        body = b"".join([len(header).to_bytes(4, "little"), header, *arrays, ends.tobytes(), *series])
        return body + zlib.crc32(body).to_bytes(4, "little")

    return encode


def decode(data: bytes) -> State:
    """Read an image; ``ValueError`` when it is damaged."""
    body, check = data[:-4], data[-4:]
    if len(data) < 8 or zlib.crc32(body).to_bytes(4, "little") != check:
        raise ValueError("its checksum does not fit")
    end = 4 + int.from_bytes(body[:4], "little")
    header = orjson.loads(body[4:end])
    found: dict[str, tuple[int, int, list[Any]]] = {}
    for stream, (position, stamp, rows, cells, buckets) in header["streams"].items():
        arrays: list[Any] = []
        lengths = [rows] * 4 + [cells] + [buckets] * 3
        for length, dtype in zip(lengths, _TYPES, strict=True):
            arrays.append(np.frombuffer(body, dtype, length, end))
            end += 8 * length
        found[stream] = position, stamp, arrays
    number = sum(len(arrays[0]) for _, _, arrays in found.values())
    ends = np.frombuffer(body, np.int64, number, end).tolist()
    end += 8 * number
    series = iter([body[end + first : end + last] for first, last in pairwise([0, *ends])])
    streams = {
        stream: Kept(position, stamp, Image(list(islice(series, len(arrays[0]))), *arrays))
        for stream, (position, stamp, arrays) in found.items()
    }
    families = {base: (kind, meaning) for base, (kind, meaning) in header["families"].items()}
    return State(header["journal"], header["replay"], header["sent"], families, streams)


def encode_mark(position: int) -> bytes:
    """The bytes of a mark."""
    text = b"%d" % position
    return b"%s %08x\n" % (text, zlib.crc32(text))


def decode_mark(data: bytes) -> int:
    """Read a mark; ``ValueError`` when it is damaged."""
    text, _, check = data.partition(b" ")
    if not text.isdigit() or check != b"%08x\n" % zlib.crc32(text):
        raise ValueError("its checksum does not fit")
    return int(text)


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of another, whole."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(beside, path)
