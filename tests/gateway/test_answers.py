from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from metronome.errors import ClientError
from metronome.fold.events import bounded
from metronome.gateway import answers
from metronome.limits import POINTS_PER_ANSWER, SERIES_PER_ANSWER
from metronome.model import Folded, Found, Kind, Selection, Series
from tests.gateway.kit import START_MS, Kit, counter

HOUR = 3_600_000
DAY = 24 * HOUR


class FullReader:
    """Finds one more of everything than an answer may hold."""

    def fetch(self, *_: object) -> Deferred[list[Folded]]:
        none = np.zeros(POINTS_PER_ANSWER // 2 + 1)
        times = none.astype(np.int64)
        group = Folded((), Kind.COUNTER, times, none, none, none, none, none, none, none, [], [])
        return succeed([group, group])

    def series(self, _: Selection) -> Deferred[list[Found]]:
        return succeed([Found(Series("a", (), Kind.COUNTER), 0, 0)] * (SERIES_PER_ANSWER + 1))


class FewGroups:
    """Has counts by one field each."""

    def __init__(self, counts: dict[str, Counter[tuple[str | int, ...]]]):
        self.counts = counts

    def count(self, _: object, by: tuple[str, ...]) -> Deferred[Counter[tuple[str | int, ...]]]:
        return succeed(self.counts.get(by[0], Counter()))


class AnswerTests(SynchronousTestCase):
    """The reader's findings in the contract's shape."""

    def setUp(self) -> None:
        self.kit = Kit()

    def send(self, *rows: Any) -> None:
        self.kit.wait(self.kit.intake.ticks("main", [], list(rows), (), "tick"))

    def points(self, step: int = 10_000, by: tuple[str, ...] | None = (), stat: str | None = None) -> Any:
        selection = Selection("main", "*", start=START_MS, end=START_MS + HOUR)
        return self.kit.wait(answers.points(self.kit.reader, selection, step, by, stat))

    def test_points(self) -> None:
        """Times in seconds, labels as objects, names where series are kept apart."""
        self.send(counter("a", 3, country="US"), counter("a", 4, country="UK"))
        self.assertEqual(
            self.points(),
            {
                "step": 10,
                "from": START_MS // 1000,
                "until": (START_MS + HOUR) // 1000,
                "groups": [{"v": {}, "values": [(START_MS // 1000, 7.0)]}],
            },
        )
        apart = self.points(by=None)["groups"]
        self.assertEqual(
            [(group["name"], group["v"]) for group in apart],
            [("a", {"country": "UK"}), ("a", {"country": "US"})],
        )

    def test_steps_below_a_second_have_fractions(self) -> None:
        """A step of 500 ms is 0.5, its times have halves."""
        self.send(counter("a", 3, time=START_MS + 1500))
        answer = self.points(step=500)
        self.assertEqual(
            (answer["step"], answer["groups"][0]["values"]), (0.5, [(START_MS / 1000 + 1.5, 3.0)])
        )

    def test_steps_without_a_value_are_left_out(self) -> None:
        """A counter has no percentile, and says so by having none."""
        self.send(counter("a", 3))
        self.assertEqual(self.points(stat="p95")["groups"][0]["values"], [])

    def test_a_tock_with_more_referers_than_are_counted(self) -> None:
        """What the store and the reader have summed up is in ``_other``; views without a referer are not."""
        referers = Counter({(f"site/{number}",): number for number in range(1, 6)})
        referers[("",)] = 7
        reader = FewGroups({"slot": Counter({(0,): 22}), "referer": bounded(referers, ("referer",), 3)})
        wish = answers.TockWish(zone=UTC, limit=2, other=True, fill=False)
        found = self.successResultOf(answers.tock(cast(Any, reader), "main", "a", (0, DAY), wish))
        self.assertEqual(found["referers"], {"site/5": 5, "site/4": 4, "_other": 6})
        self.assertEqual((found["views"], found["downloads"]), ({"1970-01-01": 22}, {}))

    def test_an_unknown_stat(self) -> None:
        """Is the reader's mistake."""
        with pytest.raises(ClientError, match="stat: unknown stat 'best'"):
            self.points(stat="best")

    def test_answers_that_would_be_too_large_are_refused(self) -> None:
        """Rather than cut: nobody would see that something is missing."""
        reader, selection = cast(Any, FullReader()), Selection("main", "*")
        for asked in (answers.points(reader, selection, 10_000, (), None), answers.series(reader, selection)):
            error = self.failureResultOf(asked, ClientError).value
            self.assertEqual((error.reason, error.status), ("too_expensive", 413))


@pytest.mark.parametrize(
    ("seconds", "zone", "start"),
    [
        (86400, UTC, START_MS - START_MS % DAY),
        (30 * 86400, UTC, START_MS - START_MS % DAY - 29 * DAY),
        (86400, ZoneInfo("Europe/Moscow"), START_MS - START_MS % DAY + 21 * HOUR),
        (3600, UTC, START_MS - HOUR),
        (36 * 3600, UTC, START_MS - 36 * HOUR),
        (10**15, UTC, 0),
    ],
)
def test_beginnings(seconds: int, zone: Any, start: int) -> None:
    """Whole days count the present one as the last; other lengths are as they are."""
    assert answers.beginning(START_MS, seconds, cast(Any, zone)) == start
