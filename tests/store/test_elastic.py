"""The store in a cluster keeps the contract; here the cluster is one in memory."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.store.elastic import Crew, ElasticStore
from metronome.store.elastic_url import read_url
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.store.cluster import FakeCluster
from tests.store.contract import FindingContract, FoldingContract, WritingContract
from tests.store.contract_export import ExportContract
from tests.store.contract_keeping import EventsContract, KeepingContract
from tests.store.contract_packs import PacksContract


def opened(cluster: FakeCluster, **options: Any) -> ElasticStore:
    """A store over a cluster, not started."""
    worker = ImmediateWorker()
    return ElasticStore(read_url("elasticsearch+http://nowhere"), cluster, Crew.of(worker, None), **options)


class InMemory:
    def make_store(self) -> Store:
        return opened(FakeCluster())


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


class ExportTests(InMemory, ExportContract, SynchronousTestCase):
    """See the contract."""


class PacksTests(InMemory, PacksContract, SynchronousTestCase):
    """See the contract."""
