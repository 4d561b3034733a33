"""Chunks of plaintext lines, shared out among the members of a cluster.

Members are fed from the same lines, so the lines are cut here, as bytes, where their places are known; what
a member is sent in pickles is put into that form last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import numpy.typing as npt

from metronome.fold.placement import Placement
from metronome.gateway.window import Chunk
from metronome.kernel import hash_lines
from metronome.model import I64
from metronome.wire import pickle
from metronome.wire.graphite import Line

Mask = npt.NDArray[np.bool_]


def as_pickle(data: bytes) -> bytes:
    """Plaintext lines as carbon's pickle frames."""
    rows = [line.split(b" ") for line in data.split(b"\n")[:-1]]
    return pickle.encode([Line(path.decode(), float(value), int(time)) for path, value, time in rows])


def shared(chunks: Iterator[Chunk], placement: Placement, member: int) -> Iterator[Chunk]:
    """What one member gets of plaintext chunks; what they complete stays."""
    for chunk in chunks:
        if not chunk.data:
            yield chunk
            continue
        ends, hashes = hash_lines(chunk.data, placement.hashing)
        mine: Mask = (placement.places(hashes) == member).any(axis=1)
        yield Chunk(_taken(chunk.data, ends, mine), int(mine.sum()), chunk.end)


def spread(chunk: Chunk, placement: Placement, fit: Collection[int]) -> dict[int, Chunk]:
    """What each of several equals gets of a chunk: the lines that belong there, and a share of those that
    belong to one that is not fit."""
    ends, hashes = hash_lines(chunk.data, placement.hashing)
    places = placement.places(hashes)[:, 0]
    others = np.array(sorted(fit))
    homeless = np.flatnonzero(~np.isin(places, others))
    places[homeless] = others[(hashes[homeless] >> np.uint64(8)).astype(np.int64) % len(others)]
    parts = {}
    for member in np.unique(places).tolist():
        mine: Mask = places == member
        parts[member] = Chunk(_taken(chunk.data, ends, mine), int(mine.sum()), chunk.end)
    return parts


def _taken(data: bytes, ends: I64, lines: Mask) -> bytes:
    """Some of the lines, in their order."""
    if lines.all():
        return data
    lengths = np.diff(ends, prepend=0)
    taken: bytes = np.frombuffer(data, np.uint8)[np.repeat(lines, lengths)].tobytes()
    return taken
