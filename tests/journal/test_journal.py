"""The journal's promises, on both disks where it matters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import JournalUnavailable
from metronome.journal.disk import Disk, FolderDisk
from metronome.journal.memory_disk import MemoryDisk
from metronome.journal.segments import name_of
from metronome.limits import RECORD_BYTES
from tests.journal.world import IDENTITY, World


class ContractTests(SynchronousTestCase):
    """What ``interface.Journal`` says, in memory."""

    def disk(self) -> Disk:
        return MemoryDisk()

    def world(self, **settings: int) -> World:
        return World(self.disk(), **settings).start()

    def test_what_is_appended_is_read(self) -> None:
        """Positions, kinds and payloads; also in the next process, which is the same gateway."""
        world = self.world()
        self.assertEqual(world.append(b"one", b"two", kind=3), [0, 16])
        self.assertEqual(world.append(b"three", kind=4), [32])
        for _ in range(2):
            entries = world.read()
            self.assertEqual(
                [(each.position, each.end, each.kind, each.payload) for each in entries],
                [(0, 16, 3, b"one"), (16, 32, 3, b"two"), (32, 50, 4, b"three")],
            )
            self.assertEqual(world.journal.identity, IDENTITY)
            self.assertEqual((world.journal.synced_end, world.journal.size), (50, 50))
            world.result(world.journal.stop())
            world.restart()
        self.assertEqual(world.append(b"four"), [50])

    def test_appends_of_one_turn_share_a_sync(self) -> None:
        """And those made while it runs share the next one."""
        world = self.world()
        done = [world.journal.append(1, [b"%d" % number]) for number in range(5)]
        world.clock.advance(0)
        self.assertEqual(world.writer.waiting(), 1)
        done += [world.journal.append(1, [b"%d" % number]) for number in range(5, 9)]
        world.clock.advance(0)
        self.assertEqual(world.writer.waiting(), 1)
        self.assertNoResult(done[0])
        world.writer.step()
        for number, each in enumerate(done[:5]):
            self.assertEqual(self.successResultOf(each), [14 * number])
        self.assertNoResult(done[5])
        world.settle()
        self.assertEqual(world.payloads(), [b"%d" % number for number in range(9)])
        self.assertEqual(world.journal.statistics()["syncs"], 2)

    def test_what_is_not_synced_is_not_read(self) -> None:
        """It is in a file, perhaps; but it may yet fail."""
        world = self.world()
        world.append(b"synced")
        world.journal.append(1, [b"waiting"])
        reading = world.journal.read(0, 1000)
        world.reader.run_all()
        self.assertEqual([entry.payload for entry in self.successResultOf(reading)], [b"synced"])

    def test_changed_fires_when_there_is_more_to_read(self) -> None:
        """Every waiting one, once; one that is cancelled is forgotten."""
        world = self.world()
        waiting = [world.journal.changed(), world.journal.changed()]
        cancelled = world.journal.changed()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        world.result(world.journal.append(1, []))
        self.assertNoResult(waiting[0])
        world.append(b"x")
        for each in waiting:
            self.assertIsNone(self.successResultOf(each))
        later = world.journal.changed()
        world.settle()
        self.assertNoResult(later)

    def test_one_that_waits_may_cancel_another(self) -> None:
        """While they are fired; and who waits again waits for the next change."""
        world = self.world()
        again = []
        first = world.journal.changed()
        second = world.journal.changed()
        third = world.journal.changed()
        first.addCallback(lambda _: (second.cancel(), again.append(world.journal.changed())))
        world.append(b"x")
        self.failureResultOf(second, CancelledError)
        self.successResultOf(third)
        self.assertNoResult(again[0])
        world.append(b"y")
        self.successResultOf(again[0])

    def test_a_barrier_waits_for_what_was_appended_before(self) -> None:
        """For the group being written and for the one that gathers; for nothing when idle."""
        world = self.world()
        self.successResultOf(world.journal.barrier())
        first = world.journal.append(1, [b"a"])
        world.clock.advance(0)
        second = world.journal.append(1, [b"b"])
        barrier = world.journal.barrier()
        world.writer.step()
        self.successResultOf(first)
        self.assertNoResult(barrier)
        world.settle()
        self.successResultOf(second)
        self.assertIsNone(self.successResultOf(barrier))

    def test_stop_syncs_what_was_appended(self) -> None:
        """The Deferreds fire, the cursors are saved, nothing is left to the clock."""
        world = self.world()
        world.append(b"a")
        world.journal.cursor("writer")
        world.journal.move("writer", 14)
        last = world.journal.append(1, [b"b"])
        stopped = world.journal.stop()
        world.writer.run_all()
        world.reader.run_all()
        self.assertEqual(self.successResultOf(last), [14])
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(world.clock.getDelayedCalls(), [])
        self.failureResultOf(world.journal.append(1, [b"c"]), JournalUnavailable)
        self.failureResultOf(world.journal.read(0, 1), JournalUnavailable)
        self.assertEqual(world.journal.unavailable(), "journal_unwritable")
        world.journal.move("writer", 28)
        self.assertEqual(world.clock.getDelayedCalls(), [])
        world.restart()
        self.assertEqual(world.journal.cursor("writer"), 14)
        self.assertEqual(world.payloads(), [b"a", b"b"])

    def test_segments_rotate_and_reading_goes_over_them(self) -> None:
        """Each at most as large as it should be; nobody notices but the statistics."""
        world = self.world(segment_bytes=100)
        payloads = [b"%03d" % number * 10 for number in range(20)]
        for payload in payloads:
            world.append(payload)
        self.assertEqual(world.journal.statistics()["segments"], 10)
        self.assertEqual(max(world.disk.names().values()), 86)
        self.assertEqual(world.payloads(), payloads)
        world.restart()
        self.assertEqual(world.payloads(), payloads)
        self.assertEqual(world.journal.size, 20 * 43)

    def test_what_every_consumer_has_done_is_deleted(self) -> None:
        """Whole segments, below the slowest consumer and every pin, never the active one."""
        world = self.world(segment_bytes=100)
        journal = world.journal
        for number in range(10):
            world.append(b"%03d" % number * 10)  # two records of 43 bytes in a segment
        journal.cursor("a")
        journal.cursor("b")
        pin = journal.pin(90)
        journal.move("a", 430)
        world.settle()
        self.assertEqual((journal.oldest, journal.size), (0, 430))
        journal.move("b", 300)
        self.assertEqual(journal.oldest, 86)
        self.assertEqual(journal.size, 430, "not yet deleted, so it still counts")
        world.settle()
        self.assertEqual(journal.size, 344)
        journal.unpin(pin)
        world.settle()
        self.assertEqual(journal.oldest, 258)
        self.assertEqual(world.payloads(0)[0], b"006" * 10, "a trimmed position goes on at the oldest")
        journal.forget("b")
        world.settle()
        self.assertEqual((journal.oldest, journal.size), (344, 86))
        self.assertEqual(sorted(world.disk.names())[0], name_of(344))
        self.assertEqual(world.payloads(), [b"008" * 10, b"009" * 10])

    def test_without_consumers_everything_is_kept(self) -> None:
        """Also when the last one is forgotten: somebody will come."""
        world = self.world(segment_bytes=50)
        for _ in range(4):
            world.append(b"x" * 30)
        world.journal.cursor("only")
        world.journal.forget("only")
        world.journal.unpin(world.journal.pin(100))
        world.settle()
        self.assertEqual(world.journal.oldest, 0)
        self.assertEqual(len(world.payloads()), 4)

    def test_cursors_are_saved_by_the_clock_once_a_second(self) -> None:
        """A crash in between shows records again, never skips one."""
        world = self.world()
        world.append(b"a", b"b", b"c")
        world.journal.cursor("writer")
        world.journal.move("writer", 14)
        world.clock.advance(1)
        world.settle()
        world.journal.move("writer", 42)
        world.journal.move("writer", 28)
        self.assertEqual(world.journal.cursor("writer"), 42)
        world.restart()
        self.assertEqual(world.journal.cursor("writer"), 14)

    def test_a_cursor_behind_what_is_kept_is_lifted(self) -> None:
        """A consumer that comes late begins at the oldest record."""
        world = self.world(segment_bytes=50)
        for _ in range(4):
            world.append(b"x" * 30)
        world.journal.move("a", 172)
        world.settle()
        self.assertEqual(world.journal.cursor("late"), 129)

    def test_nobody_can_have_done_what_is_not_there(self) -> None:
        """A cursor beyond the end is a bug, and would skip records later."""
        world = self.world()
        world.append(b"x")
        with pytest.raises(ValueError, match="the journal ends at 14"):
            world.journal.move("writer", 15)

    def test_what_no_record_can_hold_is_a_bug(self) -> None:
        """Kinds are 0 to 127, payloads at most RECORD_BYTES."""
        world = self.world()
        for kind, payload in [(128, b""), (-1, b""), (1, bytes(RECORD_BYTES + 1))]:
            with pytest.raises(ValueError, match="not what a record can hold"):
                world.journal.append(kind, [payload])

    def test_an_append_of_nothing_succeeds(self) -> None:
        """With no positions, and without a sync."""
        world = self.world()
        self.assertEqual(world.append(), [])
        self.assertEqual(world.journal.statistics()["syncs"], 0)

    def test_before_the_start_nothing_is_taken(self) -> None:
        """The folder is not looked at yet."""
        world = World(self.disk())
        self.failureResultOf(world.journal.append(1, [b"x"]), JournalUnavailable)
        self.assertEqual(world.journal.unavailable(), "journal_unwritable")


class FolderContractTests(ContractTests):
    """The same on a real file system."""

    def disk(self) -> Disk:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        disk = FolderDisk(Path(folder.name) / "journal")
        self.addCleanup(disk.close)
        return disk


class BudgetTests(SynchronousTestCase):
    def test_beyond_the_budget_appends_are_refused(self) -> None:
        """At once, counted, told beforehand; also what only waits uses the budget."""
        world = World(budget=1000).start()
        world.append(bytes(887))
        waiting = world.journal.append(1, [bytes(37)])
        refused = world.journal.append(1, [bytes(38)])
        self.assertEqual(self.failureResultOf(refused, JournalUnavailable).value.reason, "journal_full")
        world.settle()
        self.successResultOf(waiting)
        self.assertEqual(world.journal.unavailable(), "")
        world.append(bytes(37))
        self.assertEqual((world.journal.size, world.journal.unavailable()), (1000, "journal_full"))
        self.failureResultOf(world.journal.append(1, [b""]), JournalUnavailable)
        self.assertEqual(world.journal.statistics()["refused"], 2)
        self.assertEqual(len(world.read()), 3)

    def test_there_is_room_again_when_consumers_go_on(self) -> None:
        """Small budgets have small segments, so that they free up in pieces."""
        world = World(budget=1000).start()
        for _ in range(10):
            world.append(bytes(87))
        world.journal.move("writer", 600)
        world.settle()
        self.assertEqual((world.journal.oldest, world.journal.size), (600, 400))
        world.append(bytes(87))

    def test_one_record_that_fills_the_budget_does_not_fill_it_for_ever(self) -> None:
        """Once it is done, its segment is closed and deleted, though it was the active one."""
        world = World(budget=1000).start()
        world.append(bytes(900))
        self.assertEqual(world.journal.unavailable(), "")
        self.failureResultOf(world.journal.append(1, [bytes(100)]), JournalUnavailable)
        world.journal.move("writer", world.journal.synced_end)
        world.settle()
        self.assertEqual((world.journal.size, world.journal.oldest), (0, 913))
        self.assertEqual(world.append(bytes(900)), [913])


class GroupWaitTests(SynchronousTestCase):
    def test_a_slow_disk_is_given_larger_groups(self) -> None:
        """Who was answered in the last group is waited for, a quarter of its time."""
        world = World().start()
        for number in range(4):
            world.journal.append(1, [b"%d" % number])
        world.clock.advance(0)
        self.assertEqual(world.writer.waiting(), 1)
        world.clock.advance(0.02)
        world.writer.run_all()
        world.journal.append(1, [b"first of the next"])
        world.clock.advance(0.004)
        self.assertEqual(world.writer.waiting(), 0)
        world.clock.advance(0.0011)
        self.assertEqual(world.writer.waiting(), 1)

    def test_the_wait_ends_when_all_are_there(self) -> None:
        """The last of them starts the group in its own turn."""
        world = World().start()
        for _ in range(2):
            world.journal.append(1, [b"x"])
        world.clock.advance(0)
        world.clock.advance(0.02)
        world.writer.run_all()
        done = [world.journal.append(1, [b"y"])]
        world.clock.advance(0)
        self.assertEqual(world.writer.waiting(), 0)
        done.append(world.journal.append(1, [b"z"]))
        world.clock.advance(0)
        self.assertEqual(world.writer.run_all(), 1)
        self.assertEqual([self.successResultOf(each) for each in done], [[28], [42]])
