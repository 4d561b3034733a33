"""POST /replay: dead letters become stored, for the administrator alone."""

from __future__ import annotations

from pathlib import Path

import orjson
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import StoreUnavailable
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.model import Batch, Events, Record
from metronome.store.memory import MemoryStore
from tests.gateway.kit import view
from tests.web.kit import Reply, WebKit


class AwayStore(MemoryStore):
    """Can be away."""

    away = False

    def write(self, batch: Batch) -> Deferred[None]:
        return fail(StoreUnavailable("no answer")) if self.away else super().write(batch)


class ReplayTests(SynchronousTestCase):
    """A gateway with a letter from before."""

    def setUp(self) -> None:
        self.store = AwayStore()
        self.kit = WebKit(store=self.store)
        self.addCleanup(self.kit.close)
        folder = Path(self.kit.folder.name)
        DeadLetterFile(folder).put("old", Record(7, Events("main", [view("a")])), "no", "2023-11-14")
        self.files = folder

    def ask(self, token: str | None = None) -> Reply:
        return self.kit.ask("POST", "/replay", token=token or self.kit.token)

    def test_letters_are_stored_and_counted(self) -> None:
        """A piece at a time, until there is no more."""
        told = {"stored": 1, "inputs": 1, "refused": 0, "early": 0, "unread": 0, "ownerless": 0}
        self.assertEqual(self.ask().json, {**told, "more": True, "reasons": {}})
        self.assertEqual(self.ask().json, {**dict.fromkeys(told, 0), "more": False, "reasons": {}})
        self.assertEqual(self.kit.received(), self.kit.accounted())
        self.assertEqual(self.kit.telemetry.value("metronome_stored_total", stream="main"), 1)
        self.assertEqual(self.kit.gateway.replay.size, 0)

    def test_a_store_or_disk_that_refuses_is_later(self) -> None:
        """503, and the letter is still there."""
        self.store.away = True
        reply = self.ask()
        self.assertEqual((reply.status, reply.json["error"]), (503, "store_unavailable"))
        self.store.away = False
        # A folder in the note's place: as if the disk refused.
        (self.files / "dead-letters.replay.json.new").mkdir()
        reply = self.ask()
        self.assertEqual((reply.status, reply.json["error"]), (503, "overloaded"))
        (self.files / "dead-letters.replay.json.new").rmdir()
        self.assertEqual(self.ask().json["stored"], 1)

    def test_only_the_administrator_may(self) -> None:
        """No token, and another stream's."""
        shop = orjson.loads(
            self.kit.ask("POST", "/streams", {}, b'{"name":"shop"}', self.kit.token).body
        )
        self.assertEqual(self.kit.ask("POST", "/replay").status, 401)
        self.assertEqual(self.ask(shop["token"]).status, 403)
        self.assertEqual(self.ask().json["stored"], 1)
