from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.gateway.kit import START
from tests.web.kit import WebKit

NOW = int(START)  # 2023-11-14T22:13:20Z
DAY = 86400


class TockTests(SynchronousTestCase):
    """GET /tock/:id.json."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def tick(self, *items: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self.kit.token}"}
        self.assertEqual(self.kit.post("/tick", items, headers).json["rejected"], [])

    def ask(self, path: str) -> Any:
        reply = self.kit.get(path)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def test_the_answer_as_it_is_promised(self) -> None:
        """Three maps of integers: dates newest first, the others by size."""
        item = {"id": "dc/roads"}
        self.tick(
            {**item, "ts": NOW - 3 * DAY},
            {**item, "referer": "https://www.arcgis.com/"},
            {**item, "referer": "https://www.washingtonpost.com/articles/dc-news/?x"},
            {**item, "referer": "https://washingtonpost.com/articles/dc-news"},
            {**item, "type": "download", "format": "CSV", "referer": "https://ignored.org"},
            {**item, "type": "download", "file": "roads.kml"},
            {**item, "type": "download", "file": "roads.csv"},
            {**item, "type": "download"},
            {**item, "type": "outlink"},
            {"id": "dc/other"},
        )
        reply = self.kit.get("/tock/dc/roads.json")
        self.assertEqual(
            reply.body,
            b'{"views":{"2023-11-14":3,"2023-11-11":1},'
            b'"downloads":{"csv":2,"kml":1,"unknown":1},'
            b'"referers":{"washingtonpost.com/articles/dc-news":2,"arcgis.com":1}}',
        )

    def test_ids_of_all_sorts(self) -> None:
        """Slashes as they are or encoded, umlauts, a question mark, ``.json`` itself."""
        for item, path in (
            ("a/b", "/tock/a/b.json"),
            ("a/b", "/tock/a%2Fb.json"),
            ("a/b", "/tock.json?id=a/b"),
            ("a b?c=ü&d", "/tock/a%20b%3Fc=%C3%BC&d.json"),
            ("data.json", "/tock/data.json.json"),
            ("//", "/tock///.json"),
            ("x+y", "/tock/x+y.json"),
        ):
            self.tick({"id": item, "eid": item})
            self.assertEqual(self.ask(path)["views"], {"2023-11-14": 1}, path)

    def test_the_page_of_a_view_is_its_item(self) -> None:
        """A browser's tick with nothing but its address."""
        self.tick({"url": "https://www.example.com/maps/dc/?utm_source=x#top"})
        self.assertEqual(self.ask("/tock/example.com/maps/dc.json")["views"], {"2023-11-14": 1})

    def test_an_unknown_item_is_empty(self) -> None:
        """Easy to embed: 200 and three empty maps."""
        self.assertEqual(self.ask("/tock/none.json"), {"views": {}, "downloads": {}, "referers": {}})

    def test_which_time(self) -> None:
        """30 days with today, other lengths, and from and until."""
        self.tick(*({"id": "a", "ts": NOW - days * DAY} for days in range(40)))
        for query, days in (
            ("", 30),
            ("?last=1d", 1),
            ("?last=12h", 1),
            ("?last=36h", 2),
            ("?last=1y", 40),
            ("?last=99999999999", 40),
            ("?from=0", 40),
            (f"?from={NOW - 5 * DAY}&until={NOW - 3 * DAY}", 2),
            ("?from=2023-11-10&until=2023-11-12", 2),
            ("?until=2023-11-01", 26),
        ):
            self.assertEqual(len(self.ask(f"/tock/a.json{query}")["views"]), days, query)

    def test_the_zone_says_what_a_day_is(self) -> None:
        """22:13 UTC is tomorrow in Moscow."""
        self.tick({"id": "a"})
        self.assertEqual(self.ask("/tock/a.json?tz=Europe/Moscow")["views"], {"2023-11-15": 1})

    def test_limits_and_extras(self) -> None:
        """The largest, the rest when asked for, days without views when asked for."""
        self.tick(*({"id": "a", "referer": f"https://r{n}.org/"} for n in (1, 1, 2, 3)))
        answer = self.ask("/tock/a.json?limit=1&include=other&fill=1&last=3d")
        self.assertEqual(answer["referers"], {"r1.org": 2, "_other": 2})
        self.assertEqual(answer["views"], {"2023-11-14": 4, "2023-11-13": 0, "2023-11-12": 0})
        self.assertEqual(self.ask("/tock/a.json?limit=0")["referers"], {})

    def test_an_answer_may_be_kept_for_ten_seconds(self) -> None:
        """And the same answer is told by its tag."""
        first = self.kit.get("/tock/a.json")
        self.assertEqual(first.headers["cache-control"], "private, max-age=10")
        again = self.kit.get("/tock/a.json", {"If-None-Match": f'"x", W/{first.headers["etag"]}'})
        self.assertEqual((again.status, again.body), (304, b""))
        self.tick({"id": "a"})
        fresh = self.kit.get("/tock/a.json", {"If-None-Match": first.headers["etag"]})
        self.assertEqual(fresh.status, 200)

    def test_what_cannot_be_answered_says_why(self) -> None:
        """Each with the parameter at fault."""
        for query, status in (
            ("limit=x", 400),
            ("limit=10001", 400),
            ("include=visitors", 400),
            ("fill=maybe", 400),
            ("last=soon", 400),
            ("fill=1&from=0&until=9999-12-31", 413),
        ):
            reply = self.kit.get(f"/tock/a.json?{query}")
            self.assertEqual(reply.status, status, query)
            self.assertIn(query.partition("=")[0], reply.json["detail"])
        self.assertEqual(self.kit.get("/tock.json").status, 400)
