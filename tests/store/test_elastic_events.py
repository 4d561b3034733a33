"""Events and ids in pages, and globs that the cluster cannot match."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.fold import events as folding
from metronome.model import EventSelection
from metronome.store.elastic_events import _Bounded
from metronome.store.elastic_read import Bounds
from tests.store.build import events, happened
from tests.store.cluster import FakeCluster
from tests.store.contract import StoreCase
from tests.store.test_elastic import opened

EVENTS = EventSelection("main")


class EventTests(StoreCase, SynchronousTestCase):
    """Thirty events of all sorts."""

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster, bounds=Bounds(page=4))

    def setUp(self) -> None:
        super().setUp()
        self.some = [
            happened(
                1000 * (number // 3),
                id_=f"i{number % 5}",
                eid=f"e{number % 7}",
                received=number // 2,
                labels={"a": f"x{number % 4}"},
                referer="" if number % 2 else f"r{number % 6}",
            )
            for number in range(30)
        ]
        self.write("g", events(*self.some[:10]), events(*self.some[10:]))

    def test_pages_make_no_difference(self) -> None:
        """All events, newest first, up to a limit."""
        for limit in (0, 1, 4, 5, 29, 30, 100):
            found = self.done(self.store.events(EVENTS._replace(limit=limit)))
            assert found == self.some[::-1][:limit]

    def test_a_glob_that_lucene_has_not_is_matched_here(self) -> None:
        """In lists and in counts."""
        chosen = EVENTS._replace(where=(("a", "x[12]"),), limit=5)
        wanted = [event for event in self.some if event["labels"]["a"] in ("x1", "x2")]
        assert self.done(self.store.events(chosen)) == wanted[::-1][:5]
        counted = self.done(self.store.count(chosen, ("id",))).counts
        assert counted == dict(folding.count(wanted, ("id",)))

    def test_counts_in_pages(self) -> None:
        """Every group once with its whole number."""
        for by in ((), ("id",), ("slot", "referer"), ("id", "referer", "type")):
            counted = self.done(self.store.count(EVENTS, by)).counts
            assert counted == dict(folding.count(self.some, by))
            few = self.done(self.store.count(EVENTS, by, 2)).counts
            assert few == dict(folding.bounded(folding.count(self.some, by), by, 2))

    def test_ids_in_pages(self) -> None:
        """Also where many have the same time and name."""
        whole = sorted(((one["received"], f"main\0{one['eid']}") for one in self.some), reverse=True)
        assert self.done(self.store.recent_ids(0)) == whole
        assert (
            self.done(self.store.recent_ids(5, whole[7], 6)) == [one for one in whole if one < whole[7]][:6]
        )


def test_counting_does_not_hold_every_group() -> None:
    """What is not among the largest is summed up on the way."""
    groups = {(f"r{number}", number % 3): 1 + number % 50 for number in range(5000)}
    bounded = _Bounded(("referer", "slot"), 10)
    most = 0
    for group, number in groups.items():
        bounded.add(group, number)
        most = max(most, len(bounded._kept))
    assert bounded.counts() == dict(folding.bounded(groups, ("referer", "slot"), 10))
    assert most < 1100
