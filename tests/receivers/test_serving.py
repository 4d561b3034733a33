"""A thread that receives, and a listener that uses one."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

from twisted.internet.defer import Deferred
from twisted.logger import Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from metronome.receivers.datagrams import LOOK_INTERVAL, DatagramListener
from metronome.receivers.serving import ServingThread
from tests.receivers.fakes import RememberingInlet, ThreadedReactor, given

PATIENCE = 20.0


class ServingInlet(RememberingInlet):
    """Reads in a thread as the native table does, and remembers what and where."""

    serves = True

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()
        self.settled = 0

    def serve(self, fd: int, stop_fd: int) -> None:
        """Read datagrams until ``stop_fd`` can be read, then the rest."""
        with socket.socket(fileno=os.dup(fd)) as sock:
            stopping = False
            while True:
                ready, _, _ = select.select([fd, stop_fd], [], [], 0 if stopping else None)
                if fd in ready:
                    self.blocks.append((sock.recv(65535), threading.current_thread().name))
                elif stopping:
                    return
                stopping = stopping or stop_fd in ready

    def drain(self, fd: int, budget: int) -> int:
        """Nothing has come after the thread's end."""
        return 0

    def settle(self) -> None:
        """Count how often the books were kept."""
        self.settled += 1


class ServingThreadTests(SynchronousTestCase):
    """The thread by itself."""

    def test_its_end_is_told_in_the_reactor(self) -> None:
        """Not before it was told to stop, and with its thread gone."""
        reactor = ThreadedReactor()
        names: list[str] = []

        def serve(fd: int, stop_fd: int) -> None:
            names.append(threading.current_thread().name)
            select.select([stop_fd], [], [])

        thread = ServingThread(reactor, "statsd_udp", serve, 0)
        done = thread.stop()
        self.assertNoResult(done)
        reactor.until(done)
        self.successResultOf(done)
        self.assertEqual(names, ["statsd_udp"])
        self.assertNotIn("statsd_udp", [one.name for one in threading.enumerate()])

    def test_a_failure_is_logged_and_it_still_ends(self) -> None:
        """A socket that broke is an error in the log, and no stop hangs."""
        events: list[str] = []
        reactor = ThreadedReactor()

        def serve(fd: int, stop_fd: int) -> None:
            raise OSError(9, "Bad file descriptor")

        thread = ServingThread(reactor, "statsd_udp", serve, 0)
        thread.log = Logger(observer=lambda event: events.append(formatEvent(event)))
        done = thread.stop()
        reactor.until(done)
        self.assertEqual(events, ["the receiving thread statsd_udp has failed"])


class ServedListenerTests(SynchronousTestCase):
    """A listener whose inlet can serve."""

    def setUp(self) -> None:
        self.inlet = ServingInlet()
        self.reactor = ThreadedReactor()
        self.listener = DatagramListener(
            given("udp://127.0.0.1:0", self.inlet, reactor=self.reactor),
            self.inlet.drain,
            self.inlet.statsd,
            self.inlet.serve,
        )
        self.bound = self.listener.listen()
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sender.close)

    def send(self, payload: bytes) -> None:
        """Send a datagram to the listener."""
        self.sender.sendto(payload, (self.bound.host, self.bound.port))

    def look(self) -> None:
        """Let the listener look after its thread, and what that led to happen."""
        self.reactor.advance(LOOK_INTERVAL)
        self.reactor.settle()

    def stop(self) -> None:
        """Stop the listener and wait for it."""
        done: Deferred[None] = self.listener.stop()
        self.reactor.until(done)
        self.successResultOf(done)

    def wait(self, number: int) -> None:
        """Wait until the thread has read so many datagrams."""
        end = time.monotonic() + PATIENCE
        while len(self.inlet.blocks) < number:
            assert time.monotonic() < end
            time.sleep(0.001)

    def test_a_thread_reads_and_the_books_are_kept_now_and_then(self) -> None:
        """The reactor has no part in reading; at stop the rest is read and the books are kept."""
        self.assertEqual(self.reactor.getReaders(), [])
        self.send(b"a:1|c")
        self.wait(1)
        self.assertEqual(self.inlet.blocks, [(b"a:1|c", "statsd_test")])
        self.look()
        self.assertEqual(self.inlet.settled, 1)
        self.send(b"b:1|c")
        self.stop()
        self.assertEqual([block for block, _ in self.inlet.blocks], [b"a:1|c", b"b:1|c"])
        self.assertEqual(self.inlet.settled, 2)
        self.assertEqual(self.listener.fileno(), -1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_steps_aside_while_somebody_watches(self) -> None:
        """Then each datagram is shown with its sender; afterwards the thread is back."""
        self.inlet.watched = True
        self.look()
        self.reactor.until_readers(1)
        self.send(b"shown:1|c")
        self.listener.doRead()
        self.assertEqual(self.inlet.blocks, [(b"shown:1|c", "127.0.0.1")])
        self.inlet.watched = False
        self.look()
        self.assertEqual(self.reactor.getReaders(), [])
        self.send(b"a:1|c")
        self.wait(2)
        self.assertEqual(self.inlet.blocks[1], (b"a:1|c", "statsd_test"))
        self.stop()

    def test_a_stop_while_it_steps_aside_loses_nothing(self) -> None:
        """The stop waits for the thread that is ending already."""
        self.inlet.watched = True
        self.reactor.advance(LOOK_INTERVAL)
        self.send(b"a:1|c")
        self.stop()
        self.assertEqual([block for block, _ in self.inlet.blocks], [b"a:1|c"])
        self.assertEqual(self.reactor.getReaders(), [])
