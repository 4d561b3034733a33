from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from tests.web.kit import WebKit


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


class TokenTests(SynchronousTestCase):
    """Who reads what."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.shop = self.kit.create("shop")

    def status(self, path: str, authorization: str = "", **headers: str) -> int:
        fields = {"Authorization": authorization, **headers} if authorization else headers
        return self.kit.ask("GET", path, fields).status

    def test_a_token_comes_as_bearer_or_as_password(self) -> None:
        """Any user, any case of the scheme."""
        token = self.shop["token"]
        for good in (f"Bearer {token}", f"bearer  {token}", basic(token)):
            self.assertEqual(self.status("/ledger.json", good), 200, good)
        for bad in ("Bearer", "Bearer x", basic("x"), "Basic %%%", "Basic YQ==", f"Digest {token}", token):
            self.assertEqual(self.status("/ledger.json", bad), 401, bad)
        self.assertEqual(self.status("/ledger.json"), 401)

    def test_an_owner_reads_the_own_stream_only(self) -> None:
        """Another stream looks the same whether it exists or not."""
        token = f"Bearer {self.shop['token']}"
        self.assertEqual(self.status("/ledger.json", token), 200)
        self.assertEqual(self.status("/ledger.json?stream=shop", token), 200)
        answers = [
            self.kit.ask("GET", path, {"Authorization": token})
            for path in ("/ledger.json?stream=main", "/ledger.json?stream=none", "/streams/main/series")
        ]
        self.assertEqual({(reply.status, reply.body) for reply in answers}, {(401, answers[0].body)})
        self.assertEqual(answers[0].body, self.kit.ask("GET", "/ledger.json").body)

    def test_the_administrator_reads_every_stream(self) -> None:
        """And is told which ones there are not."""
        self.assertEqual(self.kit.get("/ledger.json").json["stream"], "main")
        self.assertEqual(self.kit.get("/ledger.json?stream=shop").json["stream"], "shop")
        self.assertEqual(self.kit.get("/ledger.json?stream=none").status, 404)

    def test_a_rotated_token_is_none(self) -> None:
        """The old one ends at once."""
        fresh = self.kit.ask("POST", "/streams/shop/rotate", token=self.kit.token).json
        self.assertEqual(self.status("/ledger.json", f"Bearer {self.shop['token']}"), 401)
        self.assertEqual(self.status("/ledger.json", f"Bearer {fresh['token']}"), 200)

    def test_only_programs_are_offered_basic(self) -> None:
        """A browser would show a dialogue of its own."""
        reply = self.kit.ask("GET", "/streams", {"User-Agent": "curl/8"})
        self.assertIn("Basic", reply.headers["www-authenticate"])
        for browser in ({"User-Agent": "Mozilla/5.0 (X11)"}, {"X-Requested-With": "XMLHttpRequest"}):
            reply = self.kit.ask("GET", "/streams", browser)
            self.assertEqual(reply.status, 401)
            self.assertEqual(reply.headers["www-authenticate"], 'Bearer realm="metronome"')


class PublicTests(SynchronousTestCase):
    """A public stream's tock."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.kit.create("shop", public=True)
        self.kit.create("private")

    def test_everybody_reads_a_public_tock(self) -> None:
        """Without a token, with another's, and from every page."""
        for token in (None, "wrong", self.kit.token):
            reply = self.kit.ask("GET", "/tock/a.json?stream=shop", token=token)
            self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (200, "*"))
        for path in ("/tock/a.json?stream=private", "/tock/a.json", "/tock/a.json?stream=none"):
            reply = self.kit.ask("GET", path)
            self.assertEqual(reply.status, 401)
            self.assertNotIn("access-control-allow-origin", reply.headers)

    def test_but_nothing_else_of_it(self) -> None:
        """Points, series and books take the token."""
        for path in ("/streams/shop/series", "/streams/shop/points?name=x", "/ledger.json?stream=shop"):
            self.assertEqual(self.kit.ask("GET", path).status, 401)

    def test_the_default_stream_is_that_of_the_token(self) -> None:
        """Also where main is public."""
        self.kit.streams.update("main", public=True)
        self.assertEqual(self.kit.ask("GET", "/tock/a.json").status, 200)
        self.assertEqual(self.kit.ask("GET", "/tock/a.json", token="stale").status, 200)
        token = self.kit.create("other")["token"]
        self.kit.post("/tick/other", {"id": "a"})
        reply = self.kit.ask("GET", "/tock/a.json", token=token)
        self.assertEqual(reply.json["views"], {"2023-11-14": 1})
