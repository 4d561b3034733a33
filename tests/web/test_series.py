from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.gateway.kit import START
from tests.web.kit import WebKit

NOW = int(START)


class SeriesTests(SynchronousTestCase):
    """GET /streams/:id/series."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.kit.post(
            "/tick",
            [
                {"name": "http.requests", "n": 1, "v": {"status": "200"}},
                {"name": "http.requests", "n": 1, "v": {"status": "500"}, "ts": NOW - 3600},
                {"name": "http.requests", "n": 1, "v": {"status": "500"}},
                {"name": "queue", "n": 1, "kind": "gauge"},
            ],
        )

    def names(self, query: str) -> list[tuple[str, str]]:
        series = self.kit.get(f"/streams/main/series?{query}").json["series"]
        return [(one["name"], one["labels"].get("status", "")) for one in series]

    def test_series_with_labels_kind_and_times(self) -> None:
        """First and last are the starts of the first and the last period, in seconds."""
        self.assertEqual(
            self.kit.get("/streams/main/series?match=http.*").json,
            {
                "series": [
                    {
                        "name": "http.requests",
                        "labels": {"status": "200"},
                        "kind": "counter",
                        "first": NOW,
                        "last": NOW,
                    },
                    {
                        "name": "http.requests",
                        "labels": {"status": "500"},
                        "kind": "counter",
                        "first": NOW - 3600,
                        "last": NOW,
                    },
                ]
            },
        )

    def test_what_narrows_the_list(self) -> None:
        """Name, labels, kind and time."""
        self.assertEqual(len(self.names("")), 3)
        self.assertEqual(self.names("where=status:5*"), [("http.requests", "500")])
        self.assertEqual(self.names("kind=gauge"), [("queue", "")])
        self.assertEqual(self.names("until=-30min"), [("http.requests", "500")])
        self.assertEqual(self.names("match=nothing"), [])
