"""Ten thousand label names are thrown at a real cluster: its mapping stays small, and every label can be
asked for.  (Issue 5, no. 5.)"""

from __future__ import annotations

import pytest

from metronome.limits import ELASTIC_LABELS, ELASTIC_NUMBERS
from metronome.model import EventSelection, Selection
from tests.live.search import Clusters, client_of, store_of
from tests.live.search_servers import RunningServer
from tests.store.build import RECORD, batch, counter, events, happened, parts
from tests.store.child import finish

pytestmark = pytest.mark.live

NAMES = 10_000
PER_SERIES = 20


def test_a_hostile_writer_does_not_explode_the_mapping(clusters: Clusters) -> None:
    """Labels beyond the bound are found, counted and grouped by like those within it."""
    clusters.on_each(hostile)


def hostile(server: RunningServer) -> None:
    """The same with one product."""
    store = store_of(server)
    finish(store.start())
    names = [f"name{number}" for number in range(NAMES)]
    rows = [
        counter(
            "hostile", 0, 1, zone=f"z{first % 3}", **dict.fromkeys(names[first : first + PER_SERIES], "x")
        )
        for first in range(0, NAMES, PER_SERIES)
    ]
    finish(store.write(batch("g", parts(*rows[:250]), parts(*rows[250:]))))
    ticks = [
        happened(5, labels={name: "y"}, fields={name: 1.0})
        for name in names[:: NAMES // (2 * ELASTIC_NUMBERS)]
    ]
    finish(store.write(batch("g", events(*ticks), begin=2 * RECORD)))
    client = client_of(server)
    for kind, label_fields, number_fields in (
        ("points", ELASTIC_LABELS, 0),
        ("ticks", ELASTIC_LABELS, ELASTIC_NUMBERS),
    ):
        (answer,) = client.call("GET", f"/metronome-{kind}-*/_mapping").values()
        properties = answer["mappings"]["properties"]
        assert len(properties["labels"].get("properties", {})) == label_fields
        assert len(properties.get("fields", {}).get("properties", {})) == number_fields
        assert len(properties) < 40
    client.close()
    everything = Selection("main", "hostile")
    for name in (names[0], names[777], names[-1]):
        (found,) = finish(store.find(everything._replace(where=((name, "*"),))))
        assert (name, "x") in found.series.labels
        groups = finish(store.fetch(everything, 10_000, (name,))).groups
        assert [(group.labels, group.n.tolist()) for group in groups] == [
            (((name, ""),), [NAMES / PER_SERIES - 1]),
            (((name, "x"),), [1.0]),
        ]
    zones = finish(store.fetch(everything, 10_000, ("zone",))).groups
    assert sum(group.n.sum() for group in zones) == NAMES / PER_SERIES
    assert len(zones) == 3
    last = EventSelection("main", where=((names[-NAMES // (2 * ELASTIC_NUMBERS)], "y"),))
    assert finish(store.count(last, ("type",))).counts == {("view",): 1}
    assert finish(store.events(last)) == [ticks[-1]]
    finish(store.stop())
