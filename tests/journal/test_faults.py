"""A disk that fills up, fails, comes back: nothing failed is read, nothing synced is lost."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import JournalUnavailable
from metronome.journal.memory_disk import MemoryDisk
from metronome.limits import PROBE_BYTES
from tests.journal.world import World


class FaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.disk = MemoryDisk()
        self.world = World(self.disk, segment_bytes=300).start()
        self.world.append(b"before")

    def append(self, *payloads: bytes) -> Deferred[list[int]]:
        return self.world.journal.append(1, payloads)

    def assert_refused(self, appended: Deferred[list[int]]) -> None:
        failure = self.failureResultOf(appended, JournalUnavailable)
        self.assertEqual(failure.value.reason, "journal_unwritable")

    def assert_goes_on(self) -> None:
        """After the probe's second, at the position behind the last good record."""
        world = self.world
        self.assertEqual(world.journal.unavailable(), "journal_unwritable")
        world.clock.advance(1)
        world.settle()
        self.assertEqual(world.journal.unavailable(), "")
        self.assertEqual(world.append(b"after"), [19])
        for _ in range(2):
            self.assertEqual(world.payloads(), [b"before", b"after"])
            statistics = world.journal.statistics()
            self.assertEqual((statistics["damaged_bytes"], statistics["torn_bytes"]), (0, 0))
            world.restart()

    def test_a_full_disk_refuses_and_goes_on_when_there_is_room(self) -> None:
        """The group fails, what comes next is refused at once, a probe finds the room."""
        self.disk.capacity = self.disk.capacity - self.disk.free() + 30
        failed = self.append(b"x" * 100)
        self.world.settle()
        self.assert_refused(failed)
        self.assert_refused(self.append(b"small"))
        self.assertEqual(self.world.journal.statistics()["refused"], 1)
        for _ in range(3):
            self.world.clock.advance(1)
            self.world.settle()
            self.assertEqual(self.world.journal.unavailable(), "journal_unwritable")
        self.disk.capacity += PROBE_BYTES
        self.assert_goes_on()

    def test_a_write_that_fails_at_any_byte(self) -> None:
        """Also within the header, and within the second record."""
        for after in range(42):
            self.setUp()
            self.disk.fail_write_after = after
            failed = self.append(b"one and", b"the other")
            self.world.settle()
            self.assert_refused(failed)
            self.assert_goes_on()

    def test_a_sync_that_fails(self) -> None:
        """Once, or also in the undoing, for whatever long."""
        for failures in range(1, 5):
            self.setUp()
            self.disk.fail_syncs = failures
            failed = self.append(b"lost")
            self.world.settle()
            self.assert_refused(failed)
            for _ in range(failures):
                self.world.clock.advance(1)
                self.world.settle()
            if not self.world.journal.unavailable():
                self.assertEqual(self.world.payloads(), [b"before"])
                self.assertEqual(self.world.append(b"after"), [19])
                self.assertEqual(self.world.restart().payloads(), [b"before", b"after"])

    def test_a_disk_that_is_away(self) -> None:
        """Nothing can be written or undone; reading goes on; when it is back, so is all."""
        self.disk.broken = True
        failed = self.append(b"lost")
        self.world.settle()
        self.assert_refused(failed)
        self.world.clock.advance(1)
        self.world.settle()
        self.assertEqual(self.world.payloads(), [b"before"])
        self.successResultOf(self.world.journal.barrier())
        self.disk.broken = False
        self.assert_goes_on()

    def test_what_has_gathered_behind_fails_with_the_group(self) -> None:
        """Each Deferred exactly once; a barrier does not fail, for it has nothing to lose."""
        self.disk.fail_syncs = 1
        first = self.append(b"a")
        self.world.clock.advance(0)
        second = self.append(b"b")
        barrier = self.world.journal.barrier()
        nothing = self.append()
        self.world.settle()
        self.assert_refused(first)
        self.assert_refused(second)
        self.successResultOf(barrier)
        self.assertEqual(self.successResultOf(nothing), [])
        self.assert_goes_on()

    def test_an_append_from_the_failure_itself_is_refused(self) -> None:
        """Who tries again at once, in the errback, is told so and not lost."""
        self.disk.fail_syncs = 1
        again: list[Deferred[list[int]]] = []
        self.append(b"a").addErrback(lambda _: again.append(self.append(b"b")))
        self.world.settle()
        self.assert_refused(again[0])
        self.assert_goes_on()

    def test_stopping_while_the_disk_refuses(self) -> None:
        """It ends, nothing is left to the clock, and the next process reads what was synced."""
        stops: list[Callable[[], object]] = [
            lambda: None,
            lambda: self.world.clock.advance(1),
            lambda: (self.world.clock.advance(1), self.world.settle()),
        ]
        for before_stop in stops:
            self.setUp()
            self.world.journal.move("writer", 19)
            self.disk.broken = True
            failed = self.append(b"lost")
            self.world.settle()
            self.assert_refused(failed)
            before_stop()
            stopped = self.world.journal.stop()
            self.world.settle()
            self.successResultOf(stopped)
            self.assertEqual(self.world.clock.getDelayedCalls(), [])
            self.disk.broken = False
            self.assertEqual(self.world.restart().payloads(), [b"before"])

    def test_cursors_that_cannot_be_saved_are_saved_later(self) -> None:
        """A second later, for as long as it takes."""
        self.world.journal.move("writer", 19)
        self.disk.fail_syncs = 2
        for _ in range(2):
            self.world.clock.advance(1)
            self.world.settle()
        self.assertNotIn("cursors.json", self.disk.names())
        self.world.clock.advance(1)
        self.world.settle()
        self.assertEqual(self.world.restart().journal.cursor("writer"), 19)

    def test_a_segment_that_cannot_be_deleted_counts_until_it_is(self) -> None:
        """It is tried again when the next one goes, oldest first."""
        for _ in range(9):
            self.world.append(b"x" * 100)  # two in a segment
        journal = self.world.journal
        self.disk.broken = True
        journal.move("writer", 300)
        self.world.settle()
        size = journal.size
        self.assertEqual((journal.oldest, len(self.disk.names()) > 4), (245, True))
        self.disk.broken = False
        journal.move("writer", 500)
        self.world.settle()
        self.assertEqual(journal.oldest, 471)
        self.assertEqual(journal.size, size - 471)
        files = self.disk.names()
        self.assertEqual(sum(files[name] for name in files if name.endswith(".seg")), journal.size)

    def test_a_disk_that_cannot_be_read_says_later(self) -> None:
        """And is read when it can be."""
        self.disk.reading_fails = True
        reading = self.world.journal.read(0, 100)
        self.world.settle()
        self.failureResultOf(reading, JournalUnavailable)
        self.disk.reading_fails = False
        self.assertEqual(self.world.payloads(), [b"before"])

    def test_a_start_that_fails_tells_and_may_be_tried_again(self) -> None:
        """In another process."""
        self.disk.reading_fails = True
        self.world.boot()
        starting = self.world.journal.start()
        self.world.settle()
        self.failureResultOf(starting, OSError)
        self.disk.reading_fails = False
        self.assertEqual(self.world.restart().payloads(), [b"before"])

    def test_a_bug_in_the_writer_costs_no_deferred(self) -> None:
        """It is logged with its trace, the group fails, a new segment is begun."""

        class Buggy(MemoryDisk):
            def append(self, name: str, data: bytes) -> None:
                super().append(name, data)
                if b"bug" in data:
                    raise ZeroDivisionError("a bug")

        self.disk = Buggy()
        self.world = World(self.disk).start()
        self.world.append(b"before")
        failed = self.append(b"the bug")
        self.world.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_refused(failed)
        self.assert_goes_on()
