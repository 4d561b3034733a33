"""Several gateways say how long streams are kept: the longest holds."""

from __future__ import annotations

import pytest

from metronome.limits import ELASTIC_NOTED
from metronome.store.elastic_meta import Meta
from metronome.store.elastic_names import Names
from metronome.store.elastic_retention import Agreement, longest
from metronome.store.interface import Retention, Rung
from tests.store.cluster import FakeCluster

NOW = 1_000_000_000_000
SHORT = Retention((Rung(10, 100), Rung(60, 1000)), 50)
LONG = Retention((Rung(10, 50), Rung(60, 2000)), 20)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (SHORT, LONG, Retention(LONG.ladder, 50)),
        (SHORT, Retention((Rung(10, 1000),), 60), Retention((Rung(10, 1000),), 60)),
        (Retention((Rung(10, 9),), 1), Retention((Rung(60, 9),), 1), Retention((Rung(10, 9),), 1)),
    ],
)
def test_the_longest_holds(one: Retention, other: Retention, said: Retention) -> None:
    """Whoever says it; of two ladders as long the one with finer steps."""
    assert longest([{"s": one}, {"s": other, "t": SHORT}]) == {"s": said, "t": SHORT}
    assert longest([{"s": other}, {"s": one}]) == {"s": said}


def test_gateways_listen_to_each_other() -> None:
    """A note is written when something changes, and now and then; an old one does not count."""
    cluster = FakeCluster()
    meta = Meta(cluster, Names("m"))
    meta.open()
    mine, theirs = Agreement(meta, "mine"), Agreement(meta, "theirs")
    theirs.reached(NOW, {"s": LONG, "t": LONG})
    meta.refresh()
    assert mine.reached(NOW, {"s": SHORT}) == {"s": Retention(LONG.ladder, 50), "t": LONG}
    writes = [call for call in cluster.calls if call[0] == "PUT"]
    mine.reached(NOW + 1, {"s": SHORT})
    assert [call for call in cluster.calls if call[0] == "PUT"] == writes
    mine.reached(NOW + 2, {"s": LONG})
    assert len([call for call in cluster.calls if call[0] == "PUT"]) == len(writes) + 1
    meta.refresh()
    gone = NOW + ELASTIC_NOTED * 1000
    assert mine.reached(gone, {"s": SHORT}) == {"s": SHORT}
    assert Agreement(meta, "").reached(NOW, {}) == {"s": LONG, "t": LONG}
