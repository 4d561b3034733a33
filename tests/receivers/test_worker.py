"""One worker process as its gateway sees it."""

from __future__ import annotations

import sys

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from metronome.kernel.interface import Dialect
from metronome.receivers.worker import Worker
from metronome.wire import worker as wire
from tests.receivers.fakes import ProcessReactor

SETTINGS = wire.Settings([wire.Place(3, "main", Dialect())], 10, "")


class Listening:
    """An owner that remembers; ``BAD`` makes no sense to it."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.ends: list[str] = []

    def heard(self, worker: Worker, what: int, content: bytes) -> None:
        if content == b"BAD":
            raise ValueError("bad")
        self.said.append((what, content))

    def ended(self, worker: Worker, reason: str) -> None:
        self.ends.append(reason)


class WorkerTests(SynchronousTestCase):
    """A worker whose process is a fake."""

    def setUp(self) -> None:
        self.owner = Listening()
        self.reactor = ProcessReactor()
        self.worker = Worker(self.owner, 0, 5.0)
        self.worker.start(self.reactor, SETTINGS, [40, 41])
        self.process = self.reactor.processes[0]

    def test_it_is_started_with_pipes_and_sockets(self) -> None:
        """The first thing it is told is its settings; it listens when it says so."""
        self.assertEqual(self.process.command, [sys.executable, "-m", "metronome.worker"])
        self.assertEqual(self.process.descriptors, {0: "w", 1: "r", 2: 2, 3: 40, 4: 41})
        self.assertEqual(self.process.told(), [(wire.SETTINGS, wire.settings(SETTINGS)[5:])])
        self.assertFalse(self.worker.listens)
        self.process.say(wire.number(wire.DONE, 0))
        self.assertTrue(self.worker.listens)

    def test_answers_are_counted(self) -> None:
        """So that whoever asked knows when everything is there."""
        self.worker.ask()
        self.worker.ask()
        self.assertEqual(self.process.told()[1:], [(wire.TAKE, b"1"), (wire.TAKE, b"2")])
        self.process.say(wire.frame(wire.PARTS, b"x") + wire.number(wire.DONE, 1))
        self.assertEqual((self.worker.asked, self.worker.answered), (2, 1))
        self.assertEqual(self.owner.said, [(wire.PARTS, b"x"), (wire.DONE, b"1")])

    def test_the_end_is_told_with_its_reason(self) -> None:
        """And a kill after it is nothing."""
        self.process.end(Failure(ProcessTerminated(None, 9)))
        self.assertEqual(len(self.owner.ends), 1)
        self.assertIn("signal 9", self.owner.ends[0])
        self.assertIsNone(self.successResultOf(self.worker.gone))
        self.worker.kill()

    def test_what_makes_no_sense_ends_it(self) -> None:
        """Damage, or what its owner cannot use; nothing that follows is listened to."""
        for damage in (b"\0\0\0\0\0", wire.frame(wire.COUNTS, b"BAD")):
            self.setUp()
            self.process.say(damage)
            self.process.say(wire.frame(wire.PARTS, b"x"))
            self.assertEqual(self.process.signals, ["KILL"])
            self.assertEqual(self.owner.said, [])
            self.process.end(Failure(ProcessDone(None)))
            self.assertIn("makes no sense", self.owner.ends[0])
