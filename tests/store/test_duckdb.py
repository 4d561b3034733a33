"""The store in DuckDB keeps the contract, in a file and in memory."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import ClientError, StoreUnavailable
from metronome.limits import STORE_REST
from metronome.model import EventSelection, Folded, Parts, Selection
from metronome.store import open_store
from metronome.store.duckdb import FILE, DuckdbStore
from metronome.store.duckdb_file import Settings, scalar
from metronome.store.duckdb_read import BOUNDS, Bounds
from metronome.store.interface import Store
from metronome.threads.interface import Worker
from metronome.threads.memory import ImmediateWorker, MemoryWorker
from metronome.wire.records import columns_of
from tests.store.build import RECORD, batch, counter, events, gauge, happened, members, parts, plain, timer
from tests.store.contract import ALL, FindingContract, FoldingContract, StoreCase, WritingContract
from tests.store.contract_export import ExportContract
from tests.store.contract_keeping import EventsContract, KeepingContract
from tests.store.contract_packs import PacksContract


class InMemory:
    def make_store(self) -> Store:
        return open_store("duckdb::memory:", data_dir=Path("."), worker=ImmediateWorker())


class InFile:
    def make_store(self) -> Store:
        return open_store("duckdb:", data_dir=self.make_folder(), worker=ImmediateWorker())

    def make_folder(self) -> Path:
        """A folder that goes with the test."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)  # type: ignore[attr-defined]
        return Path(folder.name)


class WritingTests(InFile, WritingContract, SynchronousTestCase):
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


class OwnTests(InFile, StoreCase, SynchronousTestCase):
    """What only a store on disk with a worker has to do."""

    def setUp(self) -> None:
        self.folder = self.make_folder()
        super().setUp()

    def make_store(self) -> Store:
        return self.opened()

    def opened(self, worker: Worker | None = None, bounds: Bounds = BOUNDS) -> DuckdbStore:
        settings = Settings(100_000_000, 1, str(self.folder / "spill"))
        return DuckdbStore(str(self.folder / FILE), settings, worker or ImmediateWorker(), bounds=bounds)

    def reopen(self, **options: Any) -> None:
        self.done(self.store.stop())
        self.store = self.opened(**options)
        self.done(self.store.start())

    def test_a_restart_forgets_nothing(self) -> None:
        """All answers are the same after the store was closed and opened again."""
        written = self.write(
            "g1",
            parts(counter("c", 0, 1, host="a"), timer("t", 0, [1, 2]), members("s", 0, "ab")),
            parts(ids=((7, "p"),)),
            parts(gauge("g", 0, 5), stream="other"),
            events(happened(5, labels={"a": "b"})),
        )
        before = self.everything()
        self.reopen()
        assert self.everything() == before
        self.done(self.store.write(written))
        assert self.everything() == before
        self.write("g1", parts(counter("c", 0, 2, host="a"), counter("c", 0, 4, host="b")), begin=9 * RECORD)
        assert self.numbers(ALL._replace(name="c"), by=("host",)) == {("a",): {0: 3.0}, ("b",): {0: 4.0}}

    def everything(self) -> list[Any]:
        statistics = self.store.statistics()
        return [
            plain(self.fetch(by=None, sketches=True, members=True)),
            plain(self.fetch(Selection("other", "*"), by=None)),
            self.done(self.store.find(ALL)),
            self.done(self.store.applied()),
            self.done(self.store.tallies("main")),
            self.done(self.store.recent_ids(0)),
            self.done(self.store.events(EventSelection("main"))),
            (statistics["series"], statistics["parts"]),
        ]

    def test_stopping_leaves_one_file(self) -> None:
        """The log is written into the file at stop."""
        self.write("g1", parts(counter("c", 0, 1)))
        self.done(self.store.stop())
        assert [file.name for file in self.folder.iterdir()] == [FILE]
        self.store = self.opened()

    def test_a_change_that_fails_leaves_nothing(self) -> None:
        """A fault of ours in the middle of a batch undoes it, also in what is remembered."""
        wrong = batch("g1", parts(counter("c", 0, 1), ids=((5,),)), begin=0)  # type: ignore[arg-type]
        self.failureResultOf(self.store.write(wrong), ValueError)
        assert self.store.statistics().get("parts", 0) == 0
        assert self.fetch() == []
        self.write("g1", parts(counter("c", 0, 2)))
        assert self.numbers() == {(): {0: 2.0}}
        assert [one.series.name for one in self.done(self.store.find(ALL))] == ["c"]

    def test_statistics_know_the_bytes_on_disk(self) -> None:
        """File and log together."""
        sizes = [file.stat().st_size for file in self.folder.iterdir()]
        assert self.store.statistics()["bytes"] == sum(sizes) > 0

    def test_nothing_of_a_large_batch_stays_in_memory(self) -> None:
        """Unless somebody reads: then its blocks are worth keeping for a while."""
        clock = Clock()
        settings = Settings(100_000_000, 1, str(self.folder / "spill"))
        self.done(self.store.stop())
        self.store = store = DuckdbStore(str(self.folder / FILE), settings, ImmediateWorker(), clock)
        self.done(store.start())
        names = [f"a.very.long.name.of.a.counter.{number * 7919 % 40_000:08d}" for number in range(40_000)]
        flush = columns_of([counter(name, 0, number / 7) for number, name in enumerate(names)])
        kept = []
        for place, asked in enumerate((False, True, False)):
            if asked:
                self.ask(store, clock, "nothing")
            columns = replace(flush, times=flush.times + place * 10_000)
            self.done(store.write(batch("g", Parts("main", columns), begin=place * RECORD)))
            kept.append(self.blocks(store))
            clock.advance(STORE_REST)
        assert kept[0] < 1_000_000
        assert kept[1] > kept[0]
        assert kept[2] < 1_000_000
        (found,) = self.ask(store, clock, names[5])
        assert found.n.tolist() == [5 / 7] * 3

    def ask(self, store: DuckdbStore, clock: Clock, name: str) -> list[Folded]:
        groups: list[Folded] = self.done(store.fetch(Selection("main", name), 10_000, None)).groups
        assert not clock.getDelayedCalls()
        return groups

    def blocks(self, store: DuckdbStore) -> int:
        assert store._open is not None
        sql = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        return scalar(store._open.connection, sql)

    def test_what_is_too_large_is_refused(self) -> None:
        """Series, points, sketch bins and members of an answer are bounded, each by itself."""
        self.write(
            "g1",
            parts(*(counter("c", 0, 1, host=str(number)) for number in range(4))),
            parts(*(gauge("g", 1000 * number, 1) for number in range(6))),
            parts(timer("t", 0, [1, 10, 100]), timer("t", 1000, [2, 20, 200]), members("s", 0, "abcdefg")),
        )
        self.reopen(bounds=Bounds(3, 5, 6))
        for name, step, by, refused in (
            ("c", 1000, None, True),
            ("c", 1000, ("host",), True),
            ("c", 1000, (), False),
            ("g", 1000, (), True),
            ("g", 2000, (), False),
            ("t", 1000, (), False),
            ("s", 1000, (), True),
        ):
            asked = self.store.fetch(ALL._replace(name=name), step, by, sketches=True)
            if refused:
                error = self.failureResultOf(asked, ClientError).value
                assert (error.reason, error.status) == ("too_expensive", 413)
            else:
                self.done(asked)
        self.failureResultOf(self.store.find(ALL._replace(name="c")), ClientError)
        assert len(self.done(self.store.find(ALL._replace(name="g")))) == 1

    def test_reading_and_merging_take_turns(self) -> None:
        """A question asked during a round of the ladder is answered between two chunks, and
        stop ends the round after the chunk in hand."""
        hour = 3_600_000
        for number in range(4):
            rows = [counter("c", number * 6 * hour + second, 1) for second in range(50)]
            self.write("g1", parts(*rows), begin=number * RECORD)
        worker = MemoryWorker()
        self.done(self.store.stop())
        self.store = self.opened(worker)
        self.store.start()
        expired = self.store.expire(100 * hour, {})
        while self.store.statistics().get("parts", 200) == 200:
            worker.step()
        asked = self.store.fetch(ALL, hour, ())
        worker.step()
        worker.step()
        assert self.done(asked).groups[0].n.tolist() == [50.0] * 4
        self.assertNoResult(expired)
        stopped = self.store.stop()
        worker.run_all()
        self.done(stopped)
        assert self.done(expired)["merged"] == 147
        self.store = self.opened()
        assert self.done(self.store.expire(100 * hour, {}))["merged"] == 49

    def test_health_says_how_the_last_job_went(self) -> None:
        """A file that cannot be opened is away, and the store comes back with it."""
        self.write("g1", parts(counter("c", 0, 1)))
        self.done(self.store.stop())
        (self.folder / FILE).rename(self.folder / "elsewhere")
        (self.folder / FILE).mkdir()
        self.store = self.opened()
        self.failureResultOf(self.store.start(), StoreUnavailable)
        assert self.done(self.store.health()).state == "away"
        (self.folder / FILE).rmdir()
        (self.folder / "elsewhere").rename(self.folder / FILE)
        assert self.numbers() == {(): {0: 1.0}}
        assert self.done(self.store.health()).state == "ok"
