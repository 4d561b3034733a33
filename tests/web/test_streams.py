from __future__ import annotations

from typing import Any

import orjson
from twisted.trial.unittest import SynchronousTestCase

from metronome.gateway.streams import MAIN
from metronome.kernel.interface import Dialect
from tests.web.kit import Reply, WebKit


class StreamsTests(SynchronousTestCase):
    """The registry over HTTP."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def send(self, method: str, path: str, content: Any = None, token: str | None = None) -> Reply:
        body = b"" if content is None else orjson.dumps(content)
        return self.kit.ask(method, path, {}, body, token or self.kit.token)

    def test_a_new_stream_has_key_and_token(self) -> None:
        """201; the token reads it, the key does not."""
        settings = {"origins": ["https://shop.example/"], "retention": {"events": 90}, "public": True}
        reply = self.send("POST", "/streams", {"name": "shop", **settings})
        self.assertEqual((reply.status, reply.headers["location"]), (201, "/streams/shop"))
        made = reply.json
        self.assertEqual(set(made), {"id", "name", "write_key", "token"})
        self.assertEqual(self.send("GET", "/streams/shop", token=made["write_key"]).status, 401)
        shown = self.send("GET", "/streams/shop", token=made["token"]).json
        self.assertEqual(
            shown,
            {
                "id": "shop",
                "name": "shop",
                "origins": ["https://shop.example"],
                "retention": {"events": 90},
                "public": True,
                "write_key": made["write_key"],
                "created": self.kit.clock.seconds() // 1,
            }
            | {"created": shown["created"]},
        )

    def test_who_sees_which_streams(self) -> None:
        """All to the administrator, the own one to an owner, never a token."""
        shop = self.kit.create("shop")
        names = [stream["id"] for stream in self.kit.get("/streams").json["streams"]]
        self.assertEqual(names, [MAIN, "shop"])
        own = self.send("GET", "/streams", token=shop["token"])
        self.assertEqual([stream["id"] for stream in own.json["streams"]], ["shop"])
        self.assertNotIn(shop["token"], own.body.decode())

    def test_only_the_administrator_changes_streams(self) -> None:
        """403 to an owner, 401 to a stranger, and nothing happens."""
        shop = self.kit.create("shop")
        for method, path, content in (
            ("POST", "/streams", {"name": "other"}),
            ("PATCH", "/streams/shop", {"public": True}),
            ("DELETE", "/streams/shop", None),
            ("POST", "/streams/shop/rotate", None),
        ):
            reply = self.send(method, path, content, shop["token"])
            self.assertEqual((reply.status, reply.json["error"]), (403, "forbidden"))
            self.assertEqual(self.send(method, path, content, "wrong").status, 401)
        self.assertEqual([stream.id for stream in self.kit.streams.all()], [MAIN, "shop"])

    def test_what_is_given_is_changed(self) -> None:
        """The rest stays."""
        self.kit.create("shop", origins=["https://shop.example"])
        reply = self.send("PATCH", "/streams/shop", {"public": True, "retention": {"points": 7}})
        self.assertEqual((reply.json["public"], reply.json["origins"]), (True, ["https://shop.example"]))
        self.assertEqual(self.send("PATCH", "/streams/shop", {"origins": []}).json["origins"], [])
        self.assertEqual(self.send("PATCH", "/streams/none", {}).status, 404)

    def test_bad_settings_are_named(self) -> None:
        """400 with a sentence that says what would be right."""
        for content, words in (
            ({}, "name is missing"),
            ({"name": "a b"}, "letters"),
            ({"name": 5}, "name must be of type str"),
            ({"name": "x", "colour": "red"}, "no 'colour'"),
            ({"name": "x", "origins": "https://a.org"}, "origins must be of type list"),
            ({"name": "x", "origins": ["a.org"]}, "like https://example.com"),
            ({"name": "x", "origins": ["https://a.org"] * 101}, "at most 100"),
            ({"name": "x", "retention": {"years": 1}}, "points and events"),
            ({"name": "x", "retention": {"points": 0}}, "whole days"),
            ({"name": "x", "retention": {"points": True}}, "whole days"),
            ({"name": "x", "public": "yes"}, "public must be of type bool"),
            ([], "JSON object"),
        ):
            reply = self.send("POST", "/streams", content)
            self.assertEqual(reply.status, 400, content)
            self.assertIn(words, reply.json["detail"])
        self.assertEqual(
            self.kit.ask("POST", "/streams", {}, b"{", self.kit.token).json["error"], "malformed"
        )
        self.kit.create("shop")
        self.assertEqual(self.send("POST", "/streams", {"name": "shop"}).json["error"], "conflict")

    def test_a_deleted_stream_is_gone_with_what_it_held(self) -> None:
        """204; then neither key nor token nor data are left.  ``main`` stays."""
        shop = self.kit.create("shop")
        self.kit.post("/tick/shop", {"id": "a"})
        self.assertEqual(self.send("DELETE", "/streams/shop").status, 204)
        self.assertEqual(self.kit.post("/tick/shop", {"id": "a"}).status, 404)
        self.assertEqual(self.kit.ask("GET", "/ledger.json", token=shop["token"]).status, 401)
        self.assertEqual(self.send("DELETE", "/streams/shop").status, 404)
        self.assertEqual(self.send("DELETE", "/streams/main").json["error"], "forbidden")

    def test_a_stream_of_a_deleted_ones_name_begins_empty(self) -> None:
        """Nothing of what was sent to the old one: not in the journal, the table, the books, the ids."""
        kit = self.kit
        shop = kit.create("shop")
        inlet = kit.intake.inlet("udp", "shop", Dialect())
        tick = {"id": "a", "eid": "one"}
        kit.post("/tick/shop", tick)
        kit.ask("POST", "/tick/shop", {}, b"{bad")
        inlet.statsd(b"hits:3|c\ndepth:4|g")
        kit.flusher.flush()
        inlet.statsd(b"hits:5|c\nbad")
        self.assertEqual(self.send("DELETE", "/streams/shop").status, 204)
        inlet.statsd(b"hits:7|c")
        shop = kit.create("shop")
        token = shop["token"]
        path = "/tock.json?id=a&stream=shop"
        self.assertEqual(self.send("GET", path, token=token).json["views"], {})
        self.assertEqual(self.send("GET", "/streams/shop/series", token=token).json["series"], [])
        books = self.send("GET", "/ledger.json", token=token).json
        self.assertEqual(books["rejects"], [])
        self.assertEqual(sum(sum(day["rejected"].values()) for day in books["days"]), 0)
        self.assertEqual(kit.post("/tick/shop", tick).json["accepted"], 1)
        self.assertEqual(kit.post("/tick/shop", tick).json["accepted"], 0)
        kit.consumer.start()
        kit.flusher.flush()
        kit.settle()
        self.assertEqual(sum(self.send("GET", path, token=token).json["views"].values()), 1)
        self.assertEqual(self.send("GET", "/streams/shop/series", token=token).json["series"], [])
        self.assertEqual(kit.ledger.waiting("shop"), 0)
        self.assertEqual(kit.received(), kit.accounted("shop"))
        (day,) = self.send("GET", "/ledger.json", token=token).json["days"]
        self.assertEqual((day["stored"], day["received"], day["diverted"]), (1, 2, {}))

    def test_a_name_that_is_taken_loses_nothing(self) -> None:
        """A second stream of a name is refused before anything is forgotten."""
        self.kit.create("shop")
        self.kit.post("/tick/shop", {"id": "a"})
        self.kit.consumer.start()
        self.kit.settle()
        self.assertEqual(self.send("POST", "/streams", {"name": "shop"}).status, 409)
        views = self.kit.get("/tock.json?id=a&stream=shop").json["views"]
        self.assertEqual(sum(views.values()), 1)
