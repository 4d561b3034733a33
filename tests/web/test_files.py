from __future__ import annotations

import gzip

from twisted.trial.unittest import SynchronousTestCase

from tests.web.kit import WebKit


class FilesTests(SynchronousTestCase):
    """The dashboard's files and the gateway's addresses."""

    def setUp(self) -> None:
        self.kit = WebKit(addresses=lambda: {"statsd": ["udp://127.0.0.1:8125"]})
        self.addCleanup(self.kit.close)

    def test_the_page_needs_no_token(self) -> None:
        """It asks for one itself; a browser is told when it has it already."""
        reply = self.kit.ask("GET", "/")
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", reply.headers["content-security-policy"])
        again = self.kit.ask("GET", "/", {"If-None-Match": reply.headers["etag"]})
        self.assertEqual((again.status, again.body), (304, b""))

    def test_files_are_packed_for_those_who_take_it(self) -> None:
        """The same content either way."""
        plain = self.kit.ask("GET", "/static/main.js")
        packed = self.kit.ask("GET", "/static/main.js", {"Accept-Encoding": "br, gzip"})
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)

    def test_nothing_else_can_be_reached(self) -> None:
        """A path is a key, and never touches the file system."""
        for path in (
            "/static/none.js",
            "/static/../page.py",
            "/static/%2e%2e/page.py",
            "/static//etc/passwd",
        ):
            self.assertEqual(self.kit.ask("GET", path).status, 404, path)

    def test_addresses_are_told_to_readers(self) -> None:
        """Not to strangers."""
        self.assertEqual(self.kit.get("/addresses.json").json, {"statsd": ["udp://127.0.0.1:8125"]})
        self.assertEqual(self.kit.ask("GET", "/addresses.json").status, 401)
