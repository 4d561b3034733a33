from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import ClientError, JournalUnavailable, StoreUnavailable
from metronome.store.interface import EventSelection
from metronome.store.memory import MemoryStore
from metronome.web import respond
from tests.web.kit import WebKit, parse_replies


class FailingStore(MemoryStore):
    """A store whose counts fail as they are told to."""

    error: Exception = StoreUnavailable("the file is locked")

    def count(self, selection: EventSelection, by: tuple[str, ...]) -> Deferred:  # type: ignore[type-arg]
        return fail(self.error)


class ErrorTests(SynchronousTestCase):
    """The one place where errors become answers."""

    def setUp(self) -> None:
        self.store = FailingStore()
        self.kit = WebKit(store=self.store)
        self.addCleanup(self.kit.close)

    def outcome(self, error: Exception) -> tuple[int, str, str, str]:
        self.store.error = error
        reply = self.kit.get("/tock/a.json")
        return reply.status, reply.json["error"], reply.json["detail"], reply.headers.get("retry-after", "")

    def test_errors_and_their_answers(self) -> None:
        """Theirs as they say, the world's with Retry-After."""
        self.assertEqual(
            self.outcome(StoreUnavailable("the file is locked")),
            (503, "store_unavailable", "the file is locked", "5"),
        )
        self.assertEqual(
            self.outcome(JournalUnavailable("journal_full", "4 GiB")),
            (503, "journal_full", "journal_full: 4 GiB", "5"),
        )
        self.assertEqual(
            self.outcome(ClientError("too_expensive", 413, "ask for less")),
            (413, "too_expensive", "ask for less", ""),
        )
        self.assertEqual(
            self.outcome(ClientError("overloaded", 429, "slower", 60)), (429, "overloaded", "slower", "60")
        )

    def test_our_own_failures_are_logged_and_say_nothing(self) -> None:
        """500 without a trace for the client; the log has it."""
        status, reason, detail, _ = self.outcome(ZeroDivisionError("secret"))
        self.assertEqual((status, reason), (500, "internal"))
        self.assertNotIn("secret", detail)
        (logged,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("secret", str(logged.value))

    def test_an_early_answer_is_a_whole_one(self) -> None:
        """Written before the request is complete, it says that the connection ends."""
        error = ClientError("too_large", 413, "a body may have 5 bytes")
        (reply,) = parse_replies(respond.early(error, {"X-Metronome": "accepted=0"}))
        self.assertEqual((reply.status, reply.json["error"]), (413, "too_large"))
        self.assertEqual((reply.headers["connection"], reply.headers["x-metronome"]), ("close", "accepted=0"))

    def test_no_header_can_be_smuggled_in(self) -> None:
        """Line ends in what is echoed become blanks."""
        (reply,) = parse_replies(respond.early(ClientError("timeout", 408), {"X-A": "b\r\nX-Evil: 1"}))
        self.assertNotIn("x-evil", reply.headers)
