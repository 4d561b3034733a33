"""What was written last, kept for those who read along."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metronome.journal.format import HEADER_BYTES
from metronome.journal.interface import Entry
from metronome.journal.recent import Recent
from metronome.limits import RECENT_SECONDS
from tests.journal.world import World


def kept(recent: Recent, *payloads: bytes, position: int = 0) -> list[int]:
    positions = []
    for payload in payloads:
        positions.append(position)
        position += HEADER_BYTES + len(payload)
    recent.put(positions, 1, payloads)
    return [*positions, position]


def test_reading_along() -> None:
    """From any record on, as much as is asked for, at least one."""
    recent = Recent(1000)
    first, second, third, end = kept(recent, b"a" * 10, b"b" * 10, b"c")
    assert [entry.payload[:1] for entry in recent.read(first, 1 << 20)] == [b"a", b"b", b"c"]
    assert recent.read(second, 1) == [Entry(second, third, 1, b"b" * 10)]
    assert [entry.payload[:1] for entry in recent.read(first, 11)] == [b"a", b"b"]
    assert recent.read(end, 100) == []
    assert recent.read(second + 1, 100) == []


def test_it_is_bounded() -> None:
    """The oldest go; a record that is too large leaves nothing; what does not follow begins anew."""
    recent = Recent(25)
    first, second, third = kept(recent, b"a" * 10, b"b" * 10)
    kept(recent, b"c" * 10, position=third)
    assert recent.read(first, 1) == []
    assert len(recent.read(second, 1 << 20)) == 2
    far = 1 << 33
    kept(recent, b"d", position=far)
    assert (len(recent), recent.read(second, 1)) == (1, [])
    assert recent.read(far, 1)[0].payload == b"d"
    kept(recent, b"e" * 26, position=far + HEADER_BYTES + 1)
    assert len(recent) == 0


def test_it_grows_old() -> None:
    """What was here the last time goes, what came since stays."""
    recent = Recent(1000)
    first, second = kept(recent, b"a")
    recent.age()
    kept(recent, b"b", position=second)
    recent.age()
    assert (recent.read(first, 1), len(recent)) == ([], 1)
    recent.age()
    assert len(recent) == 0


@given(
    st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=8),
    st.integers(0, 200),
    st.integers(0, 100),
    st.booleans(),
)
def test_the_same_as_from_the_disk(
    appends: list[list[bytes]], recent: int, most: int, late: bool
) -> None:
    """Whatever is kept, whoever reads from the start gets every record, in order and once."""
    world = World(recent=recent, segment_bytes=200).start()
    for payloads in appends:
        world.append(*payloads)
        if late:
            world.clock.advance(RECENT_SECONDS)
    position, found = 0, []
    while entries := world.read(position, most):
        assert entries[0].position == position
        found += [entry.payload for entry in entries]
        position = entries[-1].end
    assert found == [payload for payloads in appends for payload in payloads]
    assert position == world.journal.synced_end


def test_nothing_is_read_back_that_was_just_written() -> None:
    """Two readers, and the disk is not asked; after a while it is."""
    world = World(recent=1000).start()
    (position,) = world.append(b"a")
    for _ in range(2):
        entry = world.journal.read(position, 1 << 20)
        assert [one.payload for one in entry.result] == [b"a"]
        assert world.reader.waiting() == 0
    world.clock.advance(RECENT_SECONDS)
    world.clock.advance(RECENT_SECONDS)
    world.journal.read(position, 1 << 20)
    assert world.reader.waiting() == 1
    assert not world.clock.getDelayedCalls()


def test_a_journal_that_stops_has_nothing_left_to_do() -> None:
    """What it would let go of later goes with it."""
    world = World(recent=1000).start()
    world.append(b"a")
    world.result(world.journal.stop())
    assert not world.clock.getDelayedCalls()
