from __future__ import annotations

from typing import Any

import orjson
from twisted.trial.unittest import SynchronousTestCase

from metronome.gateway.streams import MAIN
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
