"""Connections: whole lines in, back-pressure, limits, and what the last line is worth."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from metronome.limits import LINE_BYTES, MAPPED_BYTES, STREAM_READ_BYTES
from metronome.receivers.streams import READ_AT_ONCE, LineConnection, StreamListener
from tests.receivers.fakes import RememberingInlet, counted, given

PEER = IPv4Address("TCP", "192.0.2.7", 4711)


class StreamTests(SynchronousTestCase):
    """One listener on a reactor in memory."""

    def setUp(self) -> None:
        self.inlet = RememberingInlet()
        self.reactor = MemoryReactorClock()
        self.listener = StreamListener(
            given("tcp://127.0.0.1:0", self.inlet, reactor=self.reactor), self.inlet.statsd
        )
        self.listener.listen()

    def connect(self) -> tuple[LineConnection, StringTransport]:
        """A connection and its transport."""
        connection = self.listener.buildProtocol(PEER)
        assert connection is not None
        transport = StringTransport(peerAddress=PEER)
        connection.makeConnection(transport)
        return connection, transport

    def test_whole_lines_are_fed_with_their_sender(self) -> None:
        """A line that comes in pieces is fed once, when it is whole."""
        connection, _ = self.connect()
        connection.dataReceived(b"a:1|c\nb:")
        connection.dataReceived(b"2|c\r\n")
        self.assertEqual(self.inlet.blocks, [(b"a:1|c\n", "192.0.2.7"), (b"b:2|c\n", "192.0.2.7")])

    def test_an_endless_line_costs_only_itself(self) -> None:
        """It is refused once; the next line of the same connection counts."""
        connection, transport = self.connect()
        for _ in range(20):
            connection.dataReceived(b"x" * 1000)
        connection.dataReceived(b"\ngood:1|c\n")
        self.assertEqual(self.inlet.text, b"good:1|c\n")
        self.assertEqual([reason for reason, _ in self.inlet.rejects], ["line_too_long"])
        self.assertLess(len(self.inlet.rejects[0][1]), LINE_BYTES)
        self.assertFalse(transport.disconnecting)

    def test_the_last_line_of_a_proper_end_counts_without_its_line_end(self) -> None:
        """As ``printf 'a:1|c' | nc`` sends it."""
        connection, _ = self.connect()
        connection.dataReceived(b"a:1|c\nb:2|c")
        connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.inlet.text, b"a:1|c\nb:2|c\n")

    def test_the_last_line_of_a_broken_connection_is_refused(self) -> None:
        """It may be cut in the middle of a number."""
        connection, _ = self.connect()
        connection.dataReceived(b"a:1|c\nb:2")
        connection.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.inlet.text, b"a:1|c\n")
        self.assertEqual(self.inlet.rejects, [("unfinished_line", b"b:2")])

    def test_nothing_is_read_while_the_intake_is_full(self) -> None:
        """The transport is paused until there is room, however often it is asked."""
        connection, transport = self.connect()
        self.inlet.full = True
        connection.dataReceived(b"a:1|c\n")
        self.assertEqual(transport.producerState, "paused")
        self.inlet.freed()
        self.assertEqual(transport.producerState, "paused")
        self.inlet.full = False
        self.inlet.freed()
        self.assertEqual(transport.producerState, "producing")
        self.assertEqual(self.inlet.text, b"a:1|c\n")

    def test_no_connection_is_read_while_the_intake_is_full(self) -> None:
        """Whichever of them has noticed; each goes on when there is room."""
        connection, transport = self.connect()
        _, other = self.connect()
        self.inlet.full = True
        connection.dataReceived(b"a:1|c\n")
        self.assertEqual((transport.producerState, other.producerState), ("paused", "paused"))
        self.inlet.full = False
        self.inlet.freed()
        self.assertEqual((transport.producerState, other.producerState), ("producing", "producing"))
        self.reactor.advance(61)
        self.assertTrue(transport.disconnected and other.disconnected)

    def test_who_has_much_to_send_is_read_in_large_pieces(self) -> None:
        """Twice as much as last time, if all of that was there, up to a limit."""
        connection, transport = self.connect()
        sizes = []
        transport.bufferSize = READ_AT_ONCE
        for got in (READ_AT_ONCE - 1, READ_AT_ONCE, READ_AT_ONCE, *[STREAM_READ_BYTES] * 3):
            connection.dataReceived(b"a:1|c\n" + b"\n" * (min(got, transport.bufferSize) - 6))
            sizes.append(transport.bufferSize)
        more = min(2 * READ_AT_ONCE, STREAM_READ_BYTES)
        self.assertEqual(sizes, [READ_AT_ONCE, more, more, *[STREAM_READ_BYTES] * 3])
        self.assertLess(READ_AT_ONCE, STREAM_READ_BYTES)
        self.assertLess(STREAM_READ_BYTES, MAPPED_BYTES)

    def test_waiting_for_room_is_not_silence(self) -> None:
        """The idle limit runs only while we read."""
        connection, transport = self.connect()
        self.inlet.full = True
        connection.dataReceived(b"a:1|c\n")
        self.reactor.advance(1000)
        self.assertFalse(transport.disconnected)
        self.inlet.full = False
        self.inlet.freed()
        self.reactor.advance(61)
        self.assertTrue(transport.disconnected)

    def test_a_connection_that_ends_while_waiting_stays_ended(self) -> None:
        """Room that comes later is nothing to it."""
        connection, transport = self.connect()
        self.inlet.full = True
        connection.dataReceived(b"a:1|c\n")
        connection.connectionLost(Failure(ConnectionDone()))
        self.inlet.full = False
        self.inlet.freed()
        self.assertEqual(transport.producerState, "paused")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_silent_connection_is_closed_and_counted(self) -> None:
        """Each line gives it a new idle time."""
        connection, transport = self.connect()
        self.reactor.advance(59)
        connection.dataReceived(b"a:1|c\n")
        self.reactor.advance(59)
        self.assertFalse(transport.disconnected)
        self.reactor.advance(2)
        self.assertTrue(transport.disconnected)
        closed = counted(self.listener.given.telemetry, "metronome_connections_closed_total")
        self.assertEqual(closed, {"idle": 1})

    def test_there_are_never_more_connections_than_the_limit(self) -> None:
        """Further ones are refused and counted; one that ends makes room."""
        first, _ = self.connect()
        self.connect()
        self.assertIsNone(self.listener.buildProtocol(PEER))
        self.assertEqual(self.listener.connected, 2)
        telemetry = self.listener.given.telemetry
        self.assertEqual(
            counted(telemetry, "metronome_connections_closed_total"), {"too_many_connections": 1}
        )
        first.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(self.listener.buildProtocol(PEER))
        self.assertEqual(counted(telemetry, "metronome_connections_accepted_total"), {"statsd_test": 2})

    def test_stop_closes_what_is_open_and_waits_for_it(self) -> None:
        """It has stopped when the last connection is gone."""
        connection, transport = self.connect()
        stopped = self.listener.stop()
        self.assertTrue(transport.disconnected)
        self.assertNoResult(stopped)
        connection.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(stopped)
        self.successResultOf(self.listener.stop())
