"""The store in memory keeps the contract."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from metronome.store import open_store
from metronome.store.interface import Store
from tests.store.contract import FindingContract, FoldingContract, WritingContract
from tests.store.contract_export import ExportContract
from tests.store.contract_keeping import EventsContract, KeepingContract
from tests.store.contract_packs import PacksContract


class InMemory:
    def make_store(self) -> Store:
        return open_store("memory:")


class WritingTests(InMemory, WritingContract, SynchronousTestCase):
    """See the contract."""


class FindingTests(InMemory, FindingContract, SynchronousTestCase):
    """See the contract."""


class FoldingTests(InMemory, FoldingContract, SynchronousTestCase):
    """See the contract."""


class EventsTests(InMemory, EventsContract, SynchronousTestCase):
    """See the contract."""


class KeepingTests(InMemory, KeepingContract, SynchronousTestCase):
    """See the contract."""


class PacksTests(InMemory, PacksContract, SynchronousTestCase):
    """See the contract."""


class ExportTests(InMemory, ExportContract, SynchronousTestCase):
    """See the contract."""
