"""The store in DuckDB keeps the contract, in a file and in memory."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from metronome.store import open_store
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.store.contract import FindingContract, FoldingContract, WritingContract
from tests.store.contract_keeping import EventsContract, KeepingContract


class InMemory:
    def make_store(self) -> Store:
        return open_store("duckdb::memory:", data_dir=Path("."), worker=ImmediateWorker())


class InFile:
    def make_store(self) -> Store:
        folder = Path(self.mktemp())  # type: ignore[attr-defined]
        folder.mkdir()
        return open_store("duckdb:", data_dir=folder, worker=ImmediateWorker())


class WritingTests(InFile, WritingContract, SynchronousTestCase):
    """See the contract."""


class FindingTests(InMemory, FindingContract, SynchronousTestCase):
    """See the contract."""


class FoldingTests(InMemory, FoldingContract, SynchronousTestCase):
    """See the contract."""


class EventsTests(InMemory, EventsContract, SynchronousTestCase):
    """See the contract."""


class KeepingTests(InMemory, KeepingContract, SynchronousTestCase):
    """See the contract."""


class KeepingInFileTests(InFile, KeepingContract, SynchronousTestCase):
    """See the contract."""
