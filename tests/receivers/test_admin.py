"""A line in, a reply out; and what happens to those who do not end their lines or do not read."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from metronome.gateway.console import Reply
from metronome.limits import CONSOLE_LINE_BYTES, CONSOLE_PAUSE
from metronome.receivers.admin import RECEIVER, AdminConnection, AdminListener
from tests.receivers.fakes import RememberingInlet, counted, given


class EchoConsole:
    """Answers with the command; ``quit`` ends, ``long`` is too much for a buffer."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, inlet: Any, line: str) -> Reply:
        self.asked.append(line)
        return Reply(f"<{line.strip()}>", over=line.strip() == "quit")


class AdminTests(SynchronousTestCase):
    """One connection on a reactor in memory."""

    def setUp(self) -> None:
        self.console = EchoConsole()
        self.reactor = MemoryReactorClock()
        made = RECEIVER.make(
            given("tcp://127.0.0.1:0", RememberingInlet(), reactor=self.reactor, console=self.console)
        )
        assert isinstance(made, AdminListener)
        self.listener = made
        self.listener.listen()
        self.connection, self.transport = self.connect()

    def connect(self) -> tuple[AdminConnection, StringTransport]:
        connection = self.listener.buildProtocol(None)
        assert isinstance(connection, AdminConnection)
        transport = StringTransport()
        connection.makeConnection(transport)
        return connection, transport

    def test_lines_are_answered_in_order(self) -> None:
        """LF and CRLF; several in one chunk, one in several."""
        for chunk in (b"stats\r\ncoun", b"ters\n", b"\n"):
            self.connection.dataReceived(chunk)
        self.assertEqual(self.transport.value(), b"<stats><counters><>")
        self.assertEqual((RECEIVER.option, RECEIVER.transports), ("admin", ("tcp", "unix")))

    def test_a_command_without_a_line_end_counts_after_a_moment(self) -> None:
        """statsd takes what arrives at once for a command."""
        self.connection.dataReceived(b"hea")
        self.reactor.advance(CONSOLE_PAUSE / 2)
        self.connection.dataReceived(b"lth")
        self.reactor.advance(CONSOLE_PAUSE / 2)
        self.assertEqual(self.console.asked, [])
        self.reactor.advance(CONSOLE_PAUSE / 2)
        self.assertEqual(self.console.asked, ["health"])
        self.reactor.advance(10)
        self.assertEqual(self.console.asked, ["health"])

    def test_who_closes_his_half_is_answered_first(self) -> None:
        """``printf 'stats\\ncounters' | nc -N``."""
        self.connection.dataReceived(b"stats\ncounters")
        self.connection.readConnectionLost()
        self.assertEqual(self.transport.value(), b"<stats><counters>")
        self.assertTrue(self.transport.disconnecting)

    def test_quit_ends_and_nothing_after_it_is_asked(self) -> None:
        """Not even in the same chunk."""
        self.connection.dataReceived(b"stats\nquit\ndelcounters a\n")
        self.connection.dataReceived(b"delcounters b\n")
        self.reactor.advance(10)
        self.assertEqual(self.console.asked, ["stats", "quit"])
        self.assertTrue(self.transport.disconnecting)

    def test_nothing_more_is_asked_while_replies_are_not_read(self) -> None:
        """So who does not read costs no memory; what he asked is answered when he does."""
        self.connection.pauseProducing()
        self.connection.dataReceived(b"stats\ncounters\n")
        self.assertEqual(self.transport.producerState, "paused")
        self.assertEqual(self.console.asked, [])
        self.connection.readConnectionLost()
        self.assertFalse(self.transport.disconnecting)
        self.connection.resumeProducing()
        self.assertEqual(self.transport.value(), b"<stats><counters>")
        self.assertTrue(self.transport.disconnecting)

    def test_an_endless_line_ends_the_connection(self) -> None:
        """It is counted."""
        self.connection.dataReceived(b"x" * (CONSOLE_LINE_BYTES + 1))
        self.assertTrue(self.transport.disconnected)
        closed = counted(self.listener.given.telemetry, "metronome_connections_closed_total")
        self.assertEqual(closed, {"unreadable": 1})

    def test_silence_and_limits_as_with_other_connections(self) -> None:
        """A silent one is closed, a further one refused, and stop closes all."""
        _, second = self.connect()
        self.assertIsNone(self.listener.buildProtocol(None))
        self.assertEqual(self.listener.connected, 2)
        self.reactor.advance(30)
        self.connection.dataReceived(b"stats\n")
        self.reactor.advance(31)
        self.assertTrue(second.disconnected)
        self.assertFalse(self.transport.disconnected)
        self.connection.dataReceived(b"unended")
        self.listener.stop()
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.transport.disconnected)
        self.reactor.advance(1)
        self.assertEqual(self.console.asked, ["stats"])
        self.assertEqual(self.listener.connected, 1)
