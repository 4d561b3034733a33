"""What every store must do that hands out everything it has."""

from __future__ import annotations

from typing import Any

import numpy as np

from metronome.model import Batch, EventSelection, Tally
from metronome.store.interface import Exported, Store
from metronome.store.memory import MemoryStore
from tests.store.build import (
    RECORD,
    counter,
    events,
    gauge,
    happened,
    members,
    parts,
    plain,
    timer,
    with_registers,
)
from tests.store.child import finish
from tests.store.contract import ALL, StoreCase
from tests.store.contract_keeping import DAY, HOUR

COPY = "copy"


def pages(store: Store, most: int, after: int = 0) -> list[Exported]:
    """Every page from a place on, with the place that it begins at before it."""
    found = []
    while (page := finish(store.export(after, most))).records:
        found.append(page)
        after = page.end
    assert page.end >= after
    return found


def copy(source: Store, target: Store, most: int) -> Store:
    """Write everything of one store to another, from where that one stands."""
    for page in pages(source, most, finish(target.applied()).get(COPY, 0)):
        finish(target.write(Batch(COPY, page.records, page.end)))
    return target


def answers(store: Store, stream: str = "main") -> list[Any]:
    """What a store says, but for whose records it has."""
    fetched = finish(store.fetch(ALL._replace(stream=stream), 0, None, sketches=True, members=True))
    finish(store.health())  # one that asks a server for its figures does so now
    counted = finish(store.count(EventSelection(stream), ("slot", "type", "id")))
    return [
        plain(fetched.groups),
        finish(store.find(ALL._replace(stream=stream))),
        finish(store.events(EventSelection(stream))),
        counted.counts,
        finish(store.tallies(stream)),
        finish(store.recent_ids(0)),
        store.statistics()["parts"],
    ]


def shape(some: list[Exported]) -> list[Any]:
    """Where records stand and what they are."""
    return [(page.end, record.position, type(record.content)) for page in some for record in page.records]


class ExportContract(StoreCase):
    """Pages of everything, in an order that stays."""

    def fill(self) -> None:
        """Something of everything; of gauges and events of one time the greatest gateway's stands,
        though others wrote later."""
        some = [counter("c", 1000 * step, step, host=str(step % 3)) for step in range(20)]
        timers = [timer("t", 0, [1.0, -5.0, 1e-12])]
        self.write("g2", parts(*some, gauge("g", 5000, 2), *timers, ids=((9, "p"),)))
        self.write("g1", parts(gauge("g", 5000, 1), gauge("g", 5000, 1.5), members("s", 0, "abc")))
        large = parts(members("large", HOUR, ["x"]))
        dense = large._replace(columns=with_registers(large.columns, np.arange(4096) % 50))
        self.write("g1", dense, begin=RECORD)
        labelled = happened(7, eid="e", received=8, labels={"a": "b"})
        self.write("g2", events(labelled, happened(7)), begin=RECORD)
        rest = happened(8, message="", fields={"x": 1})
        self.write("g1", events(happened(7, id_="b"), rest), begin=2 * RECORD)
        self.write("g1", events(happened(5), stream="other"), begin=3 * RECORD)
        lines = [Tally("main", "1970-01-01", "udp", "rejected", "bad_value", 4)]
        self.write("g1", [*lines, lines[0]._replace(outcome="diverted", number=0)], begin=4 * RECORD)

    def fresh(self) -> Store:
        """Another store of the same kind."""
        store = self.make_store()
        finish(store.start())
        self.addCleanup(lambda: finish(store.stop()))  # type: ignore[attr-defined]
        return store

    def test_an_empty_store_has_nothing_to_hand_out(self) -> None:
        """No records, at any place."""
        assert finish(self.store.export(0)) == ([], 0)
        assert finish(self.store.export(77)).records == []

    def test_a_copy_answers_as_the_original(self) -> None:
        """In pages of any size, to a store of its own kind and to another."""
        self.fill()
        for most in (1, 7, 10_000):
            for target in (self.fresh(), MemoryStore()):
                copied = copy(self.store, target, most)
                for stream in ("main", "other"):
                    assert answers(copied, stream) == answers(self.store, stream)

    def test_a_copy_of_a_copy_is_the_same(self) -> None:
        """Also from another store back to one of this kind."""
        self.fill()
        through = copy(self.store, MemoryStore(), 5)
        assert answers(copy(through, self.fresh(), 5)) == answers(self.store)

    def test_merged_parts_come_along(self) -> None:
        """They give way to what was written late, as they do here; the copy can be merged on."""
        self.fill()
        finish(self.store.expire(3 * HOUR, {}))
        self.write("late", parts(gauge("g", 0, 77), counter("c", 500, 3, host="0")))
        copied = copy(self.store, self.fresh(), 4)
        assert answers(copied) == answers(self.store)
        for store in (copied, self.store):
            finish(store.expire(3 * DAY, {}))
        assert answers(copied)[:2] == answers(self.store)[:2]

    def test_a_place_always_begins_the_same_records(self) -> None:
        """So a copy that was broken off goes on where it was; done again it changes nothing."""
        self.fill()
        every = pages(self.store, 3)
        assert shape(pages(self.store, 3, every[2].end)) == shape(every[3:])
        places = [record.position for page in every for record in page.records]
        assert places == sorted(set(places))
        target = self.fresh()
        for page in every[:4]:
            finish(target.write(Batch(COPY, page.records, page.end)))
        copy(self.store, target, 10_000)
        copy(self.store, target, 3)
        for page in every:
            finish(target.write(Batch(COPY, page.records, page.end)))
        assert answers(target) == answers(self.store)

    def test_what_was_forgotten_stays_forgotten(self) -> None:
        """Deleted streams and expired parts are not handed out; the books of what is left are whole."""
        self.fill()
        finish(self.store.forget("other"))
        finish(self.store.expire(800 * DAY, {}))
        copied = copy(self.store, self.fresh(), 3)
        assert answers(copied) == answers(self.store)
        assert finish(copied.tallies("main"))[-1][-1] > 0
        assert finish(copied.tallies("other")) == []
