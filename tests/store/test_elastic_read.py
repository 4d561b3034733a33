"""Selections: what the cluster folds, what is folded here, and what is refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import ClientError
from metronome.limits import ELASTIC_LABELS
from metronome.model import Kind, Selection
from metronome.store.elastic_read import Bounds
from tests.store.build import RECORD, counter, gauge, members, parts, plain, row, timer
from tests.store.cluster import FakeCluster
from tests.store.contract import ALL, StoreCase
from tests.store.test_elastic import opened


class ReadTests(StoreCase, SynchronousTestCase):
    """What only a store in a cluster has to do."""

    bounds = Bounds()

    def make_store(self) -> Any:
        self.cluster = FakeCluster()
        return opened(self.cluster, bounds=self.bounds)

    def reopen(self, **bounds: int) -> None:
        self.store = opened(self.cluster, bounds=Bounds(**bounds))
        self.done(self.store.start())

    def fill(self) -> None:
        """Five series of every kind over five steps."""
        for second in range(0, 50, 10):
            self.write(
                "g",
                parts(
                    *(counter("c", second * 1000, 1, host=str(host)) for host in range(5)),
                    *(gauge("g", second * 1000, host, host=str(host)) for host in range(5)),
                    *(timer("t", second * 1000, [1.0, 2.0], host=str(host)) for host in range(5)),
                    *(members("s", second * 1000, [str(host)], host=str(host)) for host in range(5)),
                ),
                begin=second * RECORD,
            )

    def everything(self) -> list[Any]:
        return [
            plain(self.fetch(by=by, step=step, sketches=sketches, members=True))
            for by in (None, (), ("host",), ("none",))
            for step in (0, 20_000)
            for sketches in (False, True)
        ] + [self.done(self.store.find(ALL))]

    def test_pages_make_no_difference(self) -> None:
        """Answers of many pages are those of one."""
        self.fill()
        expected = self.everything()
        for page in (1, 7, 25):
            self.reopen(page=page)
            assert self.everything() == expected

    def test_a_label_without_a_field_is_grouped_by_all_the_same(self) -> None:
        """A hostile writer's thousand names leave no field for it; series are grouped here instead."""
        noise = {f"a{number}": "x" for number in range(ELASTIC_LABELS)}
        for number in range(0, ELASTIC_LABELS, 20):
            labels = {f"a{at}": "x" for at in range(number, number + 20)}
            self.write("g", parts(counter("noise", 0, 1, **labels)), begin=number * RECORD)
        begin = len(noise) * RECORD
        self.write("g", parts(counter("c", 0, 1, zone="a"), counter("c", 0, 2, zone="b")), begin=begin)
        (index,) = [name for name in self.cluster.indices if "points" in name]
        fields = self.cluster.indices[index].properties["labels"]["properties"]
        assert len(fields) == ELASTIC_LABELS
        assert "zone" not in fields
        chosen = ALL._replace(name="c")
        assert self.numbers(chosen, by=("zone",)) == {("a",): {0: 1.0}, ("b",): {0: 2.0}}
        assert self.numbers(chosen._replace(where=(("zone", "b"),))) == {(): {0: 2.0}}
        assert self.numbers(ALL._replace(name="noise"), by=("a7",)) == {("",): {0: 9.0}, ("x",): {0: 1.0}}

    def test_a_label_with_a_dot_is_not_mistaken_for_another(self) -> None:
        """Their field is the same; the answer is not."""
        self.write("g", parts(counter("c", 0, 1, **{"a.b": "x"}), counter("c", 0, 2, a_b="x")))
        assert self.numbers(by=("a_b",)) == {("",): {0: 1.0}, ("x",): {0: 2.0}}
        assert self.numbers(by=("a.b",)) == {("",): {0: 2.0}, ("x",): {0: 1.0}}

    def test_what_lucene_cannot_say_is_sifted_here(self) -> None:
        """Brackets, in names and in labels."""
        self.fill()
        assert len(self.done(self.store.find(ALL._replace(name="[cg]")))) == 10
        some = ALL._replace(name="[c]", where=(("host", "[0-2]"),))
        assert self.numbers(some, 100_000) == {(): {0: 15.0}}
        assert self.numbers(some, 100_000, by=("host",))[("2",)] == {0: 5.0}

    def test_a_long_series_key_comes_back(self) -> None:
        """It is named by its hash, and read from one of its documents."""
        labels = {f"l{number:02}": "v" * 1000 for number in range(20)}
        self.write(
            "g", parts(row(Kind.COUNTER, "c", 0, labels, n=1.0), row(Kind.GAUGE, "g", 0, labels, n=2.0))
        )
        found = self.done(self.store.find(ALL))
        assert [dict(one.series.labels) for one in found] == [labels, labels]
        assert [group.n.tolist() for group in self.fetch(by=None)] == [[1.0], [2.0]]
        assert self.numbers(by=("l00",)) == {("v" * 1000,): {0: 2.0}}

    def test_what_is_too_large_is_refused(self) -> None:
        """Series, points, and parts that have to be read one by one."""
        self.fill()
        for bounds, name, by in (
            ({"series": 4}, "c", None),
            ({"points": 24}, "c", None),
            ({"points": 24, "page": 3}, "c", ("host",)),
            ({"documents": 24}, "g", None),
            ({"documents": 24, "gauges": 24}, "g", None),
            ({"series": 4}, "s", ("host",)),
        ):
            self.reopen(**bounds)
            asked = self.store.fetch(Selection("main", name), 0, by)
            error = self.failureResultOf(asked, ClientError).value
            assert (error.reason, error.status) == ("too_expensive", 413)
        self.reopen(series=4)
        self.failureResultOf(self.store.find(ALL), ClientError)

    def test_of_many_gauges_only_the_last_are_read(self) -> None:
        """So a day of them can be asked for in steps though nobody would read all of it."""
        self.fill()
        expected = [self.plain(by) for by in (None, ("host",), ())]
        self.reopen(gauges=24, documents=24)
        asked = len(self.cluster.read)
        assert [self.plain(by) for by in (None, ("host",), ())] == expected
        assert len(self.cluster.read) - asked == 3 * 5

    def plain(self, by: tuple[str, ...] | None) -> Any:
        return plain(self.fetch(Selection("main", "g"), 1_000_000, by))

    def test_counters_are_folded_by_the_cluster(self) -> None:
        """One search and no document of theirs; timers too, unless their sketches are wanted."""
        self.fill()
        self.done(self.store.find(ALL))
        for kind, sketches, searches in (
            (Kind.COUNTER, False, 0),
            (Kind.TIMER, False, 0),
            (Kind.TIMER, True, 1),
        ):
            asked = len(self.cluster.read)
            self.fetch(ALL._replace(kind=kind), 100_000, (), sketches=sketches)
            assert len(self.cluster.read) - asked == searches * 25
