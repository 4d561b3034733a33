"""What every store must do about events, and about what grows old."""

from __future__ import annotations

from typing import Any

import numpy as np

from metronome.fold.stat import evaluate, parse_stat
from metronome.model import EventSelection, Folded, Selection, Tally
from metronome.store.interface import Retention, Rung
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
)
from tests.store.contract import ALL, StoreCase

HOUR = 3_600_000
DAY = 24 * HOUR
EVENTS = EventSelection("main")
SHORT = Retention((Rung(10, 86_400), Rung(60, 10 * 86_400), Rung(600, 100 * 86_400)), 50 * 86_400)


class EventsContract(StoreCase):
    """Events are kept as they came, selected and counted."""

    def setUp(self) -> None:
        super().setUp()
        self.happenings = [
            happened(1000, id_="a", received=1100, eid="e1", labels={"country": "NZ", "a/b~c": "x", "": "e"}),
            happened(900_000, id_="a", referer="site/page", fields={"ms": 1.5}, labels={}),
            happened(900_001, "download", "b", format="csv", message="größer \0 ä"),
            happened(2_000_000, "download", "a", format="", labels={"country": "DE", "q'\"": "it's"}),
            happened(2_000_000, "error", "", message="", referer=""),
        ]
        self.write("g1", events(*self.happenings[:3]), events(*self.happenings[3:]))
        self.write("g1", events(happened(5), stream="other"), begin=2 * RECORD)

    def selected(self, **selection: Any) -> list[int]:
        """The numbers of the events found, in their order."""
        found = self.done(self.store.events(EVENTS._replace(**selection)))
        return [self.happenings.index(event) for event in found]

    def test_events_come_back_as_they_were_newest_first(self) -> None:
        """Every value survives; of equal times the one written last comes first."""
        assert self.selected() == [4, 3, 2, 1, 0]

    def test_the_newest_are_kept_by_a_limit(self) -> None:
        """A limit takes the newest."""
        assert self.selected(limit=2) == [4, 3]

    def test_equal_times_go_by_gateway_and_position(self) -> None:
        """The order of events of one time does not depend on who wrote first."""
        self.write("g0", events(happened(2_000_000, id_="from g0")))
        self.write("g2", events(happened(2_000_000, id_="from g2")))
        found = self.done(self.store.events(EVENTS._replace(limit=4)))
        assert [event["id"] for event in found] == ["from g2", "", "a", "from g0"]

    def test_filters(self) -> None:
        """Types, item, time and labels narrow, alone and together."""
        expected: list[tuple[dict[str, Any], list[int]]] = [
            ({"types": ("view",)}, [1, 0]),
            ({"types": ("view", "error")}, [4, 1, 0]),
            ({"types": ("none",)}, []),
            ({"item": "a"}, [3, 1, 0]),
            ({"item": ""}, [4]),
            ({"start": 900_000, "end": 2_000_000}, [2, 1]),
            ({"where": (("country", "*"),)}, [3, 0]),
            ({"where": (("country", "[MN]?"),)}, [0]),
            ({"where": (("a/b~c", "x"),)}, [0]),
            ({"where": (("", "e"),)}, [0]),
            ({"where": (("q'\"", "it's"),)}, [3]),
            ({"where": (("country", "*"), ("none", "*"))}, []),
            ({"item": "a", "types": ("download",), "where": (("country", "DE"),)}, [3]),
        ]
        assert [self.selected(**selection) for selection, _ in expected] == [found for _, found in expected]

    def test_counts(self) -> None:
        """Counts by each field and by several; a field that is not there is empty."""
        expected: dict[tuple[str, ...], dict[tuple[Any, ...], int]] = {
            (): {(): 5},
            ("slot",): {(0,): 1, (1,): 2, (2,): 2},
            ("type", "format"): {
                ("view", ""): 2,
                ("download", "csv"): 1,
                ("download", ""): 1,
                ("error", ""): 1,
            },
            ("referer",): {("",): 4, ("site/page",): 1},
            ("id", "slot"): {("a", 0): 1, ("a", 1): 1, ("b", 1): 1, ("a", 2): 1, ("", 2): 1},
        }
        assert {by: self.done(self.store.count(EVENTS, by)).counts for by in expected} == expected
        some = self.done(self.store.count(EVENTS._replace(item="a", start=1001), ("type",)))
        assert some == ({("view",): 1, ("download",): 1}, {"g1": 3 * RECORD})
        assert self.done(self.store.count(EventSelection("none"), ())).counts == {}
        assert self.done(self.store.count(EVENTS._replace(item="none"), ())).counts == {}

    def test_counts_are_bounded(self) -> None:
        """The largest groups stay; the others are summed up, by slot and by what is empty."""
        referers = ["", *["big"] * 5, *["b", "a", "c"] * 2, *(f"one {number}" for number in range(50))]
        happenings = [happened(9_000_000, "view", "x", referer=referer) for referer in referers]
        self.write("g9", events(*happenings))
        chosen = EVENTS._replace(item="x")

        def counts(*by: str, most: int) -> Any:
            return self.done(self.store.count(chosen, by, most)).counts

        assert counts("referer", most=3) == {
            ("big",): 5,
            ("a",): 2,
            ("b",): 2,
            ("",): 1,
            ("_other_",): 52,
        }
        assert counts("slot", "referer", most=1) == {(10, "big"): 5, (10, ""): 1, (10, "_other_"): 56}
        assert counts("referer", "format", most=0) == {("", ""): 1, ("_other_", ""): 61}
        assert counts("slot", most=0) == {(10,): 62}
        assert counts(most=0) == {(): 62}
        assert len(counts("referer", most=54)) == len(counts("referer", most=100)) == 55


class KeepingContract(StoreCase):
    """The ladder, retention and forgetting."""

    def expire(self, now: int, retention: Retention = SHORT) -> dict[str, int]:
        return dict(self.done(self.store.expire(now, {"main": retention})))

    def answers(self, step: int) -> list[Any]:
        """Everything that can be asked, rounded to what the order of adding leaves."""
        return plain(self.fetch(step=step, by=None, sketches=True, members=True))

    def fill(self, start: int) -> None:
        """Half an hour of every kind, from two gateways."""
        for number, gateway in enumerate(("g1", "g2")):
            rows = []
            for time in range(start, start + HOUR // 2, 10_000):
                turn = (time - start) // 10_000
                rows += [
                    counter("c", time, turn, d=turn + 1, host="a"),
                    timer("t", time, [turn + 1.0, 2.0 * turn + 1], host=gateway),
                    members("s", time, [f"{turn % 7}", gateway]),
                ]
                rows.append(gauge("g", time + 10 * number, turn, host="a"))
            self.write(gateway, parts(*rows), begin=start * RECORD)

    def test_young_parts_stay_as_they_were_written(self) -> None:
        """Nothing younger than an hour is merged."""
        self.fill(10 * HOUR)
        assert self.expire(10 * HOUR + HOUR) == {"merged": 0, "deleted": 0, "events_deleted": 0}
        assert self.statistics()["parts"] == 180 * 4 * 2

    def test_old_parts_of_one_step_become_one_row(self) -> None:
        """After an hour the gateways' parts of a series and step are merged, and say the same."""
        self.fill(10 * HOUR)
        before = self.answers(10_000)
        done = self.expire(12 * HOUR)
        # The timers are two series, the others are written by both gateways.
        assert (done["merged"], self.statistics()["parts"]) == (180 * 3, 180 * 5)
        assert self.answers(10_000) == before

    def test_a_round_can_be_repeated(self) -> None:
        """A second round finds nothing to do."""
        self.fill(10 * HOUR)
        self.expire(12 * HOUR)
        before = self.answers(10_000)
        assert self.expire(12 * HOUR) == {"merged": 0, "deleted": 0, "events_deleted": 0}
        assert self.answers(10_000) == before

    def test_every_rung_keeps_answers_right(self) -> None:
        """On its way down the ladder data answers the same at every step as coarse as it is."""
        self.fill(0)
        before = {step: self.answers(step) for step in (10_000, 60_000, 600_000, HOUR)}
        stages = [(3 * HOUR, 10_000, 900), (2 * DAY, 60_000, 150), (20 * DAY, 600_000, 15)]
        for now, finest, rows in stages:
            self.expire(now)
            assert self.statistics()["parts"] == rows
            for step, answer in before.items():
                if step >= finest:
                    assert self.answers(step) == answer

    def test_stats_survive_down_sampling(self) -> None:
        """Rates, means, percentiles, extremes and distinct counts are those of before."""
        self.fill(0)
        names = ("rate", "mean", "p50", "p95", "min", "max", "sum", "std", "distinct", "last", "count")
        before = {name: self._stat(name) for name in names}
        self.expire(20 * DAY)
        for name in names:
            np.testing.assert_allclose(self._stat(name), before[name], rtol=1e-9, err_msg=name)

    def _stat(self, name: str) -> list[np.ndarray]:
        stat = parse_stat(name)
        groups: list[Folded] = self.fetch(step=600_000, by=None, sketches=True, members=True)
        return [evaluate(stat, group, 600_000) for group in groups]

    def test_late_parts_are_merged_too(self) -> None:
        """What comes for a time already merged adds up, at once and after the next round."""
        self.fill(0)
        self.expire(2 * DAY)
        self.write("late", parts(counter("c", 70_000, 1000, host="a"), members("s", 71_000, ["late"])))
        before = self.answers(60_000)
        counted = self.numbers(ALL._replace(name="c"), 60_000)[()]
        assert counted[60_000] == 2 * sum(range(6, 12)) + 1000
        assert self.expire(2 * DAY)["merged"] == 2
        assert self.answers(60_000) == before
        self.expire(20 * DAY)
        assert self.statistics()["parts"] == 15

    def test_parts_are_deleted_past_the_last_rung(self) -> None:
        """What is older than the last rung keeps goes, and its series are not found."""
        self.write("g1", parts(counter("old", 0, 1), counter("both", 0, 1)))
        self.write("g1", parts(counter("both", 50 * DAY, 1)), begin=RECORD)
        assert self.expire(100 * DAY)["deleted"] == 0
        assert self.expire(100 * DAY + 1)["deleted"] == 2
        assert [one.series.name for one in self.done(self.store.find(ALL))] == ["both"]
        statistics = self.statistics()
        assert (statistics["series"], statistics["parts"]) == (1, 1)
        self.write("g1", parts(counter("old", 50 * DAY, 5)), begin=2 * RECORD)
        assert self.numbers(ALL._replace(name="old"), DAY) == {(): {50 * DAY: 5.0}}

    def test_a_replay_after_merging_changes_nothing(self) -> None:
        """Whether a record is applied does not depend on its rows."""
        written = self.write("g1", parts(counter("c", 0, 1), counter("c", 1000, 2)))
        self.expire(3 * HOUR)
        self.done(self.store.write(written))
        assert self.numbers() == {(): {0: 3.0}}
        assert self.statistics()["parts"] == 1

    def test_events_and_ids_are_deleted_when_old(self) -> None:
        """Events live as long as the stream says, deduplication ids a day."""
        self.write("g1", events(happened(0, eid="e", received=0), happened(DAY, eid="f", received=DAY)))
        assert self.expire(DAY + 1)["events_deleted"] == 0
        assert self.done(self.store.recent_ids(0)) == [(DAY, "main\0f")]
        assert self.expire(50 * DAY + 1)["events_deleted"] == 1
        assert self.done(self.store.count(EVENTS, ())).counts == {(): 1}

    def test_each_stream_has_its_own_retention(self) -> None:
        """A stream that is not named has the default."""
        self.write("g1", parts(counter("c", 0, 1)), parts(counter("c", 0, 1), stream="other"))
        assert self.expire(200 * DAY)["deleted"] == 1
        assert self.numbers() == {}
        assert self.numbers(Selection("other", "*"), DAY) == {(): {0: 1.0}}

    def test_forget_deletes_everything_of_a_stream(self) -> None:
        """Parts, events, ids and books of the stream go; others stay; it can begin anew."""
        for stream in ("main", "other"):
            self.write(
                stream,
                parts(counter("c", 0, 1), stream=stream, ids=((7, "p"),)),
                events(happened(5), stream=stream),
                [Tally(stream, "1970-01-01", "udp", "rejected", "bad_value", 1)],
            )
        self.done(self.store.forget("main"))
        self.done(self.store.forget("none"))
        assert self.fetch() == []
        assert self.done(self.store.find(ALL)) == []
        assert self.done(self.store.events(EVENTS)) == []
        assert self.done(self.store.tallies("main")) == []
        assert self.done(self.store.recent_ids(0)) == [(7, "other\0p")]
        assert len(self.done(self.store.tallies("other"))) == 2
        assert self.done(self.store.applied()) == {"main": 3 * RECORD, "other": 3 * RECORD}
        self.write("main", parts(counter("c", 0, 5)), begin=3 * RECORD)
        assert self.numbers() == {(): {0: 5.0}}
