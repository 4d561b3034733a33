from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from metronome.web.admission import Desk
from metronome.web.endpoint import Asked, Web
from metronome.wire.tick import Context
from tests.gateway.kit import START_MS
from tests.web.kit import WebKit
from tests.web.test_endpoint import asked


class AdmissionTests(SynchronousTestCase):
    """Who may write to which stream, and what is believed of whom."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.web = Web(self.kit.gateway)
        self.shop, self.token = self.kit.streams.create(
            "shop", ("https://shop.example", "https://*.shop.example")
        )
        self.kit.streams.create("open", ("*",))

    def admitted(self, one: Asked, *names: str, pixel: bool = False) -> Context:
        answer = Desk(self.web, one, pixel).admit(*names)
        assert isinstance(answer, Context), answer
        return answer

    def test_nobody_is_asked_for_a_key(self) -> None:
        """Stream main, not trusted, with the gateway's period."""
        self.assertEqual(self.admitted(asked()), Context(START_MS, "main", False, 10.0))

    def test_origins(self) -> None:
        """Listed, by a glob, in any case; without one it is no web page."""
        for origin, answer in (
            ("https://shop.example", "shop"),
            ("HTTPS://WWW.shop.example", "shop"),
            ("", "shop"),
            ("http://shop.example", "bad_origin"),
            ("https://shop.example.evil.org", "bad_origin"),
            ("null", "bad_origin"),
        ):
            found = Desk(self.web, asked(Origin=origin)).admit("shop")
            self.assertEqual(found.stream if isinstance(found, Context) else found, answer, origin)

    def test_a_star_takes_every_page_but_draws_none(self) -> None:
        """A stream that takes all origins is not the default of all pages."""
        origin = asked(Origin="https://any.example")
        self.assertEqual(self.admitted(origin, "open").stream, "open")
        self.assertEqual(self.admitted(origin).stream, "main")
        self.assertEqual(self.admitted(asked(Origin="https://shop.example")).stream, "shop")

    def test_a_trusted_sender_may_come_from_anywhere(self) -> None:
        """Key or token, in an item or as Authorization."""
        evil = "https://evil.example"
        for one, key in (
            (asked(Origin=evil), self.shop.write_key),
            (asked(Origin=evil, Authorization=f"Bearer {self.token}"), ""),
            (asked(Origin=evil, Authorization=f"Bearer {self.shop.write_key}"), ""),
            (asked(Origin=evil, Authorization=f"Bearer {self.kit.token}"), ""),
        ):
            self.assertTrue(self.admitted(one, "shop", key).trusted)

    def test_a_key_of_another_stream_is_a_wrong_key(self) -> None:
        """It is not enough that it is somebody's."""
        self.assertEqual(Desk(self.web, asked()).admit("main", self.shop.write_key), "bad_key")
        self.assertEqual(Desk(self.web, asked()).admit("none", self.shop.write_key), "unknown_stream")
        owner = asked(Authorization=f"Bearer {self.token}")
        self.assertEqual(Desk(self.web, owner).admit("main"), "bad_key")

    def test_what_the_headers_say_of_the_page(self) -> None:
        """The Referer is the page; of an image it is the referer as well."""
        page = {"Origin": "https://shop.example", "Referer": "https://shop.example/a"}
        found = self.admitted(asked(**page))
        self.assertEqual((found.page, found.referer), ("https://shop.example/a", ""))
        self.assertIn("shop.example", found.own_hosts)
        image = self.admitted(asked(Referer="https://blog.org/post"), pixel=True)
        self.assertEqual((image.page, image.referer), ("https://blog.org/post",) * 2)
        self.assertNotIn("blog.org", image.own_hosts)
        self.assertEqual(
            Desk(self.web, asked(Referer="https://blog.org/post"), True).sender, "https://blog.org"
        )
