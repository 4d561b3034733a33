"""Hundreds of random lives of a journal on a disk with faults, each with many crashes.

Every life is a script of a seeded random: appends of all sizes, consumers that read and
move, pins, a clock that goes on, disks that fill up or fail at any byte, processes that are killed
(the disk keeps everything) and losses of power (the disk keeps what it must, and some
prefix of the rest).  The checks are those of the interface:

- what was acknowledged is there, at its position, until every consumer has had it;
- nothing that failed is there, but for the one case that doc/journal.md names;
- an append is there as a whole or not at all;
- a position never holds two different records that anybody has seen;
- what a consumer was given is in order, and it is given everything.
"""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from metronome.errors import JournalUnavailable
from metronome.journal.interface import Entry
from metronome.journal.memory_disk import MemoryDisk
from metronome.limits import PROBE_BYTES
from tests.journal.world import World

CONSUMERS = ("writer", "converter")
STEPS = 400
ACTS = {
    "append": 30,
    "writer": 25,
    "reader": 12,
    "clock": 20,
    "consume": 12,
    "fault": 3,
    "pin": 1,
    "die": 2,
    "stop": 0.3,
    "kill": 0.7,
    "crash": 1,
}
"""What happens how often."""


class Life:
    """One seed's script and what is known about every append."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.world = World(MemoryDisk(), budget=20_000, segment_bytes=2_000).start()
        self.appends: list[list[bytes]] = []
        self.open: set[int] = set()
        """Appends that have not fired; after a crash they may be there or not."""
        self.acknowledged: dict[int, list[int]] = {}
        self.failed: set[int] = set()
        self.perhaps: set[int] = set()
        """Failed while nothing could be undone, and then the process died."""
        self.lied_to = False
        """A process died between a failed sync and its undoing: the next one may have read what a
        later loss of power takes away.  None of that was acknowledged."""
        self.seen: dict[int, bytes] = {}
        self.done: dict[str, set[int]] = {consumer: set() for consumer in CONSUMERS}
        self.reading: set[str] = set()
        self.crashes = 0
        self.register()

    def register(self) -> None:
        for consumer in CONSUMERS:
            self.world.journal.cursor(consumer)

    # --- the script -----------------------------------------------------------------------

    def step(self) -> None:
        world, random = self.world, self.random
        match random.choices(list(ACTS), list(ACTS.values()))[0]:
            case "append":
                self.append()
            case "writer":
                world.writer.step()
            case "reader":
                world.reader.step()
            case "clock":
                world.clock.advance(random.choice([0, 0, 0, 0.001, 0.3, 1.1]))
            case "consume":
                self.consume(random.choice(CONSUMERS))
            case "fault":
                self.fault()
            case "pin":
                pin = world.journal.pin(world.journal.oldest)
                world.clock.callLater(2, world.journal.unpin, pin)
            case "die":
                world.disk.die_after = random.randint(0, 8)
            case "stop":
                stopped = world.journal.stop()
                world.settle()
                assert stopped.called or world.disk.dead
                self.reboot()
            case "kill":
                self.reboot()
            case "crash":
                self.lose_power()
        if world.disk.dead:
            random.choice([self.reboot, self.lose_power])()

    def append(self) -> None:
        number = len(self.appends)
        count = self.random.choice([1, 1, 1, 2, 4])
        sizes = [self.random.choice([0, 10, 200, 900]) for _ in range(count)]
        payloads = [b"%d.%d." % (number, part) + bytes(size) for part, size in enumerate(sizes)]
        self.appends.append(payloads)
        self.open.add(number)
        journal = self.world.journal
        done = journal.append(1, payloads)
        done.addCallbacks(self.succeeded, self.refused, callbackArgs=(number,), errbackArgs=(number,))

    def succeeded(self, positions: list[int], number: int) -> None:
        assert not self.world.disk.dead
        assert number in self.open, "fired twice, or from another life"
        self.open.remove(number)
        self.acknowledged[number] = positions
        for position, payload in zip(positions, self.appends[number], strict=True):
            self.check_position(position, payload)

    def refused(self, failure: Failure, number: int) -> None:
        if self.world.disk.dead:
            return  # nobody is there any more who could hear it
        assert failure.check(JournalUnavailable), failure
        assert number in self.open
        self.open.remove(number)
        self.failed.add(number)

    def consume(self, consumer: str) -> None:
        if consumer in self.reading:
            return
        journal = self.world.journal
        position = journal.cursor(consumer)
        self.reading.add(consumer)
        most = self.random.choice([1, 500, 5_000])
        reading: Deferred[list[Entry]] = journal.read(position, most)

        def work(entries: list[Entry]) -> None:
            self.reading.discard(consumer)
            self.check_entries(entries, position)
            for entry in entries:
                self.done[consumer].add(self.number(entry))
            if entries:
                journal.move(consumer, entries[-1].end)

        reading.addCallback(work)

    def fault(self) -> None:
        disk, random = self.world.disk, self.random
        match random.choice(["full", "room", "write", "sync", "broken", "mended"]):
            case "full":
                disk.capacity = disk.capacity - disk.free() + random.randint(0, 3000)
            case "room":
                disk.capacity = 1 << 30
            case "write":
                disk.fail_write_after = random.randint(0, 3000)
            case "sync":
                disk.fail_syncs = random.choice([1, 1, 2, 3])
            case "broken":
                disk.broken = True
            case "mended":
                disk.broken = False

    def lose_power(self) -> None:
        self.world.disk.crash(self.random)
        self.reboot()

    def reboot(self) -> None:
        if not self.world.journal._tail.clean:
            self.perhaps |= self.failed
        self.perhaps |= self.open
        self.open.clear()
        self.reading.clear()
        self.crashes += 1
        disk = self.world.disk
        active = max(name for name in disk.names() if name.endswith(".seg"))
        self.lied_to = self.lied_to or disk.lies_about(active)
        disk.heal()
        disk.capacity = max(disk.capacity, 2 * PROBE_BYTES)
        self.world.restart()
        self.register()
        self.check_all()

    # --- the checks -----------------------------------------------------------------------

    def number(self, entry: Entry) -> int:
        return int(entry.payload.split(b".")[0])

    def check_position(self, position: int, payload: bytes) -> None:
        assert self.seen.setdefault(position, payload) == payload, f"{position} has a second life"

    def check_entries(self, entries: list[Entry], position: int) -> None:
        for entry in entries:
            assert entry.position >= position, "out of order"
            position = entry.end
            number = self.number(entry)
            assert number not in self.failed - self.perhaps, f"append {number} had failed"
            self.check_position(entry.position, entry.payload)

    def check_all(self) -> None:
        """Everything that is kept, against everything that is known."""
        journal = self.world.journal
        entries = self.world.read(journal.oldest, 1 << 30)
        self.check_entries(entries, journal.oldest)
        if not self.lied_to:
            assert journal.statistics()["damaged_bytes"] == 0
            assert not entries or journal.synced_end == entries[-1].end
        there = {entry.position: entry.payload for entry in entries}
        assert len(set(there.values())) == len(there), "a record is there twice"
        found: dict[int, int] = {}
        for entry in entries:
            found[self.number(entry)] = found.get(self.number(entry), 0) + 1
        for number, positions in self.acknowledged.items():
            for position, payload in zip(positions, self.appends[number], strict=True):
                if position >= journal.oldest:
                    assert there.get(position) == payload, f"acknowledged append {number} is lost"
                else:
                    assert all(number in done for done in self.done.values()), f"{number} was trimmed early"
        for number, count in found.items():
            if count < len(self.appends[number]):
                trimmed = number == self.number(entries[0])
                assert trimmed or (self.lied_to and number in self.perhaps), f"append {number} is in pieces"

    def end(self) -> None:
        """The faults stop; everything drains."""
        self.lose_power()
        world = self.world
        world.disk.capacity = 1 << 30
        for consumer in CONSUMERS:
            while world.journal.cursor(consumer) < world.journal.synced_end:
                self.consume(consumer)
                world.settle()
        missing = set(self.acknowledged) - set.intersection(*self.done.values())
        assert not missing, f"{missing} never reached a consumer"
        number = len(self.appends)
        self.appends.append([b"%d.0." % number])
        world.append(b"%d.0." % number)
        assert world.journal.size < 6_000, "one append may be larger than a segment"


@pytest.mark.parametrize("tens", range(30))
def test_ten_lives(tens: int) -> None:
    """Three hundred seeds; the number of the one that fails is in the assertion's trace."""
    acknowledged = failed = crashes = 0
    for seed in range(tens * 10, tens * 10 + 10):
        life = Life(seed)
        for _ in range(STEPS):
            life.step()
        life.end()
        acknowledged += len(life.acknowledged)
        failed += len(life.failed)
        crashes += life.crashes
    assert acknowledged > 200
    assert failed > 10
    assert crashes > 40
