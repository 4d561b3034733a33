"""Everything of one store comes into another once, however often the import is broken off."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from metronome.errors import ClientError, ConfigError, StoreRejected, StoreUnavailable
from metronome.gateway.dead_letters import Kept
from metronome.gateway.importing import PREFIX, Import, Imported, Line, Progress
from metronome.limits import IMPORT_PATIENCE, VERIFY_SECONDS
from metronome.model import Batch, Events, Record, Selection, Tally
from metronome.store import open_store
from metronome.store.interface import Counted, Exported, Fetched, Store
from metronome.store.memory import MemoryStore
from metronome.threads.memory import ImmediateWorker
from tests.store.build import RECORD, batch, counter, events, gauge, happened, members, parts, timer
from tests.store.child import finish
from tests.store.contract_export import answers

DAY = 86_400_000


class SmallPages(MemoryStore):
    """Hands out a few rows at a time."""

    def export(self, after: int, most: int = 4) -> Deferred[Exported]:
        return super().export(after, 4)


class Flaky(MemoryStore):
    """Can go away before a write or lose its answer, and refuse one item."""

    writes = 0
    away_at = -1
    lost_at = -1
    refuse = ""

    def write(self, batch: Batch) -> Deferred[None]:
        self.writes += 1
        if self.writes == self.away_at:
            return fail(StoreUnavailable("gone"))
        refused = [(one, "no such item") for one in batch.records if self.refuse and self.is_refused(one)]
        if refused:
            return fail(StoreRejected(list(refused)))
        written = super().write(batch)
        return fail(StoreUnavailable("lost")) if self.writes == self.lost_at else written

    def is_refused(self, record: Record) -> bool:
        content = record.content
        return isinstance(content, Events) and any(event["id"] == self.refuse for event in content.events)


def fill(store: Store) -> Store:
    """Two gateways' parts, events, ids and books over some days."""
    finish(store.start())
    rows = [counter("c", day * DAY, day, host="a") for day in range(12)]
    some = [gauge("g", 5, 1), timer("t", 0, [1.0, 2.0]), members("s", 0, "ab")]
    happenings = [happened(day * DAY, id_=f"i{day}", eid=str(day), received=5) for day in range(6)]
    finish(store.write(batch("g1", parts(*rows, ids=((7, "p"),)), events(*happenings))))
    finish(store.write(batch("g2", parts(*some), parts(counter("x", 0, 1), stream="other"))))
    lines = [Tally("main", "1970-01-01", "udp", "rejected", "bad_value", 4)]
    finish(store.write(batch("g2", [*lines, lines[0]._replace(outcome="diverted")], begin=2 * RECORD)))
    return store


class Mover:
    """An import on a fake clock."""

    def __init__(self, source: Store, target: Store):
        self.clock = Clock()
        self.put: list[tuple[str, str]] = []
        self.told: list[Progress] = []
        self.results: list[Any] = []
        self.work = Import(source, target, self.clock, self.put_aside, self.told.append)

    def put_aside(self, gateway: str, record: Record, text: str) -> Kept:
        self.put.append((gateway, text))
        return Kept("store_rejected", "2023-11-14")

    def run(self, seconds: float = 0) -> Imported:
        """Begin, and turn the clock until it ends."""
        done = self.work.run()
        done.addCallbacks(self.results.append, lambda failure: self.results.append(failure.value))
        for _ in range(int(seconds)):
            if self.results:
                break
            self.clock.advance(1)
        (result,) = self.results
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]


@pytest.fixture
def duckdb(tmp_path: Path) -> Iterator[Store]:
    store = open_store("duckdb:", data_dir=tmp_path, worker=ImmediateWorker())
    finish(store.start())
    yield store
    finish(store.stop())


def test_everything_comes_along(duckdb: Store) -> None:
    """From memory to DuckDB and back: the same answers, the same counts, the gateways' positions."""
    source = fill(SmallPages())
    mover = Mover(source, duckdb)
    result = mover.run()
    assert result == Imported(12 + 6 + 1 + 3 + 1 + 2, False, ("main", "other"), 0, (), ())
    for stream in result.streams:
        assert answers(duckdb, stream) == answers(source, stream)
    applied = finish(duckdb.applied())
    assert {name: applied[name] for name in ("g1", "g2")} == finish(source.applied())
    assert [name for name in applied if name.startswith(PREFIX)] == sorted(applied)[:1]
    back = MemoryStore()
    assert Mover(duckdb, back).run().missing == ()
    assert answers(back) == answers(source)
    assert {one.phase for one in mover.told} == {"reading", "writing", "verifying"}
    ends = [one for one in mover.told if one.phase == "writing"]
    assert ends[-1].done == ends[-1].total > ends[0].done


def test_done_again_it_changes_nothing(duckdb: Store) -> None:
    """And says that all of it was there."""
    source = fill(SmallPages())
    assert not Mover(source, duckdb).run().again
    before = answers(duckdb)
    assert Mover(source, duckdb).run().again
    assert answers(duckdb) == before


def test_broken_off_anywhere_it_goes_on() -> None:
    """After each number of writes, applied or with the answer lost: at the end everything is there
    once."""
    source = fill(SmallPages())
    expected = answers(source)
    for place, lost in itertools.product(range(1, 100), (False, True)):
        target = Flaky()
        setattr(target, "lost_at" if lost else "away_at", place)
        first = Mover(source, target)
        first.work.run().addErrback(lambda _: None)  # waits for the target, and is forgotten
        ended = target.writes < place
        assert Mover(source, target).run().missing == ()
        assert answers(target) == expected, place
        if ended:
            break
    assert place > 8


def test_a_target_that_is_away_is_waited_for() -> None:
    """For some minutes, saying so; then it ends, to be run again."""
    source, target = fill(SmallPages()), Flaky()
    target.away_at = 3
    mover = Mover(source, target)
    assert mover.run(seconds=10).missing == ()
    assert [one.waiting for one in mover.told if one.phase == "waiting"] == ["gone"]

    class Gone(Flaky):
        def write(self, batch: Batch) -> Deferred[None]:
            return fail(StoreUnavailable("gone"))

    gone = Mover(source, Gone())
    with pytest.raises(StoreUnavailable):
        gone.run(seconds=2 * IMPORT_PATIENCE)
    assert gone.clock.seconds() >= IMPORT_PATIENCE


def test_a_source_that_has_changed_is_refused(duckdb: Store) -> None:
    """What was imported before would be counted twice."""
    source = fill(SmallPages())
    Mover(source, duckdb).run()
    before = answers(duckdb)
    finish(source.write(batch("g1", parts(counter("c", 0, 1)), begin=5 * RECORD)))
    with pytest.raises(ConfigError, match="was written to since an import of it began"):
        Mover(source, duckdb).run()
    assert answers(duckdb) == before


def test_several_sources_and_a_gateway_of_its_own() -> None:
    """A target may have imported others and be written to; what is its own stays and counts."""
    one, other = fill(SmallPages()), SmallPages()
    finish(other.write(batch("g3", parts(counter("c", 0, 100, host="a"), gauge("g", 5, 3)))))
    target = MemoryStore()
    finish(target.write(batch("g1", parts(gauge("g", 5, 9)), begin=9 * RECORD)))
    assert Mover(one, target).run().missing == ()
    assert Mover(other, target).run().missing == ()
    fetched = finish(target.fetch(Selection("main", "*"), 0, ()))
    numbers = {group.kind.word: group.n.tolist() for group in fetched.groups}
    assert numbers["counter"] == [100.0, *range(1, 12)]
    assert numbers["gauge"] == [9.0], "the gateway's own stands"
    assert finish(target.applied())["g1"] == 10 * RECORD


def test_what_the_target_refuses_is_put_aside_and_missing() -> None:
    """With its neighbours written; the books of the target say diverted."""
    source, target = fill(SmallPages()), Flaky()
    target.refuse = "i3"
    mover = Mover(source, target)
    result = mover.run(seconds=2 * VERIFY_SECONDS)
    assert result.refused == len(mover.put) == 1
    assert mover.put[0][1] == "no such item"
    lost = dict(result.missing)
    assert lost[Line("main", "1970-01-04", "events")] == 1
    assert lost[Line("main", "1970-01-01", "stored")] == sum(
        number for line, number in lost.items() if line.what == "events"
    )
    assert ("2023-11-14", "", "diverted", "store_rejected", 4) in finish(target.tallies("main"))


def test_a_target_that_lost_something_is_found_out() -> None:
    """Counts by day and kind are compared; one that is merely slow is asked again."""
    source = fill(SmallPages())

    class Slow(MemoryStore):
        hidden = 2

        def fetch(self, *arguments: Any, **more: Any) -> Deferred[Fetched]:
            self.hidden -= 1
            return succeed(Fetched([], {})) if self.hidden >= 0 else super().fetch(*arguments, **more)

    mover = Mover(source, Slow())
    assert mover.run(seconds=10).missing == ()
    assert 0 < mover.clock.seconds() < VERIFY_SECONDS

    class Blind(MemoryStore):
        def fetch(self, *arguments: Any, **more: Any) -> Deferred[Fetched]:
            return succeed(Fetched([], {}))

    missing = dict(Mover(source, Blind()).run(seconds=2 * VERIFY_SECONDS).missing)
    assert missing[Line("main", "1970-01-03", "counter")] == 1
    assert missing[Line("other", "1970-01-01", "counter")] == 1
    assert sum(missing.values()) == 12 + 1 + 2 + 2 + 1


def test_counts_that_are_too_many_are_said_not_to_be_verified() -> None:
    """The books are compared all the same."""
    source = fill(SmallPages())

    class Refusing(MemoryStore):
        def count(self, *arguments: Any, **more: Any) -> Deferred[Counted]:
            return fail(ClientError("too_expensive", 413))

    result = Mover(source, Refusing()).run()
    assert (result.missing, result.unverified) == ((), ("main", "other"))
