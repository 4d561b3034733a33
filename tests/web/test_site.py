from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.web.kit import WebKit

GET = b"GET /health HTTP/1.1\r\nHost: g\r\n\r\n"


class SiteCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)


class RequestTests(SiteCase):
    """From a request to an answer."""

    def test_an_unknown_path_is_404_as_json(self) -> None:
        """With the reason and a sentence."""
        for path in ("/nowhere", "/tick/a/b", "/streams/", "//", "/tock/"):
            reply = self.kit.get(path)
            self.assertEqual((reply.status, reply.json["error"]), (404, "not_found"), path)
            self.assertEqual(reply.headers["content-type"], "application/json")

    def test_a_wrong_method_is_405_with_what_is_allowed(self) -> None:
        """Also for methods that nobody has heard of."""
        for method, path, allowed in (
            ("POST", "/health", "GET, HEAD, OPTIONS"),
            ("GET", "/tick", "OPTIONS, POST"),
            ("PUT", "/streams/main", "DELETE, GET, HEAD, OPTIONS, PATCH"),
            ("BREW", "/session", "DELETE, GET, HEAD, OPTIONS, POST"),
        ):
            reply = self.kit.ask(method, path)
            self.assertEqual((reply.status, reply.json["error"]), (405, "method_not_allowed"))
            self.assertEqual(reply.headers["allow"], allowed)

    def test_head_is_answered_wherever_get_is(self) -> None:
        """The same head without a body."""
        for path in ("/health", "/ready", "/", "/tock/a.json", "/metrics", "/streams", "/ledger.json"):
            full = self.kit.get(path)
            head = self.kit.ask("HEAD", path, token=self.kit.token)
            self.assertEqual((head.status, head.headers["content-type"]), (200, full.headers["content-type"]))
            self.assertTrue(full.body)

    def test_options_tell_the_methods(self) -> None:
        """204 with Allow, without a token."""
        reply = self.kit.ask("OPTIONS", "/streams")
        self.assertEqual((reply.status, reply.headers["allow"]), (204, "GET, HEAD, OPTIONS, POST"))

    def test_requests_are_counted_by_endpoint_and_status(self) -> None:
        """And those that mean no endpoint under ``none``."""
        self.kit.get("/health")
        self.kit.get("/nowhere")
        self.kit.post("/tick", {})
        counted = {
            (labels["endpoint"], labels["status"]): number
            for family in self.kit.telemetry.families()
            if family.name == "metronome_http_requests_total"
            for labels, number in family.samples
        }
        self.assertEqual(counted, {("health", "200"): 1, ("none", "404"): 1, ("tick", "202"): 1})


class ConnectionTests(SiteCase):
    """How many there may be, and how they end."""

    def open(self) -> float:
        (family,) = [one for one in self.kit.telemetry.families() if one.name == "metronome_connections"]
        return {labels["source"]: value for labels, value in family.samples}["http"]

    def test_one_too_many_is_told_to_come_later(self) -> None:
        """503 with Retry-After before it asked; when one goes there is room again."""
        kit = WebKit(connections=2)
        self.addCleanup(kit.close)
        first, second = kit.connect(), kit.connect()
        third = kit.connect()
        self.assertEqual((third.reply().status, third.reply().json["error"]), (503, "overloaded"))
        self.assertEqual(third.reply().headers["retry-after"], "5")
        self.assertTrue(third.closed)
        third.send(GET)
        third.lose()
        first.lose()
        fourth = kit.connect()
        for connection in (second, fourth):
            connection.send(GET)
            self.assertEqual(connection.reply().status, 200)

    def test_connections_are_counted(self) -> None:
        """Those that are open now."""
        connections = [self.kit.connect() for _ in range(3)]
        self.assertEqual(self.open(), 3)
        connections[0].lose()
        self.assertEqual(self.open(), 2)

    def test_a_site_retires_when_requests_under_way_are_answered(self) -> None:
        """Idle connections close at once, a busy one behind its answer."""
        idle, half, busy = self.kit.connect(), self.kit.connect(), self.kit.connect()
        idle.send(GET)
        half.send(b"GET /heal")
        busy.send(b"POST /tick HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{}")
        retired: Deferred[None] = self.kit.site.retire()
        self.assertEqual([one.closed for one in (idle, half, busy)], [True, True, False])
        self.kit.settle()
        self.assertEqual(busy.reply().status, 204)
        self.assertTrue(busy.closed)
        for connection in (idle, half):
            connection.lose()
        self.assertNoResult(retired)
        busy.lose()
        self.successResultOf(retired)
        self.successResultOf(self.kit.site.retire())
