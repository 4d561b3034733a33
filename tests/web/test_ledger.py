from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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
        (reject,) = books["rejects"]
        self.assertEqual(
            (reject["reason"], reject["excerpt"], reject["source"], reject["sender"]),
            ("bad_param", '{"id":"b","ts":"lunch"}', "tick", "https://shop.example"),
        )
