"""``GET /top.json`` tells the owner who sends most."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from metronome.kernel.interface import Dialect
from tests.web.kit import WebKit


class TopTests(SynchronousTestCase):
    """One gateway that was sent something."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        inlet = self.kit.intake.inlet("statsd_tcp", "main", Dialect())
        inlet.statsd(b"a.b.c:1|c\na.b.c:1|c\na.b.d:1|c\n", "192.0.2.7")
        inlet.graphite(b"x.y.z 1 1700000000\n", "192.0.2.8")
        self.kit.flusher.flush_points()
        self.kit.flusher.flush()
        self.kit.settle()

    def test_series_prefixes_and_senders(self) -> None:
        """What came over every receiver, joined by stream."""
        top = self.kit.get("/top.json?limit=1").json
        self.assertEqual(top["series"], [{"name": "a.b.c", "v": {}, "kind": "counter", "samples": 2}])
        self.assertEqual(top["prefixes"]["samples"], [{"prefix": "a.b", "samples": 3}])
        self.assertEqual(top["prefixes"]["series"], [{"prefix": "a.b", "series": 2}])
        self.assertEqual(top["senders"]["samples"], [{"sender": "192.0.2.7", "samples": 3}])
        self.assertEqual(top["senders"]["series"], [{"sender": "192.0.2.7", "series": 2}])
        self.assertEqual(self.kit.get("/top.json").json["samples"], 4)

    def test_only_the_owner_is_told(self) -> None:
        """And nobody may ask for everything."""
        self.assertEqual(self.kit.ask("GET", "/top.json").status, 401)
        self.assertEqual(self.kit.get("/top.json?limit=1001").status, 400)
