"""Pickled points of a connection are fed as lines of Graphite."""

from __future__ import annotations

import pickle
import struct

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from metronome.receivers.pickle import RECEIVER
from metronome.receivers.streams import LineConnection, StreamListener
from tests.receivers.fakes import RememberingInlet, counted, given


def frame(*points: tuple[str, tuple[float, float]]) -> bytes:
    body = pickle.dumps(list(points), 2)
    return struct.pack("!L", len(body)) + body


class PickleTests(SynchronousTestCase):
    """One connection on a reactor in memory."""

    def setUp(self) -> None:
        self.inlet = RememberingInlet()
        listener = RECEIVER.make(given("tcp://127.0.0.1:0", self.inlet))
        assert isinstance(listener, StreamListener)
        self.listener = listener
        connection = listener.buildProtocol(None)
        assert isinstance(connection, LineConnection)
        self.connection = connection
        self.transport = StringTransport()
        connection.makeConnection(self.transport)

    def test_frames_come_in_as_lines_of_graphite(self) -> None:
        """Two in one chunk, one in two."""
        stream = frame(("a", (1, 2))) + frame(("b", (3, 4)), ("c", (5, 6.5)))
        self.connection.dataReceived(stream[:-5])
        self.connection.dataReceived(stream[-5:])
        self.assertEqual(self.inlet.text, b"a 2 1\nb 4 3\nc 6.5 5\n")
        self.assertEqual(self.listener.feed, self.inlet.graphite)
        self.assertEqual((RECEIVER.option, RECEIVER.transports), ("pickle", ("tcp", "tls", "unix")))

    def test_a_bad_frame_is_refused_and_the_next_one_counts(self) -> None:
        """As carbon does, but counted."""
        self.connection.dataReceived(struct.pack("!L", 12) + b"cos\nsystem\n." + frame(("a", (1, 2))))
        self.assertEqual(self.inlet.text, b"a 2 1\n")
        self.assertEqual(self.inlet.rejects, [("bad_pickle", b"cos\nsystem\n.")])
        self.assertFalse(self.transport.disconnected)

    def test_who_speaks_something_else_is_closed_and_counted(self) -> None:
        """Plaintext at the wrong port: nothing that follows could be told from it."""
        self.connection.dataReceived(b"a.b 1 1700000000\n")
        self.assertEqual([reason for reason, _ in self.inlet.rejects], ["frame_too_long"])
        self.assertTrue(self.transport.disconnected)
        closed = counted(self.listener.given.telemetry, "metronome_connections_closed_total")
        self.assertEqual(closed, {"unreadable": 1})
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.inlet.rejects), 1)

    def test_nothing_is_read_while_the_intake_is_full(self) -> None:
        """carbon's clients wait then, as they do for a full carbon cache."""
        self.inlet.full = True
        self.connection.dataReceived(frame(("a", (1, 2))))
        self.assertEqual(self.transport.producerState, "paused")
