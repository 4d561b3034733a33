"""What every store must do about parts: written, found, folded.

A test case of a store is a ``SynchronousTestCase`` with these methods and ``make_store``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metronome.errors import StoreRejected
from metronome.fold import distinct, sketch
from metronome.model import Batch, Flushed, Kind, Parts, Selection, Tally
from metronome.store.interface import Store
from tests.store.build import (
    RECORD,
    batch,
    counter,
    events,
    gauge,
    happened,
    members,
    parts,
    plain,
    timer,
    with_bins,
    with_registers,
)

ALL = Selection("main", "*")


class StoreCase:
    """What the parts of the contract stand on."""

    store: Store
    make_store: Callable[[], Store]
    """A store that is not started; the test case stops it."""

    def setUp(self) -> None:
        self.store = self.make_store()
        self.done(self.store.start())

    def tearDown(self) -> None:
        self.done(self.store.stop())

    def done(self, deferred: Any) -> Any:
        return self.successResultOf(deferred)  # type: ignore[attr-defined]

    def failed(self, deferred: Any, kind: type[BaseException]) -> Any:
        """What a Deferred failed with."""
        return self.failureResultOf(deferred, kind).value  # type: ignore[attr-defined]

    def write(self, gateway: str, *contents: Any, begin: int = 0) -> Batch:
        written = batch(gateway, *contents, begin=begin)
        self.done(self.store.write(written))
        return written

    def fetch(self, selection: Selection = ALL, step: int = 10_000, by: Any = (), **more: bool) -> list[Any]:
        return list(self.done(self.store.fetch(selection, step, by, **more)).groups)

    def statistics(self) -> dict[str, float]:
        """What the store counts, as of now: one that asks a server does so with its health."""
        self.done(self.store.health())
        return self.store.statistics()

    def numbers(self, selection: Selection = ALL, step: int = 10_000, by: Any = ()) -> dict[Any, Any]:
        """For each group's label values the n of its steps."""
        return {
            tuple(value for _, value in group.labels): dict(
                zip(group.times.tolist(), group.n.tolist(), strict=True)
            )
            for group in self.fetch(selection, step, by)
        }


class WritingContract(StoreCase):
    """What a store does with a batch."""

    def test_an_empty_store_knows_nothing(self) -> None:
        """A new store answers every question, with nothing."""
        assert self.done(self.store.applied()) == {}
        assert self.done(self.store.find(ALL)) == []
        assert self.fetch() == []
        assert self.done(self.store.tallies("main")) == []
        assert self.done(self.store.recent_ids(0)) == []

    def test_applied_moves_to_the_end(self) -> None:
        """After a write the store answers that it has applied the batch, also an empty one."""
        self.write("g1", parts(counter("hits", 0, 1)))
        self.write("g2", begin=77)
        assert self.done(self.store.applied()) == {"g1": RECORD, "g2": 77}

    def test_a_replay_changes_nothing(self) -> None:
        """The same batch written again leaves every answer as it was."""
        written = self.write(
            "g1",
            parts(counter("hits", 0, 3, host="a"), timer("t", 0, [1, 2]), ids=((5, "e1"),)),
            events(happened(5, eid="e2", received=6)),
            [Tally("main", "2026-01-01", "udp", "rejected", "bad_value", 4)],
        )
        answers = self._answers()
        self.done(self.store.write(written))
        assert self._answers() == answers
        assert self.numbers(ALL._replace(name="hits")) == {(): {0: 3.0}}

    def _answers(self) -> list[Any]:
        return [
            plain(self.fetch(by=None, sketches=True, members=True)),
            self.done(self.store.tallies("main")),
            self.done(self.store.recent_ids(0)),
            self.done(self.store.applied()),
        ]

    def test_a_partial_overlap_adds_only_what_is_new(self) -> None:
        """Records before the applied position are skipped, those behind it are taken."""
        first, second = parts(counter("hits", 0, 1)), parts(counter("hits", 0, 10))
        self.write("g1", first)
        self.write("g1", first, second)
        assert self.numbers() == {(): {0: 11.0}}
        assert self.done(self.store.applied()) == {"g1": 2 * RECORD}

    def test_an_older_batch_does_not_move_applied_back(self) -> None:
        """A late replay of an early batch neither writes nor forgets."""
        early = self.write("g1", parts(counter("hits", 0, 1)))
        self.write("g1", parts(counter("hits", 0, 10)), begin=RECORD)
        self.done(self.store.write(early))
        assert self.done(self.store.applied()) == {"g1": 2 * RECORD}
        assert self.numbers() == {(): {0: 11.0}}

    def test_gateways_are_apart(self) -> None:
        """Two gateways with the same positions and series both count."""
        self.write("g1", parts(counter("hits", 0, 1)))
        self.write("g2", parts(counter("hits", 0, 10)))
        assert self.numbers() == {(): {0: 11.0}}

    def test_the_order_of_gateways_does_not_matter(self) -> None:
        """Batches of several gateways may come in any order."""
        batches = [
            batch("g1", parts(counter("hits", 0, 1), gauge("load", 5000, 1), timer("t", 0, [1.5]))),
            batch("g2", parts(counter("hits", 0, 2), gauge("load", 5000, 2), timer("t", 0, [9.0]))),
            batch("g0", parts(counter("hits", 10_000, 4), gauge("load", 4000, 9), members("s", 0, "ab"))),
        ]
        answers = []
        for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
            store = self.make_store()
            self.done(store.start())
            for index in order:
                self.done(store.write(batches[index]))
            fetched = self.done(store.fetch(ALL, 10_000, None, sketches=True, members=True))
            answers.append(plain(fetched.groups))
            self.done(store.stop())
        assert answers[0] == answers[1] == answers[2]

    def test_streams_are_apart(self) -> None:
        """A selection sees its own stream only."""
        self.write("g1", parts(counter("hits", 0, 1)), parts(counter("hits", 0, 5), stream="other"))
        assert self.numbers() == {(): {0: 1.0}}
        assert self.numbers(Selection("other", "*")) == {(): {0: 5.0}}
        assert self.fetch(Selection("none", "*")) == []

    def test_a_flush_mark_is_no_data(self) -> None:
        """The record that a flush is complete is applied and leaves nothing behind."""
        self.write("g1", Flushed("main", 0, 10.0))
        assert self.done(self.store.tallies("main")) == []
        assert self.done(self.store.applied()) == {"g1": RECORD}

    def test_records_it_will_never_take_are_named(self) -> None:
        """Unreadable records are refused one by one, and nothing is applied until the batch comes
        without them: a refusal that nobody heard is said again."""
        good = parts(counter("hits", 0, 1))
        bad_key = Parts("main", parts(counter("x", 0, 1)._replace(key=b"cno\xff", series_id=7)).columns)
        bad_time = parts(counter("hits", 1 << 60, 1))
        bad_event = events({"type": "view", "id": "a"})
        wrong = batch("g1", bad_key, good, bad_time, bad_event)
        for _ in range(2):
            failure = self.failed(self.store.write(wrong), StoreRejected)
            assert [record for record, _ in failure.items] == [wrong.records[i] for i in (0, 2, 3)]
            assert all(text for _, text in failure.items)
            assert self.done(self.store.applied()).get("g1", 0) == 0
        self.done(self.store.write(wrong._replace(records=wrong.records[1:2])))
        assert self.numbers() == {(): {0: 1.0}}
        assert self.done(self.store.applied()) == {"g1": 4 * RECORD}
        self.done(self.store.write(wrong))

    def test_the_books_count_what_was_stored(self) -> None:
        """Stored samples and events are counted by day beside the tallies that came in."""
        day = 86_400_000
        self.write(
            "g1",
            parts(counter("hits", 0, 7, d=7), counter("hits", day, 1, d=2), gauge("g", day, 1)),
            events(happened(5), happened(5, received=day)),
            [Tally("main", "1970-01-02", "udp", "shed", "journal_full", 3)],
        )
        self.write("g2", [Tally("main", "1970-01-02", "udp", "shed", "journal_full", 2)])
        assert self.done(self.store.tallies("main")) == [
            ("1970-01-01", "", "stored", "", 8),
            ("1970-01-02", "", "stored", "", 4),
            ("1970-01-02", "udp", "shed", "journal_full", 5),
        ]
        assert self.done(self.store.tallies("other")) == []

    def test_deduplication_ids_are_remembered(self) -> None:
        """Ids of points and of events come back with their stream, from a time on."""
        self.write(
            "g1",
            parts(counter("hits", 0, 1), ids=((50, "p"),)),
            events(happened(5, eid="old", received=49), happened(5, eid="new", received=60), happened(1)),
            events(happened(5, eid="new", received=70), stream="other"),
        )
        expected = [(70, "other\0new"), (60, "main\0new"), (50, "main\0p")]
        assert self.done(self.store.recent_ids(50)) == expected

    def test_deduplication_ids_come_in_pages(self) -> None:
        """The newest first, so many at a time; none is left out, also where times are equal."""
        some = [happened(5, eid=eid, received=50) for eid in ("a", "é", "b", "Z")]
        self.write("g1", events(*some, happened(5, eid="c", received=51)))
        whole = self.done(self.store.recent_ids(0))
        names = [name.partition("\0")[2] for _, name in whole]
        assert names == ["c", "é", "b", "a", "Z"]
        for most in (1, 2, 3):
            pages: list[Any] = [self.done(self.store.recent_ids(0, None, most))]
            while pages[-1]:
                pages.append(self.done(self.store.recent_ids(0, pages[-1][-1], most)))
            assert max(map(len, pages)) == most
            assert [one for page in pages for one in page] == whole
        assert self.done(self.store.recent_ids(51, whole[0])) == []

    def test_many_series_at_once(self) -> None:
        """A record of thousands of series is written and found again."""
        rows = [counter("hits", 0, index, host=f"h{index}") for index in range(3000)]
        self.write("g1", parts(*rows[:2000]))
        self.write("g1", parts(*rows[1000:]), begin=RECORD)
        assert len(self.done(self.store.find(ALL))) == 3000
        assert self.numbers() == {(): {0: float(sum(range(2000)) + sum(range(1000, 3000)))}}


class FindingContract(StoreCase):
    """Which series a selection takes."""

    def setUp(self) -> None:
        super().setUp()
        self.write(
            "g1",
            parts(
                counter("http.requests", 10_000, 1, status="200", host="a"),
                counter("http.requests", 50_000, 1, status="200", host="a"),
                counter("http.requests", 20_000, 1, status="404", host="b"),
                gauge("http.load", 30_000, 1, host="a"),
                timer("http.requests", 40_000, [1.0]),
                counter("größe[x]", 60_000, 1, path="a/b c\nd", empty=""),
            ),
        )

    def found(self, name: str = "*", where: Any = (), **more: Any) -> list[tuple[str, str, int, int]]:
        selection = Selection("main", name, tuple(where), **more)
        return [
            (
                one.series.kind.word + " " + one.series.name,
                ",".join(f"{name}={value}" for name, value in one.series.labels),
                one.first,
                one.last,
            )
            for one in self.done(self.store.find(selection))
        ]

    def test_all_series_come_by_key(self) -> None:
        """Everything is found, ordered by canonical key, with its first and last time."""
        assert self.found() == [
            ("counter größe[x]", "empty=,path=a/b c\nd", 60_000, 60_000),
            ("counter http.requests", "host=a,status=200", 10_000, 50_000),
            ("counter http.requests", "host=b,status=404", 20_000, 20_000),
            ("gauge http.load", "host=a", 30_000, 30_000),
            ("timer http.requests", "", 40_000, 40_000),
        ]

    def test_names_match_globs(self) -> None:
        """A name may be plain, or a glob whose star goes over dots."""
        expected = {
            "http.load": 1,
            "http.*": 4,
            "*requests": 3,
            "http.{load,none}": 1,
            "http.l[m-p]ad": 1,
            "http?load": 1,
            "HTTP.*": 0,
            "gr*": 1,
            "gr?ße\\[x]": 1,
            "gr[!a]ße*": 1,
            "[z-a]*": 0,
            "http": 0,
        }
        assert {glob: len(self.found(glob)) for glob in expected} == expected

    def test_label_values_match_globs(self) -> None:
        """Every label asked for must be there and match; a star wants it there."""
        expected = {
            (("status", "200"),): 1,
            (("status", "*"),): 2,
            (("status", "[24]0?"), ("host", "b")): 1,
            (("host", "{a,b}"),): 3,
            (("none", "*"),): 0,
            (("empty", "*"),): 1,
            (("empty", ""),): 1,
            (("path", "a/b*"),): 1,
            (("path", "a/b c\nd"),): 1,
        }
        assert {where: len(self.found(where=where)) for where in expected} == expected

    def test_a_kind_narrows(self) -> None:
        """One kind of a name can be asked for."""
        assert [one[0] for one in self.found("http.requests", kind=Kind.TIMER)] == ["timer http.requests"]

    def test_the_time_is_from_start_to_before_end(self) -> None:
        """Series without parts in the time are not found, and the span is within it."""
        assert self.found(start=20_000, end=40_000) == [
            ("counter http.requests", "host=b,status=404", 20_000, 20_000),
            ("gauge http.load", "host=a", 30_000, 30_000),
        ]
        assert self.found("http.requests", start=10_001, end=50_001)[0][2:] == (50_000, 50_000)


class FoldingContract(StoreCase):
    """What an answer says."""

    def test_counters_add_up_in_steps(self) -> None:
        """n, d and counts are sums, low and high the extremes of the parts."""
        self.write("g1", parts(counter("c", 0, 3, d=2), counter("c", 10_000, 5, d=1)))
        self.write("g2", parts(counter("c", 50_000, -1, d=4), counter("c", 60_000, 7, d=1)))
        (group,) = plain(self.fetch(step=60_000))
        assert group == (
            (),
            Kind.COUNTER,
            "",
            [0, 60_000],
            [[7, 7], [7, 1], [7, 1], [1, 1], [-1, 7], [5, 7], [0, 0]],
            [],
            [],
        )

    def test_step_zero_keeps_times(self) -> None:
        """Without a step the parts keep their own times."""
        self.write("g1", parts(counter("c", 1, 3), counter("c", 2, 5), counter("c", 2, 6)))
        assert self.numbers(step=0) == {(): {1: 3.0, 2: 11.0}}

    def test_a_selection_cuts_time(self) -> None:
        """Parts count from start to before end, whatever step they are in."""
        self.write("g1", parts(*(counter("c", 1000 * second, 1) for second in range(60))))
        assert self.numbers(ALL._replace(start=5000, end=31_000), 20_000) == {(): {0: 15.0, 20_000: 11.0}}

    def test_groups_are_combinations_of_labels(self) -> None:
        """Each combination is a group; a series without a label has it empty."""
        self.write(
            "g1",
            parts(
                counter("c", 0, 1, host="a", status="200"),
                counter("c", 0, 2, host="b", status="200"),
                counter("c", 0, 4, host="b", status="404"),
                counter("c", 0, 8, host="b"),
            ),
        )
        assert self.numbers(by=("status", "host")) == {
            ("a", "200"): {0: 1.0},
            ("b", ""): {0: 8.0},
            ("b", "200"): {0: 2.0},
            ("b", "404"): {0: 4.0},
        }
        assert self.numbers(by=("status",)) == {("",): {0: 8.0}, ("200",): {0: 3.0}, ("404",): {0: 4.0}}
        assert self.numbers(ALL._replace(where=(("status", "*"),)), by=()) == {(): {0: 7.0}}
        assert self.fetch(by=("none",))[0].labels == (("none", ""),)

    def test_series_apart_say_which_they_are(self) -> None:
        """Without grouping each series is a group of its own labels, kind and name, in order."""
        self.write(
            "g1",
            parts(
                counter("b", 0, 1, host="a"),
                counter("a", 0, 2, host="a"),
                gauge("a", 0, 3, host="a"),
                counter("z", 0, 4),
            ),
        )
        named = [(group.labels, group.kind, group.name, group.n.tolist()) for group in self.fetch(by=None)]
        host = (("host", "a"),)
        assert named == [
            ((), Kind.COUNTER, "z", [4.0]),
            (host, Kind.COUNTER, "a", [2.0]),
            (host, Kind.COUNTER, "b", [1.0]),
            (host, Kind.GAUGE, "a", [3.0]),
        ]

    def test_kinds_are_apart(self) -> None:
        """A name in two kinds makes two groups, unless one kind is asked for."""
        self.write("g1", parts(counter("x", 0, 1), gauge("x", 0, 5), timer("x", 0, [2.0])))
        kinds = [Kind.COUNTER, Kind.GAUGE, Kind.TIMER]
        assert [group.kind for group in self.fetch()] == kinds
        assert [group.kind for group in self.fetch(ALL._replace(kind=Kind.GAUGE))] == [Kind.GAUGE]

    def test_sources_count_series(self) -> None:
        """How many series a step adds up, however many parts they have in it."""
        self.write("g1", parts(*(counter("c", 1000 * (i % 5), 1, host=str(i % 3)) for i in range(15))))
        (group,) = self.fetch()
        assert (group.n.tolist(), group.sources.tolist()) == ([15.0], [3.0])

    def test_the_latest_gauge_stands(self) -> None:
        """Of one series the latest value stands; of several they add up."""
        self.write("g1", parts(gauge("g", 9000, 5, host="a"), gauge("g", 2000, 1, host="a")))
        self.write("g2", parts(gauge("g", 3000, 7, host="a"), gauge("g", 1000, 10, host="b")))
        (group,) = plain(self.fetch())
        assert group[4] == [[15], [1], [4], [2], [1], [10], [0]]

    def test_gauges_of_one_time_go_by_gateway_then_position_then_place(self) -> None:
        """Ties: the greater gateway id, then the later record, then the later row."""
        self.write("g2", parts(gauge("a", 0, 1), gauge("b", 0, 1), gauge("c", 0, 1), gauge("c", 0, 2)))
        self.write("g10", parts(gauge("b", 0, 3), gauge("a", 0, 3)))
        self.write("g2", parts(gauge("b", 0, 9)), begin=RECORD)
        latest = {group.name: group.n.tolist() for group in self.fetch(by=None)}
        assert latest == {"a": [1.0], "b": [9.0], "c": [2.0]}

    def test_timers_fold_with_their_sketches(self) -> None:
        """Sums, extremes and squares are exact, samples come as sketch bins."""
        self.write("g1", parts(timer("t", 0, [1.0, 100.0], host="a"), timer("t", 0, [5.0], host="b")))
        self.write("g2", parts(timer("t", 5000, [-3.0, 0.0, 100.0], host="a")))
        (group,) = self.fetch(sketches=True)
        values = np.array([-3.0, 0.0, 1.0, 5.0, 100.0, 100.0])
        assert plain([group])[0][4] == [[203], [6], [6], [2], [-3], [100], [20035]]
        bins, counts = group.sketches[0]
        expected = sketch.sketch_of(values)
        assert bins.tolist() == expected[0].tolist()
        assert counts.tolist() == expected[1].tolist()
        assert self.fetch()[0].sketches == []

    def test_bins_and_weighted_samples_meet(self) -> None:
        """A row with bins merges with one of samples."""
        some = parts(timer("t", 0, [1.0]))
        self.write("g1", some, Parts("main", with_bins(some.columns, {0: {2000: 2.5, -7: 1.0}})))
        (group,) = self.fetch(sketches=True)
        assert [part.tolist() for part in group.sketches[0]] == [[-7, 2000], [1.0, 3.5]]

    def test_sets_unite(self) -> None:
        """n is the number of distinct members over time, labels and gateways."""
        self.write("g1", parts(members("s", 0, "abc", host="a"), members("s", 0, "cd", host="b")))
        self.write("g2", parts(members("s", 5000, "ae", host="a"), members("s", 10_000, "a", host="a")))
        assert self.numbers() == {(): {0: 5.0, 10_000: 1.0}}
        assert self.numbers(step=20_000, by=("host",)) == {("a",): {0: 4.0}, ("b",): {0: 2.0}}
        (group,) = self.fetch(members=True)
        assert [len(hashes) for hashes, _ in group.members] == [5, 1]
        assert (group.d.tolist(), group.low.tolist(), group.high.tolist()) == ([1, 1], [5, 1], [5, 1])

    def test_big_sets_become_registers(self) -> None:
        """Beyond the exact number, and with registers, the count is the estimate."""
        first = members("s", 0, (f"a{i}" for i in range(3000)))
        second = members("s", 0, (f"b{i}" for i in range(3000)))
        self.write("g1", parts(first), parts(second))
        hashes = np.array([*first.hashes, *second.hashes], np.uint64)
        registers = distinct.registers_of(hashes)
        estimate = distinct.estimate(hashes[:0], registers)
        (group,) = self.fetch(members=True)
        assert group.n.tolist() == [estimate]
        assert group.members[0][1].tolist() == registers.tolist()
        dense = with_registers(parts(second._replace(time=20_000)).columns, registers)
        self.write("g2", Parts("main", dense), parts(members("s", 25_000, ["a1", "x"])))
        more = np.array([*hashes.tolist(), *members("s", 0, ["x"]).hashes], np.uint64)
        expected = distinct.estimate(hashes[:0], distinct.registers_of(more))
        assert self.numbers(ALL._replace(start=20_000), 10_000) == {(): {20_000: expected}}

    def test_an_answer_says_what_it_includes(self) -> None:
        """A fetch comes with the applied positions, also where nothing is found."""
        self.write("g1", parts(counter("c", 0, 1)))
        assert self.done(self.store.fetch(ALL, 1000, ())).applied == {"g1": RECORD}
        assert self.done(self.store.fetch(Selection("none", "*"), 1000, ())).applied == {"g1": RECORD}

    def test_statistics_count_series_and_parts(self) -> None:
        """Bytes, series and parts are known without a question."""
        self.write("g1", parts(counter("c", 0, 1, host="a"), counter("c", 0, 1, host="b")))
        self.write("g1", parts(counter("c", 10_000, 1, host="a")), begin=RECORD)
        statistics = self.statistics()
        assert (statistics["series"], statistics["parts"]) == (2, 3)
        assert statistics["bytes"] >= 0
        assert self.done(self.store.health()).state == "ok"
