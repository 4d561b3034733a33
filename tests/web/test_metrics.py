from __future__ import annotations

import gzip

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.web.kit import WebKit


class Page:
    """An exposition with this body."""

    def __init__(self, body: object):
        self.body = body

    def page(self, accept: str) -> tuple[str, object]:
        return "text/plain", self.body


class MetricsTests(SynchronousTestCase):
    """GET /metrics."""

    def test_prometheus_reads_the_page(self) -> None:
        """Text by default, OpenMetrics to whoever accepts it."""
        kit = WebKit()
        self.addCleanup(kit.close)
        kit.post("/tick", {"id": "a"})
        reply = kit.get("/metrics")
        self.assertTrue(reply.headers["content-type"].startswith("text/plain; version=0.0.4"))
        families = {one.name: one for one in text_string_to_metric_families(reply.body.decode())}
        received = families["metronome_received"].samples[0]
        self.assertEqual((received.labels, received.value), ({"stream": "main", "source": "tick"}, 1))
        modern = kit.get("/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertTrue(modern.headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(modern.body.endswith(b"# EOF\n"))

    def test_it_is_compressed(self) -> None:
        """For whoever takes gzip, in every form; who refuses it gets it as it is."""
        kit = WebKit()
        self.addCleanup(kit.close)
        kit.gateway.telemetry.count("metronome_flushes_total", 4711)
        for accept in ("text/plain", "application/openmetrics-text"):
            plain = kit.get("/metrics", {"Accept": accept, "Accept-Encoding": "gzip;q=0"})
            self.assertNotIn("content-encoding", plain.headers)
            self.assertEqual(plain.headers["vary"], "Accept, Accept-Encoding")
            packed = kit.get("/metrics", {"Accept": accept, "Accept-Encoding": "gzip"})
            self.assertEqual(packed.headers["content-encoding"], "gzip")
            self.assertLess(len(packed.body), len(plain.body) / 2)
            self.assertIn(b"metronome_flushes_total 4711\n", gzip.decompress(packed.body))

    def test_it_takes_the_administrators_token(self) -> None:
        """Because it shows every stream."""
        kit = WebKit()
        self.addCleanup(kit.close)
        owner = kit.create("shop")["token"]
        statuses = [kit.ask("GET", "/metrics", token=token).status for token in (None, "wrong", owner)]
        self.assertEqual(statuses, [401, 401, 403])

    def test_it_may_be_made_public(self) -> None:
        """``[prometheus] public = true``."""
        kit = WebKit(metrics_public=True)
        self.addCleanup(kit.close)
        self.assertEqual(kit.ask("GET", "/metrics").status, 200)

    def test_a_slow_reader_holds_the_page_back(self) -> None:
        """Nothing more is made while the connection has not taken what there is."""
        kit = WebKit(metrics_public=True)
        self.addCleanup(kit.close)
        connection = kit.connect()
        made = []

        def pieces() -> object:
            for number in range(5):
                made.append(number)
                if number == 1:
                    connection.protocol.pauseProducing()
                yield b"piece %d\n" % number

        object.__setattr__(kit.gateway, "exposition", Page(pieces()))
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(made, [0, 1])
        connection.protocol.resumeProducing()
        self.assertEqual(made, [0, 1, 2, 3, 4])
        self.assertEqual(connection.reply().body, b"".join(b"piece %d\n" % number for number in made))

    def test_a_page_that_takes_its_time(self) -> None:
        """After an empty piece the reactor has its turn."""
        kit = WebKit(metrics_public=True)
        self.addCleanup(kit.close)
        connection = kit.connect()
        made = []

        def pieces() -> object:
            for number in range(3):
                made.append(number)
                yield b""
            yield b"done\n"

        object.__setattr__(kit.gateway, "exposition", Page(pieces()))
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(made, [0])
        for _ in range(3):
            kit.clock.advance(0)
        self.assertEqual(connection.reply().body, b"done\n")

    def test_a_client_that_goes(self) -> None:
        """Its page is closed, and nothing more of it is made."""
        kit = WebKit(metrics_public=True)
        self.addCleanup(kit.close)
        connection = kit.connect()
        closed = []

        def pieces() -> object:
            try:
                while True:
                    yield b""
            finally:
                closed.append(True)

        object.__setattr__(kit.gateway, "exposition", Page(pieces()))
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: g\r\n\r\n")
        connection.lose()
        kit.clock.advance(0)
        self.assertEqual(closed, [True])
