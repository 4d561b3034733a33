"""Everything in a cluster, a page at a time."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.model import Parts
from metronome.store.elastic_read import Bounds
from tests.store.build import counter, events, happened, parts
from tests.store.cluster import FakeCluster
from tests.store.contract import StoreCase
from tests.store.contract_export import pages
from tests.store.test_elastic import opened

DAY = 86_400_000


class ExportingTests(StoreCase, SynchronousTestCase):
    """What only a store in a cluster has to see to."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster, bounds=Bounds(page=4))

    def test_a_page_may_be_larger_than_what_the_server_gives_at_once(self) -> None:
        """And smaller; a record has the rows of one stream."""
        self.write("g", parts(*(counter("c", step, 1) for step in range(10))))
        self.write("h", parts(counter("c", 0, 1), stream="other"))
        (whole,) = pages(self.store, 100)
        assert [(record.position, record.content.stream) for record in whole.records] == [
            (0, "main"),
            (10, "other"),
        ]
        assert [page.end for page in pages(self.store, 3)] == [3, 6, 9, 11]

    def test_reading_on_passes_by_nothing(self) -> None:
        """Only a place in the middle costs searches for what comes before it."""
        self.write("g", parts(*(counter("c", step, 1) for step in range(40))))
        self.done(self.store.export(0, 4))
        asked = len(self.cluster.read)
        self.done(self.store.export(4, 4))
        assert len(self.cluster.read) - asked == 4
        self.done(self.store.export(20, 4))
        assert len(self.cluster.read) - asked == 4 + 20 + 4

    def test_ids_of_events_come_with_the_events(self) -> None:
        """An id whose event is gone comes by itself."""
        self.write("g", events(happened(0, eid="gone", received=900 * DAY), happened(900 * DAY, eid="there")))
        self.write("g", parts(counter("c", 900 * DAY, 1), ids=((900 * DAY, "point"),)), begin=10**6)
        self.done(self.store.expire(900 * DAY + 5, {}))
        ids = [
            eid
            for page in pages(self.store, 100)
            for record in page.records
            if isinstance(record.content, Parts)
            for _, eid in record.content.ids
        ]
        assert ids == ["gone", "point"]
