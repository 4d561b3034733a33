from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from metronome.kernel.interface import Dialect, Mapped
from tests.web.kit import WebKit


class LedgerTests(SynchronousTestCase):
    """GET /ledger.json."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def test_the_books_of_a_stream(self) -> None:
        """Its own only: what was received, kept and refused, with samples of the latter."""
        shop = self.kit.create("shop")
        self.kit.post("/tick", {"id": "a"})
        self.kit.post(
            "/tick/shop", [{"id": "a"}, {"id": "b", "ts": "lunch"}], {"Origin": "https://shop.example"}
        )
        books = self.kit.ask("GET", "/ledger.json", token=shop["token"]).json
        self.assertEqual(books["stream"], "shop")
        (day,) = books["days"]
        self.assertEqual(
            (day["day"], day["received"], day["stored"] + day["waiting"], day["rejected"]),
            ("2023-11-14", 2, 1, {"bad_param": 1}),
        )
        self.assertEqual((books["rejects"][0]["count"], books["unmapped"]), (1, []))
        (reject,) = books["rejects"]
        self.assertEqual(
            (reject["reason"], reject["excerpt"], reject["source"], reject["sender"]),
            ("bad_param", '{"id":"b","ts":"lunch"}', "tick", "https://shop.example"),
        )

    def test_lines_that_come_often_and_names_that_no_rule_takes(self) -> None:
        """Each once, with its sender and how often it came; the owner alone sees them."""
        intake = self.kit.gateway.intake
        intake.use_mapper(lambda name, kind, labels: Mapped(name, labels, ruled=False))
        inlet = intake.inlet("statsd_udp", "main", Dialect())
        for _ in range(2):
            inlet.statsd(b"new.name:1|c\nnew.name:2|c\nbad:x|c", "192.0.2.7")
        books = self.kit.get("/ledger.json").json
        keys = ("reason", "source", "sender", "excerpt", "count")
        self.assertEqual(
            [tuple(note[key] for key in keys) for note in books["rejects"]],
            [("bad_value", "statsd_udp", "192.0.2.7", "bad:x|c", 2)],
        )
        self.assertEqual(
            [tuple(note[key] for key in keys) for note in books["unmapped"]],
            [("unmapped", "statsd_udp", "192.0.2.7", "new.name:1|c", 4)],
        )
        (day,) = books["days"]
        self.assertEqual((day["received"], day["rejected"]), (6, {"bad_value": 2}))
