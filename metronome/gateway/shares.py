"""Chunks of plaintext lines, shared out among the members of a cluster.

Members are fed from the same lines, so the lines are cut here, as bytes, where their places are known; what
a member is sent in pickles is put into that form last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from metronome.fold.placement import Placement, keys_of
from metronome.gateway.window import Chunk
from metronome.wire import pickle
from metronome.wire.graphite import Line


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def paths_of(lines: Iterable[bytes]) -> list[bytes]:
    """The path of each line."""
    return [line[: line.index(b" ")] for line in lines]


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
        lines = lines_of(chunk.data)
        mine = (placement.places(keys_of(paths_of(lines))) == member).any(axis=1)
        taken = [lines[index] for index in np.flatnonzero(mine).tolist()]
        yield Chunk(b"".join(taken), len(taken), chunk.end)


def spread(data: bytes, placement: Placement, fit: Collection[int]) -> dict[int, list[bytes]]:
    """Lines for each of several equals: where they belong, or in the place of one that is not fit,
    another, by the same hash."""
    lines = lines_of(data)
    places = placement.places(keys_of(paths_of(lines)))[:, 0].tolist()
    others: Sequence[int] = sorted(fit)
    parts: dict[int, list[bytes]] = {}
    for number, (line, place) in enumerate(zip(lines, places, strict=True)):
        member = place if place in fit else others[(place + number) % len(others)]
        parts.setdefault(member, []).append(line)
    return parts
