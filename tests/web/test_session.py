from __future__ import annotations

import orjson
from twisted.trial.unittest import SynchronousTestCase

from tests.web.kit import Reply, WebKit


class SessionTests(SynchronousTestCase):
    """The dashboard signs in and out."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def sign_in(self, content: object) -> Reply:
        return self.kit.ask("POST", "/session", {}, orjson.dumps(content))

    def test_a_token_becomes_a_cookie_that_scripts_cannot_see(self) -> None:
        """And that other sites' pages do not send."""
        reply = self.sign_in({"token": self.kit.token})
        cookie = reply.headers["set-cookie"]
        self.assertEqual((reply.status, cookie.split(";")[0]), (204, f"metronome={self.kit.token}"))
        for part in ("Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=2592000"):
            self.assertIn(part, cookie)
        headers = {"Cookie": f"other=1; {cookie.split(';')[0]}"}
        self.assertEqual(self.kit.ask("GET", "/streams", headers).status, 200)
        self.assertEqual(self.kit.ask("GET", "/session", headers).json, {"stream": "main", "admin": True})

    def test_a_wrong_token_is_no_session(self) -> None:
        """401 without a cookie; a body that is none is 400."""
        for content in ({"token": "wrong"}, {"token": ""}, {}):
            reply = self.sign_in(content)
            self.assertEqual(reply.status, 401)
            self.assertNotIn("set-cookie", reply.headers)
        for content in ({"token": 5}, {"tokens": "x"}, []):
            self.assertEqual(self.sign_in(content).status, 400)

    def test_signing_out_takes_the_cookie_away(self) -> None:
        """Whether there was one or not."""
        reply = self.kit.ask("DELETE", "/session")
        self.assertEqual(reply.status, 204)
        self.assertIn("Max-Age=0", reply.headers["set-cookie"])

    def test_what_changes_something_must_come_from_the_own_origin(self) -> None:
        """A page on another port is of the same site, and its browser sends the cookie."""
        body = orjson.dumps({"name": "shop"})
        headers = {"Cookie": f"metronome={self.kit.token}"}
        foreign = self.kit.ask("POST", "/streams", {**headers, "Origin": "http://gateway:3000"}, body)
        self.assertEqual((foreign.status, foreign.json["error"]), (403, "forbidden"))
        own = self.kit.ask("POST", "/streams", {**headers, "Origin": "http://gateway"}, body)
        self.assertEqual(own.status, 201)

    def test_the_cookie_makes_no_tick_trusted(self) -> None:
        """A page cannot write in the name of the dashboard's user."""
        headers = {"Cookie": f"metronome={self.kit.token}", "Content-Type": "application/json"}
        self.kit.ask("POST", "/tick", headers, b'{"id":"a","ts":1600000000}')
        self.assertEqual(self.kit.get("/tock/a.json").json["views"], {"2023-11-14": 1})

    def test_pages_of_other_origins_sign_nobody_in(self) -> None:
        """Else a page could put its visitor into a session of its own."""
        content = orjson.dumps({"token": self.kit.token})
        for origin, status in (("https://evil.example", 403), ("null", 403)):
            reply = self.kit.ask("POST", "/session", {"Origin": origin}, content)
            self.assertEqual(reply.status, status)
            self.assertNotIn("set-cookie", reply.headers)
            self.assertEqual(self.kit.ask("DELETE", "/session", {"Origin": origin}).status, status)
