from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from metronome.limits import (
    BODY_BYTES,
    HTTP_BODIES_BYTES,
    HTTP_DISCARD_BYTES,
    HTTP_HEADERS,
    HTTP_IDLE,
    HTTP_LINGER,
)
from tests.web.kit import Connection, WebKit

POST = b"POST /tick HTTP/1.1\r\nHost: g\r\nOrigin: https://a.example\r\nAccept: application/json\r\n"
PIECE = bytes(64 << 10)


class ChannelCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.connection = self.kit.connect()

    def refused(self, status: int, reason: str, connection: Connection | None = None) -> None:
        """The connection was answered once, and is closed for writing."""
        connection = connection or self.connection
        reply = connection.reply()
        self.assertEqual((reply.status, reply.json["error"]), (status, reason))
        self.assertEqual(reply.headers["connection"], "close")
        self.assertTrue(connection.closed)


class SizeTests(ChannelCase):
    """Bodies are refused as soon as they are known to be too large."""

    def test_a_length_over_the_limit_is_refused_before_the_body(self) -> None:
        """The answer comes with the head; pages may read it, and the books have it."""
        self.connection.send(POST + b"Content-Length: %d\r\n\r\n" % (BODY_BYTES + 1))
        self.refused(413, "too_large")
        headers = self.connection.reply().headers
        self.assertEqual(headers["access-control-allow-origin"], "https://a.example")
        self.assertEqual(headers["x-metronome"], "accepted=0 rejected=1 filtered=0")
        self.assertEqual(self.kit.get("/ledger.json").json["days"][0]["rejected"], {"too_large": 1})

    def test_nobody_is_told_to_go_on_with_what_was_refused(self) -> None:
        """``Expect: 100-continue`` gets the refusal alone."""
        self.connection.send(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        self.refused(413, "too_large")
        other = self.kit.connect()
        other.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        self.assertEqual(other.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_a_chunked_body_over_the_limit_is_refused_while_it_arrives(self) -> None:
        """Nothing of it is held from then on."""
        self.connection.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
        for _ in range(BODY_BYTES // len(PIECE)):
            self.connection.send(chunk)
        self.assertEqual(self.connection.transport.value(), b"")
        self.connection.send(chunk)
        self.refused(413, "too_large")
        self.assertEqual(self.kit.site.held, 0)
        self.connection.send(chunk * 3 + b"0\r\n\r\n")
        self.refused(413, "too_large")

    def test_a_body_of_just_the_limit_is_taken(self) -> None:
        """One byte less than too much; a second request follows on the connection."""
        body = b'{"type":"view","id":"a","x":"' + b"y" * (BODY_BYTES - 31) + b'"}'
        self.assertEqual(len(body), BODY_BYTES)
        self.connection.send(POST + b"Content-Length: %d\r\n\r\n" % BODY_BYTES + body)
        self.kit.settle()
        self.assertEqual(self.connection.reply().json["accepted"], 1)
        self.connection.send(POST + b"Content-Length: 2\r\n\r\n{}")
        self.kit.settle()
        self.assertEqual([reply.status for reply in self.connection.replies()], [202, 202])
        self.assertEqual(self.kit.site.held, 0)

    def test_the_rest_of_a_refused_body_is_thrown_away_within_bounds(self) -> None:
        """A client that sends on finds its answer; one that never stops is cut off."""
        self.connection.send(POST + b"Content-Length: %d\r\n\r\n" % (1 << 40))
        for _ in range(HTTP_DISCARD_BYTES // len(PIECE)):
            self.connection.send(PIECE)
        self.assertFalse(self.connection.transport.aborted)
        self.connection.send(PIECE)
        self.assertTrue(self.connection.transport.aborted)

    def test_a_refused_client_that_does_not_go_is_cut_off(self) -> None:
        """After a few seconds, however slowly it sends on."""
        self.connection.send(POST + b"Content-Length: %d\r\n\r\n" % (1 << 40))
        for _ in range(HTTP_LINGER):
            self.assertFalse(self.connection.transport.aborted)
            self.connection.send(b"x")
            self.kit.clock.advance(1)
        self.assertTrue(self.connection.transport.aborted)

    def test_all_bodies_together_are_bounded(self) -> None:
        """The one that would be too much is told to come later; the others go on."""
        many = [self.kit.connect() for _ in range(HTTP_BODIES_BYTES // BODY_BYTES)]
        for connection in many:
            connection.send(POST + b"Content-Length: %d\r\n\r\n" % BODY_BYTES + bytes(BODY_BYTES - 1))
        self.connection.send(POST + b"Content-Length: %d\r\n\r\n" % BODY_BYTES + bytes(BODY_BYTES - 1))
        self.refused(503, "overloaded")
        self.assertEqual(self.connection.reply().headers["retry-after"], "5")
        many[0].lose()
        self.assertEqual(self.kit.site.held, (len(many) - 1) * (BODY_BYTES - 1))
        again = self.kit.connect()
        again.send(POST + b"Content-Length: 2\r\n\r\n{}")
        self.kit.settle()
        self.assertEqual(again.reply().status, 202)


class HeadTests(ChannelCase):
    """Request lines and header fields are bounded and must be HTTP."""

    def test_too_many_fields(self) -> None:
        """One more than the limit is refused; the limit itself is not."""
        fields = b"".join(b"X-%d: y\r\n" % number for number in range(HTTP_HEADERS))
        self.connection.send(b"GET /health HTTP/1.1\r\n" + fields + b"\r\n")
        self.assertEqual(self.connection.reply().status, 200)
        other = self.kit.connect()
        other.send(b"GET /health HTTP/1.1\r\n" + fields + b"Host: g\r\n\r\nGET /health HTTP/1.1\r\n\r\n")
        self.refused(431, "too_large", other)

    def test_too_long_a_head(self) -> None:
        """One endless line, or many that are too long together."""
        self.connection.send(b"GET /" + b"x" * 20_000)
        self.refused(431, "too_large")
        other = self.kit.connect()
        other.send(b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"y" * 5000) for n in range(4)))
        self.refused(431, "too_large", other)

    def test_what_is_not_http(self) -> None:
        """TLS on a plain port, a lie about lengths, a chunk without one, and noise."""
        for noise in (
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
            POST + b"Content-Length: -1\r\n\r\n",
            POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            POST + b"No colon\r\n\r\n",
            b"\r\n\r\nnoise\r\n",
        ):
            connection = self.kit.connect()
            connection.send(noise)
            self.refused(400, "bad_request", connection)


class TimeTests(ChannelCase):
    """Slow clients are bounded."""

    def test_a_request_must_arrive_in_time_however_it_trickles(self) -> None:
        """A byte a second does not keep it alive."""
        self.connection.send(POST + b"Content-Length: 1000\r\n\r\n")
        for _ in range(HTTP_IDLE):
            self.assertEqual(self.connection.transport.value(), b"")
            self.connection.send(b"x")
            self.kit.clock.advance(1)
        self.refused(408, "timeout")

    def test_a_slow_head_as_well(self) -> None:
        """The clock runs from the first byte."""
        self.kit.clock.advance(HTTP_IDLE - 1)
        self.connection.send(b"GET /hea")
        self.kit.clock.advance(HTTP_IDLE - 1)
        self.connection.send(b"lth HTTP/1.1\r\n\r\n")
        self.assertEqual(self.connection.reply().status, 200)
        other = self.kit.connect()
        other.send(b"GET /hea")
        self.kit.clock.advance(HTTP_IDLE)
        self.refused(408, "timeout", other)

    def test_silence_closes_the_connection(self) -> None:
        """Before a first request and between two, without an answer."""
        self.connection.send(b"GET /health HTTP/1.1\r\n\r\n")
        silent = self.kit.connect()
        self.kit.clock.advance(HTTP_IDLE)
        self.assertTrue(self.connection.closed)
        self.assertEqual(len(self.connection.replies()), 1)
        self.assertTrue(silent.closed)
        self.assertEqual(silent.transport.value(), b"")

    def test_each_request_has_a_time_of_its_own(self) -> None:
        """A connection lives as long as it is used."""
        for _ in range(3):
            self.connection.send(b"GET /health HTTP/1.1\r\n\r\n")
            self.kit.clock.advance(HTTP_IDLE - 1)
        self.assertEqual(len(self.connection.replies()), 3)
        self.assertFalse(self.connection.closed)

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """The second waits for the first, which waits for the journal."""
        self.connection.send(POST + b"Content-Length: 2\r\n\r\n{}GET /nowhere HTTP/1.1\r\n\r\n")
        self.assertEqual(self.connection.transport.value(), b"")
        self.kit.settle()
        self.assertEqual([reply.status for reply in self.connection.replies()], [202, 404])

    def test_a_client_that_goes_while_it_is_answered(self) -> None:
        """Its tick is kept; nobody is told."""
        self.connection.send(POST + b'Content-Length: 10\r\n\r\n{"id":"a"}')
        self.connection.lose()
        self.kit.settle()
        self.assertEqual(self.connection.transport.value(), b"")
        self.assertEqual(self.kit.get("/tock/a.json").json["views"], {"2023-11-14": 1})

    def listen(self) -> None:
        """Ask for an answer that does not end."""
        head = f"GET /tail HTTP/1.1\r\nAuthorization: Bearer {self.kit.token}\r\n\r\n"
        self.connection.send(head.encode())

    def test_a_client_that_takes_nothing_of_its_answer_is_cut_off(self) -> None:
        """The connection is not held for ever by who asks and does not read."""
        self.listen()
        self.connection.protocol.pauseProducing()
        self.kit.clock.advance(HTTP_IDLE)
        self.assertTrue(self.connection.closed)
        self.kit.clock.advance(HTTP_IDLE)
        self.assertTrue(self.connection.transport.aborted)

    def test_a_slow_client_has_its_time_again_and_again(self) -> None:
        """And an answer that is slow to be made costs the client nothing."""
        self.listen()
        for _ in range(3):
            self.connection.protocol.pauseProducing()
            self.kit.clock.advance(HTTP_IDLE - 1)
            self.connection.protocol.resumeProducing()
            self.kit.clock.advance(HTTP_IDLE + 1)
        self.assertFalse(self.connection.closed)
