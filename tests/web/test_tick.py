from __future__ import annotations

import gzip
from typing import Any

import orjson
import zstandard
from twisted.trial.unittest import SynchronousTestCase

from metronome.limits import INFLATED_BYTES
from metronome.web.tick import GIF
from tests.gateway.kit import START, START_MS
from tests.web.kit import Reply, WebKit

DAY_MS = 86_400_000
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class TickCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def views(self, item: str, query: str = "") -> dict[str, int]:
        return self.kit.get(f"/tock/{item}.json?{query}").json["views"]  # type: ignore[no-any-return]

    def refused(self, reply: Reply, status: int, reason: str, number: int = 1) -> None:
        """The reply refuses everything, and the books say so."""
        self.assertEqual((reply.status, reply.json["error"]), (status, reason))
        self.assertEqual(reply.headers["x-metronome"], f"accepted=0 rejected={number} filtered=0")


class AnswerTests(TickCase):
    """What a sender is told."""

    def test_a_browser_is_told_nothing_but_that_it_is_on_disk(self) -> None:
        """204 without a body; no cache keeps it and no cookie is set."""
        reply = self.kit.ask("POST", "/tick", {"Content-Type": "text/plain"}, b'{"type":"view","id":"a"}')
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertEqual(reply.headers["x-metronome"], "accepted=1 rejected=0 filtered=0")
        self.assertEqual(reply.headers["cache-control"], "no-store")
        self.assertNotIn("set-cookie", reply.headers)
        self.assertNotIn("content-length", reply.headers)

    def test_the_answer_waits_for_the_sync(self) -> None:
        """Nothing is written before the journal has synced the tick."""
        connection = self.kit.connect()
        body = b'{"type":"view","id":"a"}'
        head = b"POST /tick HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.send(head + body)
        self.assertEqual(connection.transport.value(), b"")
        self.kit.settle()
        self.assertEqual(connection.reply().status, 204)

    def test_a_trace_becomes_an_exemplar(self) -> None:
        """Of its point's series, once it is on disk; a repeat is none."""
        items = [
            {"name": "sold", "n": 3, "trace_id": "abc", "tick": "t1", "ts": 1_700_000_000},
            {"name": "sold", "n": 4, "trace_id": "def", "tick": "t1"},
        ]
        self.kit.intake.table("main")
        self.kit.gateway.exposition.start()
        self.kit.ask("POST", "/tick", JSON, orjson.dumps(items))
        self.kit.flusher.flush()
        self.kit.settle()
        page = self.kit.get("/metrics", {"Accept": "application/openmetrics-text"}).body.decode()
        self.assertIn('sold_total 3 # {trace_id="abc"} 3 1700000000\n', page)

    def test_a_program_is_told_what_became_of_each_item(self) -> None:
        """202 with the index, reason and parameter of what was refused, and of repeats."""
        items: list[Any] = [
            {"type": "view", "id": "a", "tick": "t1"},
            {"type": "view", "id": "a", "tick": "t1"},
            {"type": "view", "id": "a", "ts": "lunch"},
            {"name": "x", "n": 1, "tick": "t2"},
            {"name": "x", "n": 1, "tick": "t2"},
            [],
        ]
        reply = self.kit.post("/tick", items)
        self.assertEqual(reply.status, 202)
        self.assertEqual(
            reply.json,
            {
                "accepted": 2,
                "rejected": [
                    {"index": 2, "reason": "bad_param", "param": "ts"},
                    {"index": 5, "reason": "not_an_object", "param": ""},
                ],
                "filtered": [{"index": 1, "reason": "duplicate"}, {"index": 4, "reason": "duplicate"}],
            },
        )
        self.assertEqual(reply.headers["x-metronome"], "accepted=2 rejected=2 filtered=2")
        self.assertEqual(self.views("a"), {"2023-11-14": 1})

    def test_a_perf_event_that_is_repeated_is_one_repeat(self) -> None:
        """Event and points of one item share their fate."""
        item = {"type": "perf", "id": "a", "lcp": 1, "cls": 2, "tick": "p"}
        self.assertEqual(self.kit.post("/tick", item).json["accepted"], 1)
        again = self.kit.post("/tick", item).json
        self.assertEqual((again["accepted"], again["filtered"]), (0, [{"index": 0, "reason": "duplicate"}]))

    def test_all_bad_items_are_still_a_verdict(self) -> None:
        """What could be read is answered with 2xx, also when none of it was good."""
        reply = self.kit.post("/tick", [{"ts": "x"}, 7])
        self.assertEqual((reply.status, reply.json["accepted"], len(reply.json["rejected"])), (202, 0, 2))
        self.assertEqual(self.kit.post("/tick", []).json, {"accepted": 0, "rejected": [], "filtered": []})

    def test_what_cannot_be_read_is_400(self) -> None:
        """Neither JSON nor a form, nothing at all, or a damaged encoding."""
        self.refused(self.kit.ask("POST", "/tick", JSON, b"hello"), 400, "malformed")
        self.refused(self.kit.ask("POST", "/tick", JSON), 400, "malformed")
        self.refused(
            self.kit.ask("POST", "/tick", {**JSON, "Content-Encoding": "gzip"}, b"{}"), 400, "bad_encoding"
        )
        self.refused(
            self.kit.ask("POST", "/tick", {**JSON, "Content-Encoding": "br"}, b"{}"), 400, "bad_encoding"
        )
        self.refused(
            self.kit.ask("POST", "/tick", {"Content-Type": "image/png"}, b"{}"), 415, "unsupported_type"
        )

    def test_the_books_show_what_could_not_be_read(self) -> None:
        """Its beginning, or the address where there was no body."""
        self.kit.ask("POST", "/tick", JSON, b"hello")
        self.kit.ask("GET", "/tick.gif?")
        rejects = self.kit.get("/ledger.json").json["rejects"]
        self.assertEqual([one["excerpt"] for one in rejects], ["/tick.gif?", "hello"])

    def test_what_is_too_much_is_413(self) -> None:
        """Too many items, or a small body that is a large one."""
        self.refused(self.kit.ask("POST", "/tick", JSON, b"[" + b"{}," * 5000 + b"{}]"), 413, "too_many")
        bomb = gzip.compress(bytes(INFLATED_BYTES + 1))
        reply = self.kit.ask("POST", "/tick", {**JSON, "Content-Encoding": "gzip"}, bomb)
        self.refused(reply, 413, "too_large")

    def test_while_the_journal_refuses_the_sender_keeps_it(self) -> None:
        """503 with Retry-After, and a repeat after the disk has room is no duplicate."""
        self.kit.disk.broken = True
        tick = {"type": "view", "id": "a", "tick": "t"}
        reply = self.kit.post("/tick", tick)
        self.assertEqual((reply.status, reply.json["error"]), (503, "journal_unwritable"))
        self.assertEqual(reply.headers["retry-after"], "5")
        self.assertEqual(reply.headers["x-metronome"], "accepted=0 rejected=0 filtered=0")
        self.kit.disk.heal()
        self.kit.clock.advance(60)
        self.assertEqual(self.kit.post("/tick", tick).json["accepted"], 1)

    def test_the_gif(self) -> None:
        """An image's address is a tick and the answer one transparent pixel."""
        reply = self.kit.ask("GET", "/tick.gif?id=a%2Fb&type=view", {"Referer": "https://blog.org/post"})
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "image/gif"))
        self.assertEqual((reply.body, len(reply.body)), (GIF, 43))
        self.assertEqual(self.kit.get("/tock/a/b.json").json["referers"], {"blog.org/post": 1})
        self.refused(self.kit.ask("GET", "/tick.gif"), 400, "malformed")


class BodyTests(TickCase):
    """What bodies are understood."""

    def test_the_same_tick_in_many_clothes(self) -> None:
        """Object, array, lines, form, query string, and compressed."""
        tick = b'{"type":"view","id":"a"}'
        form = "application/x-www-form-urlencoded"
        bodies: list[tuple[dict[str, str], bytes]] = [
            ({"Content-Type": "application/json"}, tick),
            ({"Content-Type": "application/json"}, b"[" + tick + b"]"),
            ({"Content-Type": "application/x-ndjson"}, tick + b"\n"),
            ({"Content-Type": "text/plain;charset=UTF-8"}, tick),
            ({"Content-Type": form}, b"type=view&id=a"),
            ({"Content-Type": form}, tick),
            ({}, tick),
            ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, gzip.compress(tick)),
            ({"Content-Type": "application/json", "Content-Encoding": "zstd"}, zstandard.compress(tick)),
        ]
        for headers, body in bodies:
            reply = self.kit.ask("POST", "/tick", headers, body)
            self.assertEqual(reply.headers["x-metronome"], "accepted=1 rejected=0 filtered=0", headers)
        self.assertEqual(self.kit.ask("POST", "/tick?type=view&id=a").status, 204)
        self.assertEqual(self.views("a"), {"2023-11-14": len(bodies) + 1})

    def test_reports_of_browsers(self) -> None:
        """A CSP report is an event that can be counted."""
        body = orjson.dumps({"csp-report": {"document-uri": "https://x.org/p", "blocked-uri": "eval"}})
        reply = self.kit.ask("POST", "/tick", {"Content-Type": "application/csp-report"}, body)
        self.assertEqual(reply.headers["x-metronome"], "accepted=1 rejected=0 filtered=0")

    def test_points_can_be_read_back(self) -> None:
        """n and d of one series in one period add up."""
        for n in (3, 4):
            self.kit.post("/tick", {"name": "sold", "n": n, "v": {"country": "US"}})
        reply = self.kit.get("/streams/main/points?name=sold&by=country&stat=n")
        self.assertEqual(reply.json["groups"], [{"v": {"country": "US"}, "values": [[int(START), 7.0]]}])


class StreamTests(TickCase):
    """Which stream, and who may write to it."""

    def setUp(self) -> None:
        super().setUp()
        self.shop = self.kit.create("shop", origins=["https://shop.example", "https://*.shop.example"])

    def shop_views(self, item: str = "a") -> int:
        answer = self.kit.get(f"/tock/{item}.json?stream=shop&from=0").json
        return sum(answer["views"].values())

    def test_a_stream_is_named_in_path_query_or_item(self) -> None:
        """All three mean the same."""
        tick = {"type": "view", "id": "a"}
        for path, item in (
            ("/tick/shop", tick),
            ("/tick?stream=shop", tick),
            ("/tick", {**tick, "stream": "shop"}),
        ):
            self.assertEqual(self.kit.post(path, item).json["accepted"], 1)
        self.assertEqual(self.shop_views(), 3)
        self.assertEqual(self.views("a"), {})

    def test_one_body_may_go_to_several_streams(self) -> None:
        """Each item to its own, each verdict to its index."""
        items = [{"id": "a", "stream": "shop"}, {"id": "a"}, {"id": "a", "stream": "none"}]
        reply = self.kit.post("/tick", items)
        self.assertEqual(reply.json["accepted"], 2)
        self.assertEqual(
            reply.json["rejected"], [{"index": 2, "reason": "unknown_stream", "param": "stream"}]
        )
        self.assertEqual((self.shop_views(), self.views("a")), (1, {"2023-11-14": 1}))

    def test_without_a_name_the_key_or_the_origin_tells(self) -> None:
        """The key of a stream, a token that reads it, or a page of its origins."""
        tick = {"type": "view", "id": "a"}
        self.kit.post(f"/tick?key={self.shop['write_key']}", tick)
        self.kit.post("/tick", {**tick, "key": self.shop["write_key"]})
        self.kit.post("/tick", tick, {"Authorization": f"Bearer {self.shop['token']}"})
        self.kit.post("/tick", tick, {"Origin": "https://www.shop.example"})
        self.assertEqual(self.shop_views(), 4)
        self.assertEqual(self.views("a"), {})

    def test_a_wrong_key_is_401(self) -> None:
        """Also where no key is needed: who shows one means it."""
        tick = {"type": "view", "id": "a"}
        self.refused(self.kit.post("/tick?key=wrong", tick), 401, "bad_key")
        self.refused(self.kit.post("/tick/shop", {**tick, "key": "wrong"}), 401, "bad_key")
        self.refused(self.kit.post("/tick", tick, {"Authorization": "Bearer wrong"}), 401, "bad_key")
        self.refused(self.kit.post("/tick", [{**tick, "key": "x"}, {**tick, "key": "y"}]), 401, "bad_key", 2)
        self.assertEqual(self.views("a"), {})
        books = self.kit.get("/ledger.json").json["days"][0]
        self.assertEqual(books["rejected"], {"bad_key": 4})

    def test_a_foreign_page_is_403_and_cannot_read_the_answer(self) -> None:
        """A stream that lists origins takes no ticks of others; no page is any program."""
        tick = {"type": "view", "id": "a"}
        reply = self.kit.post("/tick/shop", tick, {"Origin": "https://evil.example"})
        self.refused(reply, 403, "bad_origin")
        self.assertNotIn("access-control-allow-origin", reply.headers)
        gif = self.kit.ask("GET", "/tick.gif?stream=shop&id=a", {"Referer": "https://evil.example/x"})
        self.refused(gif, 403, "bad_origin")
        self.assertEqual(self.kit.post("/tick/shop", tick).status, 202)
        books = self.kit.get("/ledger.json?stream=shop").json
        self.assertEqual(books["days"][0]["rejected"], {"bad_origin": 2})
        self.assertEqual(books["rejects"][0]["sender"], "https://evil.example")

    def test_an_unknown_stream_is_404_and_in_the_books(self) -> None:
        """The administrator's books, as there are no others."""
        self.refused(self.kit.post("/tick/none", {"id": "a"}), 404, "unknown_stream")
        self.assertEqual(self.kit.get("/ledger.json").json["days"][0]["rejected"], {"unknown_stream": 1})

    def test_only_key_or_token_make_old_times_believed(self) -> None:
        """A stranger's tick of last week counts today, a trusted one's last week."""
        tick = {"type": "view", "id": "a", "ts": START_MS - 7 * DAY_MS}
        self.kit.post("/tick", tick)
        self.kit.post("/tick", tick, {"Authorization": f"Bearer {self.kit.token}"})
        main_key = self.kit.get("/streams/main").json["write_key"]
        self.kit.post("/tick", {**tick, "key": main_key})
        self.assertEqual(self.views("a"), {"2023-11-14": 1, "2023-11-07": 2})


class CorsTests(TickCase):
    """Pages of other origins (research/analytics.md section 6.1)."""

    def test_the_preflight(self) -> None:
        """The origin is echoed, credentials are allowed, and it may be remembered."""
        for path in ("/tick", "/tick/main", "/tick.gif"):
            reply = self.kit.ask(
                "OPTIONS",
                path,
                {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
            )
            self.assertEqual(reply.status, 204)
            self.assertEqual(reply.headers["access-control-allow-origin"], "https://a.example")
            self.assertEqual(reply.headers["access-control-allow-credentials"], "true")
            self.assertEqual(reply.headers["access-control-allow-methods"], "POST, GET, OPTIONS")
            self.assertIn("content-type", reply.headers["access-control-allow-headers"])
            self.assertEqual(reply.headers["access-control-max-age"], "7200")
            self.assertEqual(reply.headers["vary"], "Origin")

    def test_the_tick_itself(self) -> None:
        """Good and bad answers can be read by the page that asked."""
        for body in (b"{}", b"nonsense"):
            reply = self.kit.ask("POST", "/tick", {"Origin": "https://a.example"}, body)
            self.assertEqual(reply.headers["access-control-allow-origin"], "https://a.example")
            self.assertEqual(reply.headers["cross-origin-resource-policy"], "cross-origin")
            self.assertEqual(reply.headers["timing-allow-origin"], "*")

    def test_a_foreign_page_gets_no_echo(self) -> None:
        """Where the stream lists its origins, the preflight of another says nothing."""
        self.kit.create("shop", origins=["https://shop.example"])
        reply = self.kit.ask("OPTIONS", "/tick/shop", {"Origin": "https://evil.example"})
        self.assertEqual(reply.status, 204)
        self.assertNotIn("access-control-allow-origin", reply.headers)
        self.assertNotIn("access-control-allow-methods", reply.headers)


class BookTests(TickCase):
    """received = stored + waiting + rejected + filtered + shed."""

    def test_the_books_balance(self) -> None:
        """Good, bad, repeated and unreadable input all have their place."""
        self.kit.post("/tick", [{"id": "a", "eid": "1"}, {"id": "a", "eid": "1"}, 7])
        self.kit.ask("POST", "/tick", JSON, b"nonsense")
        self.kit.post("/tick", {"type": "perf", "lcp": 5, "cls": 6})
        self.assertEqual(self.kit.received(), self.kit.accounted())
        self.assertEqual(self.kit.received(), 3 + 1 + 3)
