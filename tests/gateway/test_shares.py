"""Chunks of lines, shared out."""

from __future__ import annotations

import pickle
import struct

from metronome.fold.placement import AnyOf, Member, placement
from metronome.gateway.shares import as_pickle, shared, spread
from metronome.gateway.window import Chunk
from metronome.kernel.keys import hash_keys

LINES = [b"stats.counters.web%d.count;app=%d 5 1700000000\n" % (number, number) for number in range(100)]


def test_every_member_gets_its_lines() -> None:
    """Each line goes to as many members as there are replicas, in its order; ends are everybody's."""
    ring = [Member("10.0.0.1", 2003, name) for name in "abc"]
    places = placement("fnv1a_ch", ring, 2)
    chunks = [Chunk(b"".join(LINES[:50]), 50, 0), Chunk(b"", 0, 7), Chunk(b"".join(LINES[50:]), 50, 9)]
    got = [list(shared(iter(chunks), places, member)) for member in range(3)]
    assert [[chunk.end for chunk in one] for one in got] == [[0, 7, 9]] * 3
    for one in got:
        for chunk in one:
            assert chunk.data.count(b"\n") == chunk.lines
    lines = [b"".join(chunk.data for chunk in one).splitlines(keepends=True) for one in got]
    for number, line in enumerate(LINES):
        key = b"stats.counters.web%d.count" % number
        wanted = places.places(hash_keys([key], places.hashing))[0].tolist()
        assert sorted(wanted) == [member for member in range(3) if line in lines[member]]
    assert all(one == sorted(one, key=LINES.index) for one in lines)


def lines_for(fit: set[int]) -> dict[int, list[bytes]]:
    """What three equals get of all lines, while some of them are fit."""
    parts = spread(Chunk(b"".join(LINES), len(LINES), 7), AnyOf(3), fit)
    assert all((part.lines, part.end) == (part.data.count(b"\n"), 7) for part in parts.values())
    return {member: part.data.splitlines(keepends=True) for member, part in parts.items()}


def test_equals() -> None:
    """A line goes to its member; if that is not fit, to one that is."""
    all_up = lines_for({0, 1, 2})
    assert sorted(line for lines in all_up.values() for line in lines) == sorted(LINES)
    two_up = lines_for({0, 2})
    assert set(two_up) == {0, 2}
    assert sorted(line for lines in two_up.values() for line in lines) == sorted(LINES)
    for member in (0, 2):
        assert set(all_up[member]) < set(two_up[member])
        assert len(two_up[member]) > len(all_up[member])
    assert lines_for({1}) == {1: LINES}


def test_lines_as_pickle() -> None:
    """Numbers are those of the lines, to the bit."""
    frame = as_pickle(b"a.b 0.1 1700000000\nc;d=e -3e-300 17\n")
    (length,) = struct.unpack("!L", frame[:4])
    assert len(frame) == 4 + length
    assert pickle.loads(frame[4:]) == [("a.b", (1700000000, 0.1)), ("c;d=e", (17, -3e-300))]
