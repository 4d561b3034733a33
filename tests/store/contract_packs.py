"""What every store must do with points that came together, packed."""

from __future__ import annotations

from typing import Any

from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Kind, Parts, Selection, Tally
from metronome.store.interface import Retention, Rung
from tests.store.build import RECORD, counter, gauge, packed, parts
from tests.store.contract import ALL, StoreCase
from tests.store.contract_keeping import DAY, HOUR

FOREVER = Retention((Rung(10, 10**9), Rung(60, 10**9)))


def points(text: str) -> Parts:
    """What a table gives of lines of Graphite."""
    table = Table()
    table.feed_graphite(text.encode(), 1.0, Dialect())
    return Parts("main", table.flush_points())


class PacksContract(StoreCase):
    """Nobody can tell from an answer that points were packed."""

    def shown(self, start: int = 0, end: int = 1 << 62, step: int = 0, by: Any = None) -> list[Any]:
        """Time, value, number, least and greatest of each step of each group."""
        return [
            list(
                zip(
                    *(getattr(group, name).tolist() for name in ("times", "n", "counts", "low", "high")),
                    strict=True,
                )
            )
            for group in self.fetch(ALL._replace(start=start, end=end), step, by)
        ]

    def spans(self, start: int = 0, end: int = 1 << 62) -> list[tuple[str, int, int]]:
        """Which series there are in a time, and their first and last points."""
        found = self.done(self.store.find(Selection("main", "*", start=start, end=end)))
        return [(one.series.name, one.first, one.last) for one in found]

    def test_points_are_read_one_by_one(self) -> None:
        """Of equal times the one that came last stands, and all of them count."""
        self.write("g1", points("a 1 10\na 5 30\na 2 20.5\na 7 30\nb 1 10\n"))
        one = [(10_000, 1.0, 1.0, 1.0, 1.0), (20_500, 2.0, 1.0, 2.0, 2.0), (30_000, 7.0, 2.0, 5.0, 7.0)]
        assert self.shown() == [one, [(10_000, 1.0, 1.0, 1.0, 1.0)]]
        assert self.statistics()["parts"] in (4, 5)

    def test_points_fold_into_steps_and_groups(self) -> None:
        """The latest of each series, then their sum; extremes over all."""
        self.write("g1", points("a 1 1\na 9 2\na 4 3\na 6 11\nb 10 2\nb 20 3\n"))
        both = [(0, 24.0, 5.0, 1.0, 20.0), (10_000, 6.0, 1.0, 6.0, 6.0)]
        assert self.shown(step=10_000, by=()) == [both]
        (group,) = self.fetch(ALL, 10_000, ())
        assert (group.kind, group.sources.tolist(), group.d.tolist()) == (Kind.GAUGE, [2, 1], [1, 1])

    def test_a_time_cuts_packs(self) -> None:
        """Points at the start are in, those at the end are not, wherever a pack begins and ends."""
        self.write("g1", points("".join(f"a {second} {second}\n" for second in range(100))))
        for start, end in ((0, 5), (10, 20), (95, 1000), (99, 100), (40, 40), (100, 200)):
            times = list(range(start, min(end, 100)))
            found = self.shown(start * 1000, end * 1000)
            assert [time for group in found for time, *_ in group] == [time * 1000 for time in times]
            span = [("a", times[0] * 1000, times[-1] * 1000)] if times else []
            assert self.spans(start * 1000, end * 1000) == span
        assert self.spans() == [("a", 0, 99_000)]

    def test_a_time_between_two_points_of_a_pack_is_empty(self) -> None:
        """Though the pack lies on both sides of it."""
        self.write("g1", points("a 1 10\na 1 30\n"))
        assert self.spans(15_000, 25_000) == []
        assert self.shown(15_000, 25_000) == []

    def test_the_latest_stands_among_packs_and_other_parts(self) -> None:
        """By time, then gateway, then position, whichever of them is packed."""
        for first, second in ((packed, lambda one: one), (lambda one: one, packed)):
            self.write("g2", first(parts(gauge("a", 5000, 1), gauge("a", 6000, 2))))
            self.write("g1", parts(gauge("a", 6000, 3)))
            assert self.numbers() == {(): {0: 2.0}}
            self.write("g2", second(parts(gauge("a", 6000, 4), gauge("a", 1000, 9))), begin=RECORD)
            assert self.numbers() == {(): {0: 4.0}}
            self.write("g3", second(parts(gauge("a", 5999, 5), gauge("a", 2000, 9))))
            assert self.numbers() == {(): {0: 4.0}}
            self.done(self.store.stop())
            self.store = self.make_store()
            self.done(self.store.start())

    def test_the_books_count_points(self) -> None:
        """Each on the day of its own time."""
        self.write("g1", points(f"a 1 {86_399}\na 2 {86_400}\na 3 {86_401}\nb 1 5\nb 2 6\n"))
        books = [("1970-01-01", "", "stored", "", 3), ("1970-01-02", "", "stored", "", 2)]
        assert self.done(self.store.tallies("main")) == books
        assert all(isinstance(Tally("main", *line).number, int) for line in books)

    def test_a_replay_changes_nothing(self) -> None:
        """The points of a record are there once."""
        content = points("a 1 10\na 2 20\n")
        self.write("g1", content)
        self.write("g1", content)
        assert [counts for _, _, counts, _, _ in self.shown(step=HOUR)[0]] == [2.0]

    def test_points_that_grow_old_are_merged_into_steps(self) -> None:
        """Those of one step become one; the others stay as they are, and late ones join them."""
        lines = [f"a {second} {second}\nb {second} {10 * second}\n" for second in range(0, 7200, 5)]
        self.write("g1", points("".join(lines)), parts(counter("c", 0, 3)))
        before = self.shown(step=10_000), self.shown(step=60_000, by=())
        done = self.done(self.store.expire(4 * HOUR, {"main": FOREVER}))
        assert done == {"merged": 720, "deleted": 0, "events_deleted": 0}
        assert (self.shown(step=10_000), self.shown(step=60_000, by=())) == before
        assert self.done(self.store.expire(4 * HOUR, {"main": FOREVER}))["merged"] == 0
        self.write("g1", points("a -1 5003\na -2 5017\n"), begin=2 * RECORD)
        late = self.shown(5_000_000, 5_020_000, 10_000)[0]
        # What was merged stands at the beginning of its step, so that the late points stand.
        assert late == [(5_000_000, -1.0, 3.0, -1.0, 5005.0), (5_010_000, -2.0, 3.0, -2.0, 5015.0)]
        assert self.done(self.store.expire(4 * HOUR, {"main": FOREVER}))["merged"] == 2
        assert self.shown(5_000_000, 5_020_000, 10_000)[0] == late

    def test_a_pack_is_cut_where_merging_ends(self) -> None:
        """What is too young stays as it was."""
        self.write("g1", points("".join(f"a {second} {second}\n" for second in range(3000, 4300, 4))))
        before = self.shown(step=10_000)
        assert self.done(self.store.expire(2 * HOUR + 1, {"main": FOREVER}))["merged"] == 150 - 60
        assert self.shown(step=10_000) == before
        young = [time for time, *_ in self.shown(HOUR - 10_000)[0]]
        assert young == [3_590_000, *range(HOUR, 4_300_000, 4000)]

    def test_even_points_stay_one_to_a_step(self) -> None:
        """Merged, they answer as before, in steps of any length, and go on to longer ones."""
        self.write("g1", points("".join(f"a {second % 70} {second}\n" for second in range(0, 7200, 10))))
        one = self.shown(step=10_000), self.shown(step=300_000), self.spans()
        self.done(self.store.expire(4 * HOUR, {"main": FOREVER}))
        assert (self.shown(step=10_000), self.shown(step=300_000), self.spans()) == one
        short = Retention((Rung(10, 7200), Rung(60, 10**9)))
        done = self.done(self.store.expire(10 * HOUR, {"main": short}))
        assert done["merged"] == 600
        assert self.shown(step=300_000) == one[1]

    def test_points_past_keeping_are_deleted(self) -> None:
        """One by one, and the series with the last of them."""
        self.write("g1", points("a 1 10\na 2 90000\na 3 90001\nb 1 5\nb 2 6\n"))
        kept = Retention((Rung(10, 2 * 86_400),))
        done = self.done(self.store.expire(3 * DAY, {"main": kept}))
        assert done["deleted"] == 3
        assert self.spans() in ([("a", 90_000_000, 90_001_000)], [("a", 90_000_000, 90_000_000)])
        assert self.statistics()["series"] == 1
        assert self.done(self.store.expire(9 * DAY, {"main": kept}))["deleted"] > 0
        assert (self.spans(), self.statistics()["parts"]) == ([], 0)

    def test_a_forgotten_stream_has_no_points(self) -> None:
        """Its packs go with everything else."""
        self.write("g1", points("a 1 10\na 2 20\n"))
        self.done(self.store.forget("main"))
        assert (self.spans(), self.statistics()["parts"]) == ([], 0)
