"""The store in real clusters keeps the contract: Elasticsearch and OpenSearch."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from twisted.trial.unittest import SynchronousTestCase

from metronome.store.interface import Store
from tests.live.search import empty, store_of
from tests.live.search_servers import RunningServer
from tests.store.contract import FindingContract, FoldingContract, WritingContract
from tests.store.contract_export import ExportContract
from tests.store.contract_keeping import EventsContract, KeepingContract
from tests.store.contract_packs import PacksContract

pytestmark = pytest.mark.live


@pytest.fixture(scope="class", autouse=True)
def server(request: Any, clusters: Any) -> None:
    """The node that the class names."""
    request.cls.server = clusters.empty(request.cls.named)


class Live:
    """A store on a real node, new for each test."""

    named: ClassVar[str]
    server: ClassVar[RunningServer]

    def make_store(self) -> Store:
        empty(self.server)
        return store_of(self.server)


class Elasticsearch(Live):
    named = "elasticsearch"


class OpenSearch(Live):
    named = "opensearch"


class Copies(ExportContract):
    """Here two stores live side by side."""

    stores = 0

    def make_store(self) -> Store:
        if not self.stores:
            empty(self.server)  # type: ignore[attr-defined]
        self.stores += 1
        return store_of(self.server, f"copy{self.stores}")  # type: ignore[attr-defined]


class ElasticsearchWritingTests(Elasticsearch, WritingContract, SynchronousTestCase):
    """See the contract."""


class ElasticsearchFindingTests(Elasticsearch, FindingContract, SynchronousTestCase):
    """See the contract."""


class ElasticsearchFoldingTests(Elasticsearch, FoldingContract, SynchronousTestCase):
    """See the contract."""


class ElasticsearchEventsTests(Elasticsearch, EventsContract, SynchronousTestCase):
    """See the contract."""


class ElasticsearchKeepingTests(Elasticsearch, KeepingContract, SynchronousTestCase):
    """See the contract."""


class ElasticsearchExportTests(Copies, Elasticsearch, SynchronousTestCase):
    """See the contract."""


class ElasticsearchPacksTests(Elasticsearch, PacksContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchWritingTests(OpenSearch, WritingContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchFindingTests(OpenSearch, FindingContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchFoldingTests(OpenSearch, FoldingContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchEventsTests(OpenSearch, EventsContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchKeepingTests(OpenSearch, KeepingContract, SynchronousTestCase):
    """See the contract."""


class OpenSearchExportTests(Copies, OpenSearch, SynchronousTestCase):
    """See the contract."""


class OpenSearchPacksTests(OpenSearch, PacksContract, SynchronousTestCase):
    """See the contract."""
