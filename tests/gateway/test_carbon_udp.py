"""Lines in datagrams, over a socket that a test answers for."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator, Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from metronome.addresses import Address
from metronome.errors import DestinationUnavailable
from metronome.gateway.carbon_udp import CarbonDatagrams, datagrams
from metronome.gateway.places import open_datagrams
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk
from metronome.limits import CARBON_DATAGRAM_BYTES, CARBON_DATAGRAM_PAUSE, CARBON_RESOLVE

NAME = "carbon:2003"


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(20, 80))
def test_whole_lines_only(lengths: list[int], most: int) -> None:
    """Nothing is lost, no line is cut, no datagram is longer than it may be unless one line is."""
    lines = [b"x" * length + b"\n" for length in lengths]
    found = list(datagrams(b"".join(lines), most))
    assert b"".join(found) == b"".join(lines)
    for datagram in found:
        assert datagram.endswith(b"\n")
        assert len(datagram) <= most or datagram.count(b"\n") == 1


class Socket:
    """What was sent, until a test says that something is wrong."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.wrong: OSError | None = None
        self.closed = False

    def send(self, data: bytes) -> int:
        if self.wrong is not None:
            raise self.wrong
        self.sent.append(data)
        return len(data)

    def close(self) -> None:
        self.closed = True


class World:
    """A destination and its sockets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.telemetry = Telemetry()
        self.sockets: list[Socket] = []
        self.lost: OSError | None = None
        self.carbon = CarbonDatagrams(NAME, self._open, self.clock, self.telemetry)
        self.carbon.start()

    def _open(self) -> Deferred:
        if self.lost is not None:
            return fail(self.lost)
        self.sockets.append(Socket())
        return succeed(self.sockets[-1])

    def run(self, seconds: float = 1.0) -> None:
        self.clock.pump([CARBON_DATAGRAM_PAUSE] * round(seconds / CARBON_DATAGRAM_PAUSE))


def chunks(number: int = 3) -> Iterator[Chunk]:
    for end in range(1, number + 1):
        yield Chunk(b"path.%d 1 2\n" % end * 300, 300, end)


class SendingTests(SynchronousTestCase):
    """While the socket takes what it is given."""

    def test_flow(self) -> None:
        """Chunks leave one after the other, with a pause; what left is confirmed."""
        world = World()
        done = world.carbon.send(chunks())
        self.assertEqual(world.carbon.confirmed(), 1)
        world.clock.advance(CARBON_DATAGRAM_PAUSE)
        self.assertEqual(world.carbon.confirmed(), 2)
        world.run()
        self.assertIsNone(self.successResultOf(done))
        sent = world.sockets[0].sent
        self.assertEqual(b"".join(sent), b"".join(chunk.data for chunk in chunks()))
        self.assertLessEqual(max(map(len, sent)), CARBON_DATAGRAM_BYTES)
        self.assertEqual(world.telemetry.value("metronome_graphite_sent_total", destination=NAME), 900)
        self.assertEqual(world.carbon.confirmed(), 3)

    def test_full_buffers(self) -> None:
        """While the system's own buffers are full, what waits is tried again."""
        world = World()
        world.carbon.send(chunks(1))
        world.run()
        world.sockets[0].wrong = BlockingIOError(errno.EAGAIN, "full")
        done = world.carbon.send(chunks(1))
        world.run()
        self.assertNoResult(done)
        world.sockets[0].wrong = None
        world.run()
        self.successResultOf(done)
        self.assertEqual(len(b"".join(world.sockets[0].sent)), 2 * 300 * len(b"path.1 1 2\n"))

    def test_a_new_socket_now_and_then(self) -> None:
        """The name may mean another host after a while."""
        world = World()
        for _ in range(2):
            self.carbon_sent(world)
            world.clock.advance(CARBON_RESOLVE + 1)
        self.assertEqual([one.closed for one in world.sockets], [True, False])

    def carbon_sent(self, world: World) -> None:
        done = world.carbon.send(chunks(1))
        world.run()
        self.successResultOf(done)


class AwayTests(SynchronousTestCase):
    """When it is told that nobody is there."""

    def test_a_closed_port(self) -> None:
        """The rest waits, and goes on where it was."""
        world = World()
        feed = chunks()
        done = world.carbon.send(feed)
        world.sockets[0].wrong = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        world.run()
        failure = self.failureResultOf(done, DestinationUnavailable)
        self.assertIn("refused", failure.getErrorMessage())
        self.assertIn("refused", world.carbon.trouble)
        self.assertEqual(world.telemetry.value("metronome_graphite_connected", destination=NAME), 0)
        self.assertEqual(world.carbon.confirmed(), 1)
        again = world.carbon.send(feed)
        world.run()
        self.successResultOf(again)
        self.assertEqual(world.carbon.trouble, "")
        everything = b"".join(b"".join(one.sent) for one in world.sockets)
        self.assertEqual(everything, b"".join(chunk.data for chunk in chunks()))

    def test_an_unknown_host(self) -> None:
        """A name that nobody knows is "later" as well."""
        world = World()
        world.lost = DNSLookupError("there is no host carbon")
        self.failureResultOf(world.carbon.send(chunks()), DestinationUnavailable)
        self.assertIn("no host", world.carbon.trouble)

    def test_stopping(self) -> None:
        """What is being sent fails, the socket is closed."""
        world = World()
        done = world.carbon.send(chunks())
        self.successResultOf(world.carbon.stop())
        world.run()
        self.failureResultOf(done, DestinationUnavailable)
        self.assertTrue(world.sockets[0].closed)
        self.assertEqual(world.clock.getDelayedCalls(), [])


class RealSocketTests(TestCase):
    """Over a real socket."""

    @inlineCallbacks
    def test_arrives(self) -> Generator[Deferred, object, None]:
        """Datagrams come to who listens."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.bind(("127.0.0.1", 0))
            listening.settimeout(5)
            address = Address("udp", "127.0.0.1", listening.getsockname()[1])
            carbon = CarbonDatagrams(NAME, lambda: open_datagrams(reactor, address), reactor, Telemetry())
            carbon.start()
            yield carbon.send(iter([Chunk(b"a.b 1 2\n", 1, 5)]))
            self.assertEqual(listening.recv(100), b"a.b 1 2\n")
            self.assertEqual(carbon.confirmed(), 5)
            yield carbon.stop()

    @inlineCallbacks
    def test_nobody_there(self) -> Generator[Deferred, object, None]:
        """A name that does not exist fails as "later"."""
        address = Address("udp", "no-such-host.invalid", 2003)
        carbon = CarbonDatagrams(NAME, lambda: open_datagrams(reactor, address), reactor, Telemetry())
        carbon.start()
        yield self.assertFailure(carbon.send(iter([Chunk(b"a 1 2\n", 1, 5)])), DestinationUnavailable)
