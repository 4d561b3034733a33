from __future__ import annotations

from typing import NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.store.interface import Health
from metronome.store.memory import MemoryStore
from tests.web.kit import WebKit


class AwayStore(MemoryStore):
    """A store whose state is set by hand; None: it cannot even say."""

    state: Health | None = Health("ok")

    def health(self) -> Deferred[Health]:
        return succeed(self.state) if self.state else fail(StoreUnavailable("no answer"))


class Where(NamedTuple):
    """A destination, and what is wrong with it."""

    trouble: str


class HealthTests(SynchronousTestCase):
    """GET /health and GET /ready, without a token."""

    def setUp(self) -> None:
        self.store = AwayStore()
        self.kit = WebKit(store=self.store)
        self.addCleanup(self.kit.close)

    def ready(self) -> tuple[int, str, list[str]]:
        reply = self.kit.ask("GET", "/ready")
        return reply.status, reply.json["state"], reply.json["reasons"]

    def test_all_is_well(self) -> None:
        """200, and no reasons."""
        self.assertEqual(self.kit.ask("GET", "/health").json, {"state": "ok"})
        self.assertEqual(self.ready(), (200, "ok", []))

    def test_a_store_that_is_away_is_degraded(self) -> None:
        """Input is still taken, so it is 200."""
        self.store.state = Health("away", "connection refused")
        self.assertEqual(self.ready(), (200, "degraded", ["the store is away: connection refused"]))
        self.store.state = None
        self.assertEqual(self.ready(), (200, "degraded", ["the store is away: no answer"]))
        self.store.state = Health("degraded")
        self.assertEqual(self.ready(), (200, "degraded", ["the store is degraded"]))

    def test_a_journal_that_cannot_be_written_is_unready(self) -> None:
        """503 with the reason, while the process itself is healthy."""
        self.kit.disk.broken = True
        self.assertEqual(self.kit.post("/tick", {"id": "a"}).status, 503)
        self.store.state = Health("away")
        self.assertEqual(self.ready(), (503, "unready", ["journal_unwritable", "the store is away"]))
        self.assertEqual(self.kit.ask("GET", "/health").status, 200)

    def test_a_destination_that_takes_nothing_is_degraded(self) -> None:
        """How many, but not which, nor why: no token is asked for."""
        self.kit.destinations += [Where(""), Where("connection to 10.0.0.1:2003 refused")]
        reasons = ["1 of 2 Graphite outputs cannot send all they have"]
        self.assertEqual(self.ready(), (200, "degraded", reasons))
        self.kit.destinations.pop()
        self.assertEqual(self.ready(), (200, "ok", []))

    def test_health_down_on_the_console_is_unready_and_still_healthy(self) -> None:
        """It leaves the group of those that are sent to; nobody restarts it."""
        self.kit.gateway.readiness.up = False
        self.assertEqual(self.ready(), (503, "unready", ["it was set down on the admin console"]))
        self.assertEqual(self.kit.ask("GET", "/health").status, 200)
        self.kit.gateway.readiness.up = True
        self.assertEqual(self.ready(), (200, "ok", []))

    def test_a_consumer_that_has_to_wait_is_degraded(self) -> None:
        """It is named, and nothing of what it works with is."""
        self.kit.consumer.troubled = "connection to 10.0.0.7 refused"
        self.assertEqual(self.ready(), (200, "degraded", ["consumer store has to wait"]))
