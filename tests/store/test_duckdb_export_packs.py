"""Packs in pages of a DuckDB file: whole where they may be, and never in the way of what stood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from metronome.model import Parts
from metronome.store.duckdb import DuckdbStore
from metronome.store.duckdb_export_packs import over_midnight
from metronome.store.duckdb_file import IN_MEMORY, Settings
from metronome.store.interface import Retention, Rung
from metronome.store.memory import MemoryStore
from metronome.threads.memory import ImmediateWorker
from tests.store.build import RECORD, batch, gauge, packed, parts
from tests.store.child import finish
from tests.store.contract_export import answers, copy, pages
from tests.store.contract_packs import points

HOUR = 3_600_000


@pytest.fixture
def store(tmp_path: object) -> Iterator[DuckdbStore]:
    opened = DuckdbStore(IN_MEMORY, Settings(64_000_000, 1, str(tmp_path)), ImmediateWorker())
    finish(opened.start())
    yield opened
    finish(opened.stop())


def exported(store: DuckdbStore, most: int = 100) -> list[list[Any]]:
    """Of each record times, numbers of points, and whether there are packs."""
    return [
        [columns.times.tolist(), columns.counts.tolist(), bool(len(columns.packs.flat))]
        for page in pages(store, most)
        for record in page.records
        if isinstance(record.content, Parts) and len(columns := record.content.columns)
    ]


def test_packs_stay_packs(store: DuckdbStore) -> None:
    """They come in front of the other parts of their gateway."""
    finish(store.write(batch("g", parts(gauge("a", 1, 1)), points("b 1 10\nb 2 20\nc 1 5\n"))))
    assert exported(store) == [[[20_000], [2], True], [[1, 5000], [1, 1], False]]


def test_merged_packs_become_rows(store: DuckdbStore) -> None:
    """Points in packs have no period, but these have."""
    finish(store.write(batch("g", points("".join(f"b 1 {second}\n" for second in range(0, 3600, 10))))))
    finish(store.expire(3 * HOUR, {"main": Retention((Rung(10, 10**9),))}))
    ((times, counts, has_packs),) = exported(store)
    assert (times, counts, has_packs) == (list(range(0, HOUR, 10_000)), [1] * 360, False)
    places = [record.position for page in pages(store, 100) for record in page.records]
    target = MemoryStore()
    assert answers(copy(store, target, 100))[:2] == answers(store)[:2]
    assert places == sorted(set(places))


def test_what_stood_stands_in_the_copy(store: DuckdbStore) -> None:
    """Of points of one time in packs and outside, whichever was written first."""
    one, two = parts(gauge("a", 5, 1), gauge("a", 6, 2)), parts(gauge("a", 6, 3), gauge("a", 7, 4))
    three = parts(gauge("a", 7, 5), gauge("a", 8, 6))
    finish(store.write(batch("g", packed(one), two, packed(three))))
    assert exported(store) == [[[6, 8], [2, 1], True], [[6, 7], [1, 1], False], [[7], [1], False]]
    target = MemoryStore()
    assert answers(copy(store, target, 1)) == answers(store)
    (group,) = answers(target)[0]
    assert group[4][0] == [1.0, 3.0, 5.0, 6.0]


def test_days_of_packs_over_midnight(store: DuckdbStore) -> None:
    """Every point counts on its own day; packs of one day are counted in SQL."""
    finish(store.write(batch("g", points("a 1 86399\na 1 86400\na 1 86401\nb 1 5\nb 1 6\n"), begin=RECORD)))
    database = store._open
    assert database is not None
    assert over_midnight(database.connection) == [("main", 0, 1), ("main", 1, 2)]
