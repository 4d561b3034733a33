"""``GET /tail`` shows what comes in, within bounds, until the listener goes."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.kernel.interface import Dialect
from metronome.limits import TAIL_LINES
from tests.web.kit import Connection, WebKit


class TailTests(SynchronousTestCase):
    """One listener on a connection in memory."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.inlet = self.kit.intake.inlet("statsd_udp", "main", Dialect())

    def listen(self, query: str = "", version: str = "1.1") -> Connection:
        """A connection that has asked for the tail."""
        connection = self.kit.connect()
        head = f"GET /tail{query} HTTP/{version}\r\nHost: g\r\nAuthorization: Bearer {self.kit.token}\r\n\r\n"
        connection.send(head.encode())
        return connection

    def told(self, connection: Connection) -> list[Any]:
        """The events so far."""
        lines = connection.transport.value().split(b"\n")
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]

    def test_samples_and_rejects_are_shown_with_their_source(self) -> None:
        """Statsd and Graphite lines of the stream, none of another."""
        connection = self.listen()
        self.inlet.statsd(b"a:1|c|#k:v\nbad")
        self.kit.intake.inlet("graphite_tcp", "main", Dialect()).graphite(b"g.h 5 1700000000\n")
        self.kit.intake.inlet("statsd_udp", "other", Dialect()).statsd(b"hidden:1|c")
        sample, reject, point = self.told(connection)
        self.assertEqual((sample["name"], sample["labels"]), ("a", {"k": "v"}))
        self.assertEqual(sample["source"], "statsd_udp")
        self.assertEqual(reject["reject"], "malformed_line")
        self.assertEqual((point["name"], point["value"], point["source"]), ("g.h", 5.0, "graphite_tcp"))
        connection.lose()

    def test_it_takes_a_token(self) -> None:
        """What comes in is the owner's to see."""
        self.assertEqual(self.kit.ask("GET", "/tail").status, 401)

    def test_when_the_listener_goes_the_input_is_watched_no_longer(self) -> None:
        """The fast way of reading datagrams comes back."""
        connection = self.listen()
        self.assertTrue(self.inlet.watched)
        connection.lose()
        self.assertFalse(self.inlet.watched)
        self.inlet.statsd(b"a:1|c")
        self.kit.clock.advance(5)

    def test_a_flood_is_shown_in_part_and_the_rest_counted(self) -> None:
        """A second's worth of lines; the next second shows again."""
        connection = self.listen()
        self.inlet.statsd(b"a:1|c\n" * (TAIL_LINES + 7))
        self.assertEqual(len(self.told(connection)), TAIL_LINES)
        self.kit.clock.advance(1)
        self.assertEqual(self.told(connection)[-1], {"skipped": 7})
        self.inlet.statsd(b"b:1|c")
        self.assertEqual(self.told(connection)[-1]["name"], "b")
        connection.lose()

    def test_a_slow_listener_is_shown_nothing_until_it_reads(self) -> None:
        """Nothing is buffered for it without bound."""
        connection = self.listen()
        connection.transport.producer.pauseProducing()
        self.inlet.statsd(b"a:1|c\nb:1|c")
        self.kit.clock.advance(1)
        self.assertEqual(self.told(connection), [])
        connection.transport.producer.resumeProducing()
        self.kit.clock.advance(1)
        self.assertEqual(self.told(connection), [{"skipped": 2}])
        connection.lose()

    def test_a_quiet_stream_says_that_it_is_there(self) -> None:
        """A comment each second keeps proxies from closing the connection."""
        connection = self.listen()
        before = len(connection.transport.value())
        self.kit.clock.advance(1)
        self.assertGreater(len(connection.transport.value()), before)
        connection.lose()

    def test_it_ends_when_the_site_is_closed(self) -> None:
        """A listener does not hold up the stop of the gateway."""
        connection = self.listen()
        retired = self.kit.site.retire()
        self.kit.clock.advance(1)
        self.assertTrue(connection.closed)
        connection.lose()
        self.successResultOf(retired)
        self.assertFalse(self.inlet.watched)

    def test_head_answers_at_once(self) -> None:
        """The headers alone, and the connection is not held."""
        reply = self.kit.ask("HEAD", "/tail", token=self.kit.token)
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/event-stream"))
