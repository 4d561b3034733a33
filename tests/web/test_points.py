from __future__ import annotations

from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from metronome.limits import STEPS_SHOWN
from metronome.web.points import default_step, kept_step
from tests.gateway.kit import START
from tests.web.kit import WebKit

NOW = int(START)
HOUR = 3600


class PointsTests(SynchronousTestCase):
    """GET /streams/:id/points."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)

    def send(self, *items: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {self.kit.token}"}
        self.assertEqual(self.kit.post("/tick", items, headers).json["rejected"], [])

    def ask(self, query: str) -> Any:
        reply = self.kit.get(f"/streams/main/points?{query}")
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def refused(self, query: str, words: str, status: int = 400) -> None:
        reply = self.kit.get(f"/streams/main/points?{query}")
        self.assertEqual(reply.status, status, reply.body)
        self.assertIn(words, reply.json["detail"])

    def test_counters_add_up_in_steps_and_groups(self) -> None:
        """Folded over labels that are not asked for, apart by those that are."""
        for time, country, n in ((NOW - 60, "US", 3), (NOW - 55, "UK", 4), (NOW - 50, "US", 5)):
            self.send({"name": "sold", "n": n, "ts": time, "v": {"country": country, "shop": "x"}})
        whole = self.ask(f"name=sold&from={NOW - 60}&until={NOW}&step=60")
        # 20 s past a full minute: the asked for minute lies in two steps of 60 s.
        self.assertEqual((whole["step"], whole["from"], whole["until"]), (60, NOW - 80, NOW + 40))
        self.assertEqual(whole["groups"], [{"v": {}, "values": [[NOW - 80, 12.0]]}])
        by = self.ask(f"name=sold&from={NOW - 60}&until={NOW}&step=10&by=country,missing")
        self.assertEqual(
            by["groups"],
            [
                {"v": {"country": "UK", "missing": ""}, "values": [[NOW - 60, 4.0]]},
                {"v": {"country": "US", "missing": ""}, "values": [[NOW - 60, 3.0], [NOW - 50, 5.0]]},
            ],
        )
        apart = self.ask("name=so*&by=*&where=country:U[SK]&where=shop:x&stat=rate&step=10")
        self.assertEqual(
            [(group["name"], group["v"]["country"], group["values"][0][1]) for group in apart["groups"]],
            [("sold", "UK", 0.4), ("sold", "US", 0.3)],
        )

    def test_stats_of_a_timer(self) -> None:
        """Mean by default, percentiles within 1 %, deviation exact."""
        self.send(*({"name": "took", "kind": "timer", "n": n} for n in range(1, 101)))
        wanted = {"": 50.5, "&stat=count": 100, "&stat=max": 100, "&stat=std": 28.866, "&stat=p95": 95}
        for stat, expected in wanted.items():
            ((_, value),) = self.ask(f"name=took{stat}")["groups"][0]["values"]
            self.assertEqual(value, pytest.approx(expected, rel=0.01), stat)

    def test_gauges_and_sets(self) -> None:
        """The latest value; how many distinct members."""
        self.send({"name": "depth", "kind": "gauge", "n": 7}, {"name": "depth", "kind": "gauge", "n": 9})
        self.assertEqual(self.ask("name=depth")["groups"][0]["values"], [[NOW, 9.0]])
        self.send(*({"name": "users", "kind": "set", "n": name} for name in ("ann", "bob", "ann")))
        self.assertEqual(self.ask("name=users")["groups"][0]["values"], [[NOW, 2.0]])

    def test_the_last_hour_in_steps_of_ten_or_more_seconds(self) -> None:
        """The defaults: whole steps around the last hour."""
        answer = self.ask("name=x")
        self.assertEqual((answer["step"], answer["groups"]), (20, []))
        self.assertEqual((answer["from"], answer["until"]), (NOW - HOUR, NOW + 20))

    def test_times_are_understood_as_everywhere(self) -> None:
        """Epoch seconds, RFC 3339 and Graphite's; a zone for those that name none."""
        for start, until in (
            (str(NOW - HOUR), str(NOW)),
            ("2023-11-14T21:13:20Z", "2023-11-14T22:13:20Z"),
            ("-1h", "now"),
            ("2023-11-14T22:13:20&tz=Europe/Berlin", "2023-11-14T23:13:20"),
        ):
            answer = self.ask(f"name=x&step=10s&from={start}&until={until}")
            self.assertIn(answer["until"], (NOW, NOW + 10))
            self.assertEqual(answer["from"], NOW - HOUR)

    def test_what_cannot_be_answered_says_why(self) -> None:
        """Each with the parameter at fault."""
        self.refused("", "name is missing")
        self.refused("name=x&from=lunch", "from: 'lunch' is not a time")
        self.refused("name=x&from=now&until=-1h", "before until")
        self.refused("name=x&step=0", "step")
        self.refused("name=x&step=soon", "length of time")
        self.refused("name=x&stat=best", "stat: unknown stat 'best'")
        self.refused("name=x&where=country", "label:glob")
        self.refused("name=x&where=a:1&where=a:2", "twice")
        self.refused("name=x&kind=rate", "kind must be one of counter")
        self.refused("name=x&tz=Mars/Base", "time zone")
        self.refused("name=x&tz=../../etc/passwd", "time zone")
        self.refused("name=%FF", "not UTF-8")
        self.refused("name=x&from=0&step=1", "larger step", 413)

    def test_what_waits_and_what_is_stored_are_one_answer(self) -> None:
        """Before and after the store has it."""
        self.send({"name": "sold", "n": 3})
        before = self.ask("name=sold")
        self.kit.consumer.start()
        self.kit.settle()
        self.send({"name": "sold", "n": 4})
        self.assertEqual(before["groups"][0]["values"], [[NOW, 3.0]])
        self.assertEqual(self.ask("name=sold")["groups"][0]["values"], [[NOW, 7.0]])


@pytest.mark.parametrize(
    ("seconds", "step"),
    [
        (1, 10),
        (3000, 10),
        (3001, 20),
        (HOUR, 20),
        (6 * HOUR, 120),
        (24 * HOUR, 300),
        (7 * 86400, 3600),
        (300 * 86400, 86400),
        (3000 * 86400, 10 * 86400),
    ],
)
def test_default_steps(seconds: int, step: int) -> None:
    """Few enough to be seen, and multiples of ten seconds that people read."""
    found = default_step(seconds * 1000)
    assert found == step * 1000
    assert seconds * 1000 <= found * STEPS_SHOWN


@pytest.mark.parametrize(
    ("step", "resolution", "kept"),
    [(1000, 0, 1000), (10_000, 10_000, 10_000), (1000, 10_000, 10_000), (90_000, 60_000, 120_000)],
)
def test_a_step_is_never_finer_than_what_is_kept_apart(step: int, resolution: int, kept: int) -> None:
    """Old parts are merged into coarser steps: an answer's step is a multiple of those."""
    assert kept_step(step, resolution) == kept
