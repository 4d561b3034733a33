"""The connection to carbon against a transport that a test drains by hand."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from twisted.internet import error, reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from metronome.errors import DestinationUnavailable
from metronome.gateway.carbon import Carbon, Chunk, Sending
from metronome.gateway.telemetry import Telemetry
from metronome.limits import (
    CARBON_GOODBYE,
    CARBON_RESEND,
    CARBON_SLOW,
    CARBON_STALL,
    CARBON_STEADY,
    RETRY_MOST,
)
from tests.gateway.carbon_kit import Endpoint, Line

NAME = "tcp://carbon:2003"


class World:
    """A Carbon, its clock and its far side."""

    def __init__(self, sending: Sending | None = None) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.telemetry = Telemetry()
        self.backs = 0
        how = sending or Sending()
        self.carbon = Carbon(NAME, self.endpoint, self.clock, self.telemetry, self._back, how)
        self.carbon.start()

    def value(self, name: str) -> float:
        return self.telemetry.value(f"metronome_graphite_{name}", destination=NAME)

    def _back(self) -> None:
        self.backs += 1


def chunks(*texts: bytes, first: int = 1) -> Iterator[Chunk]:
    return iter([Chunk(text, 1, end) for end, text in enumerate(texts, first)])


class SendingTests(SynchronousTestCase):
    """While connected."""

    def test_flow(self) -> None:
        """One chunk at a time is handed over, and the next only when the kernel has taken it."""
        world = World()
        line, _ = world.endpoint.accept()
        done = world.carbon.send(chunks(b"a 1 1\n", b"b 2 2\n"))
        self.assertEqual((line.buffer, line.sent), (b"a 1 1\n", b""))
        line.take()
        self.assertEqual((line.buffer, line.sent), (b"b 2 2\n", b"a 1 1\n"))
        self.assertNoResult(done)
        line.take()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(line.sent, b"a 1 1\nb 2 2\n")
        self.assertIsNone(line.producer)
        self.assertEqual(world.telemetry.value("metronome_graphite_sent_total", destination=NAME), 2)
        self.assertEqual(world.telemetry.value("metronome_graphite_connected", destination=NAME), 1)

    def test_confirmation(self) -> None:
        """A position counts as confirmed when the connection has outlived its bytes for a while."""
        world = World()
        line, _ = world.endpoint.accept()
        world.carbon.send(chunks(b"a", b"b"))
        line.drain()
        self.assertEqual(world.carbon.confirmed(), 0)
        world.clock.advance(CARBON_RESEND)
        self.assertEqual(world.carbon.confirmed(), 2)

    def test_nothing_to_say(self) -> None:
        """A chunk without bytes completes its position once all before it is confirmed."""
        world = World()
        line, _ = world.endpoint.accept()
        first = world.carbon.send(chunks(b""))
        world.clock.advance(0)
        self.successResultOf(first)
        self.assertEqual(world.carbon.confirmed(), 1)
        second = world.carbon.send(chunks(b"a", b"", first=2))
        line.take()
        world.clock.advance(0)
        self.successResultOf(second)
        self.assertEqual(world.carbon.confirmed(), 1)
        world.clock.advance(CARBON_RESEND)
        self.assertEqual(world.carbon.confirmed(), 3)

    def test_failing_iterator(self) -> None:
        """What the iterator raises reaches the one who asked, and the connection lives on."""

        def failing() -> Iterator[Chunk]:
            yield Chunk(b"a", 1, 1)
            raise ValueError("broken")

        world = World()
        line, _ = world.endpoint.accept()
        done = world.carbon.send(failing())
        line.take()
        self.assertEqual(str(self.failureResultOf(done, ValueError).value), "broken")
        again = world.carbon.send(chunks(b"b"))
        line.drain()
        self.successResultOf(again)
        self.assertEqual(line.sent, b"ab")


class AwayTests(SynchronousTestCase):
    """While there is no connection, and after it breaks."""

    def test_refused(self) -> None:
        """While carbon refuses, sending fails as "later" and the tries come ever further apart."""
        world = World()
        pauses = []
        for _ in range(10):
            world.endpoint.refuse()
            failure = self.failureResultOf(world.carbon.send(chunks(b"a")), DestinationUnavailable)
            self.assertIn("refused", failure.getErrorMessage())
            (call,) = world.clock.getDelayedCalls()
            pauses.append(call.getTime() - world.clock.seconds())
            world.clock.advance(pauses[-1])
        self.assertEqual(pauses, [0.25, 0.5, 1, 2, 4, 8, 16, RETRY_MOST, RETRY_MOST, RETRY_MOST])
        world.endpoint.accept()
        self.assertEqual(world.backs, 1)

    def test_resend(self) -> None:
        """After a break the unconfirmed is sent again, then the iterator goes on where it was."""
        world = World()
        line, protocol = world.endpoint.accept()
        world.carbon.send(chunks(b"old "))
        line.drain()
        world.clock.advance(CARBON_RESEND)
        feed = chunks(b"a ", b"b ", b"c ", b"d ", first=2)
        done = world.carbon.send(feed)
        line.take()
        protocol.connectionLost(connectionDone)
        self.failureResultOf(done, DestinationUnavailable)
        world.clock.advance(0.25)
        line, _ = world.endpoint.accept()
        line.take()
        done = world.carbon.send(feed)
        line.drain()
        self.successResultOf(done)
        self.assertEqual(line.sent, b"a b c d ")
        self.assertEqual(world.carbon.confirmed(), 1)
        world.clock.advance(CARBON_RESEND)
        self.assertEqual(world.carbon.confirmed(), 5)

    def test_resend_without_work(self) -> None:
        """What was lost after its work had ended is sent again as well, twice if need be."""
        world = World()
        line, protocol = world.endpoint.accept()
        self.successResultOf_after(line, world.carbon.send(chunks(b"a ", b"b ")))
        for _ in range(2):
            protocol.connectionLost(connectionDone)
            world.clock.advance(1)
            line, protocol = world.endpoint.accept()
            self.assertEqual(line.drain(), b"a b ")

    def successResultOf_after(self, line: Line, done: Deferred) -> None:
        line.drain()
        self.successResultOf(done)

    def test_no_confirmation_while_away(self) -> None:
        """Time that passes without a connection confirms nothing."""
        world = World()
        line, protocol = world.endpoint.accept()
        world.carbon.send(chunks(b"a"))
        line.drain()
        protocol.connectionLost(connectionDone)
        world.clock.advance(CARBON_RESEND * 2)
        self.assertEqual(world.carbon.confirmed(), 0)

    def test_short_connections_keep_the_pause(self) -> None:
        """A carbon that accepts and hangs up at once is not hammered."""
        world = World()
        pauses = []
        for _ in range(4):
            _, protocol = world.endpoint.accept()
            protocol.connectionLost(Failure(error.ConnectionDone()))
            (call,) = world.clock.getDelayedCalls()
            pauses.append(call.getTime() - world.clock.seconds())
            world.clock.advance(pauses[-1])
        self.assertEqual(pauses, [0.25, 0.5, 1, 2])
        _, protocol = world.endpoint.accept()
        world.clock.advance(CARBON_STEADY + 1)
        protocol.connectionLost(connectionDone)
        (call,) = world.clock.getDelayedCalls()
        self.assertEqual(call.getTime() - world.clock.seconds(), 0.25)

    def test_a_handshake_that_fails(self) -> None:
        """Over TLS there is no connection before the handshake; when it fails the pauses grow, also after
        a connection that lasted, and a server that says nothing is given up."""
        world = World(Sending(secure=True))
        line, protocol = world.endpoint.accept()
        self.assertFalse(world.carbon.connected)
        protocol.handshakeCompleted()
        self.assertTrue(world.carbon.connected)
        world.clock.advance(CARBON_STEADY + 1)
        protocol.connectionLost(connectionDone)
        pauses = []
        for _ in range(3):
            (call,) = world.clock.getDelayedCalls()
            pauses.append(call.getTime() - world.clock.seconds())
            world.clock.advance(pauses[-1])
            line, protocol = world.endpoint.accept()
            self.failureResultOf(world.carbon.send(chunks(b"a")), DestinationUnavailable)
            world.clock.advance(CARBON_SLOW)
            self.assertTrue(line.aborted)
            protocol.connectionLost(Failure(error.ConnectionLost()))
        self.assertEqual(pauses, [0.25, 0.5, 1])

    def test_stall(self) -> None:
        """A carbon that reads nothing for long is dropped; one that reads slowly is not."""
        world = World()
        line, protocol = world.endpoint.accept()
        done = world.carbon.send(chunks(b"a", b"b", b"c"))
        world.clock.pump([CARBON_SLOW, CARBON_STALL - CARBON_SLOW - 1])
        line.take()
        world.clock.pump([CARBON_SLOW, CARBON_STALL - CARBON_SLOW - 1])
        self.assertFalse(line.aborted)
        world.clock.advance(1)
        self.assertTrue(line.aborted)
        protocol.connectionLost(connectionDone)
        self.failureResultOf(done, DestinationUnavailable)

    def test_nothing_is_confirmed_meanwhile(self) -> None:
        """What left before a carbon stood still may lie in its socket's buffer; it is sent again."""
        world = World()
        line, protocol = world.endpoint.accept()
        done = world.carbon.send(chunks(b"a", b"b", b"c"))
        line.take()
        world.clock.pump([CARBON_SLOW, CARBON_RESEND])
        self.assertEqual(world.carbon.confirmed(), 0)
        protocol.connectionLost(connectionDone)
        self.failureResultOf(done, DestinationUnavailable)
        world.clock.advance(RETRY_MOST)
        line, _ = world.endpoint.accept()
        self.assertEqual(line.drain(), b"ab")

    def test_a_stall_is_told_before_that(self) -> None:
        """A carbon that takes nothing for some seconds shows as trouble, until it takes something."""
        world = World()
        line, _ = world.endpoint.accept()
        world.carbon.send(chunks(b"a", b"b"))
        self.assertEqual(world.carbon.trouble, "")
        world.clock.advance(CARBON_SLOW)
        self.assertIn("taken nothing", world.carbon.trouble)
        self.assertEqual(world.value("stalled"), 1)
        line.take()
        self.assertEqual(world.carbon.trouble, "")
        self.assertEqual((world.value("stalled"), world.value("stalls_total")), (0, 1))

    def test_idle_is_no_stall(self) -> None:
        """A connection with nothing to send is left alone."""
        world = World()
        line, _ = world.endpoint.accept()
        world.carbon.send(chunks(b"a"))
        line.drain()
        world.clock.advance(CARBON_STALL * 2)
        self.assertFalse(line.aborted)


class StopTests(SynchronousTestCase):
    """Ending."""

    def test_while_connected(self) -> None:
        """What was written is given a moment to leave; what waits fails."""
        world = World()
        line, protocol = world.endpoint.accept()
        done = world.carbon.send(chunks(b"a", b"b"))
        stopped = world.carbon.stop()
        self.failureResultOf(done, DestinationUnavailable)
        self.assertTrue(line.closing)
        self.assertNoResult(stopped)
        protocol.connectionLost(connectionDone)
        self.successResultOf(stopped)
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def test_deaf_carbon(self) -> None:
        """A carbon that takes nothing does not hold up the end."""
        world = World()
        line, protocol = world.endpoint.accept()
        world.carbon.stop()
        world.clock.advance(CARBON_GOODBYE)
        self.assertTrue(line.aborted)
        protocol.connectionLost(connectionDone)
        self.assertEqual(world.clock.getDelayedCalls(), [])

    def test_while_away(self) -> None:
        """Neither a try in flight nor the next one outlives the end."""
        world = World()
        self.successResultOf(world.carbon.stop())
        self.assertEqual(world.clock.getDelayedCalls(), [])
        world = World()
        world.endpoint.refuse()
        self.successResultOf(world.carbon.stop())
        self.assertEqual(world.clock.getDelayedCalls(), [])


class Slow(Protocol):
    """A carbon that reads in bites, with pauses, and hangs up once in the middle."""

    def __init__(self, got: list[bytes], ended: list[Deferred]) -> None:
        self.got = got
        self.ended = ended

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.pop(0).callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.got.append(data)
        self.transport.pauseProducing()
        reactor.callLater(0, self.transport.resumeProducing)
        if len(self.got) == 20:
            self.transport.abortConnection()


class RealSocketTests(TestCase):
    """Over a real connection: what a fake transport may get wrong."""

    @inlineCallbacks
    def test_all_arrives_after_a_break(self) -> Generator[Deferred, object, None]:
        """Ten megabytes arrive whole although carbon reads slowly and hangs up in between."""
        got: list[bytes] = []
        first, last = Deferred(), Deferred()
        ended = [first, last]
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: Slow(got, ended)), interface="127.0.0.1")
        back: list[Deferred] = []
        carbon = Carbon(
            NAME,
            TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port),
            reactor,
            Telemetry(),
            lambda: [waiter.callback(None) for waiter in back] and back.clear(),
        )
        texts = [b"%06d\n" % number * 5000 for number in range(300)]
        feed = chunks(*texts)
        carbon.start()
        for _ in range(2):
            back.append(Deferred())
            yield back[0]
            try:
                yield carbon.send(feed)
            except DestinationUnavailable:
                continue
        yield carbon.stop()
        yield last
        yield port.stopListening()
        arrived = set(b"".join(got).split(b"\n"))
        self.assertTrue({text[:6] for text in texts} <= arrived)


def test_one_iterator_at_a_time() -> None:
    """Two senders at once would mix their lines: a mistake of the caller."""
    world = World()
    world.endpoint.accept()
    world.carbon.send(chunks(b"a"))
    with pytest.raises(AssertionError):
        world.carbon.send(chunks(b"b"))
