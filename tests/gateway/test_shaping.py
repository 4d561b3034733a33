"""Series on the page as mapping rules want them."""

from __future__ import annotations

import math

from metronome.fold.mapping import load
from metronome.fold.rules import Book
from metronome.fold.shapes import Shapes
from metronome.model import Kind
from tests.gateway.test_shown_series import World as Series

C, G, T, S = Kind.COUNTER, Kind.GAUGE, Kind.TIMER, Kind.SET

RULES = """
mappings:
- match: h.*
  name: hist
  help: how long it takes
  observer_type: histogram
  histogram_options: {buckets: [1, 2, 5]}
- match: s.*
  name: summ
  summary_options: {quantiles: [{quantile: 0.25, error: 0.1}, {quantile: 1, error: 0}]}
- {match: t.*, name: short, ttl: 15s, help: not for long}
"""


class World(Series):
    """The series of all streams, and mapping rules."""

    def map(self, rules: str | None) -> None:
        self.series.use(Book(shapes=None if rules is None else Shapes(load(rules))))

    def send(self, *rows: tuple[str, Kind, float]) -> list[str]:
        self.keep(*((name, kind, 0, n) for name, kind, n in rows))
        self.end()
        return self.lines()

    def expire(self) -> list[str]:
        list(self.board.expire(self.now, 300.0))
        return self.lines()


def test_timers_are_what_rules_say() -> None:
    """A histogram counts what is at or below each limit; a summary has the quantiles of its rule."""
    world = World()
    world.map(RULES)
    world.send(("hist", T, 1.0), ("hist", T, 1.5), ("hist", T, 7.0), ("summ", T, 3.0), ("summ", T, 9.0))
    found = world.send(("hist", T, 2.0), ("summ", T, 4.0), ("free", T, 1.0), ("c", C, 1.0), ("g", G, 2.0))
    assert found == [
        'hist_bucket{le="1.0"} 1',
        'hist_bucket{le="2.0"} 3',
        'hist_bucket{le="5.0"} 3',
        'hist_bucket{le="+Inf"} 4',
        "hist_sum 11.5",
        "hist_count 4",
        'summ{quantile="0.25"} 4',
        'summ{quantile="1"} 4',
        "summ_sum 16",
        "summ_count 3",
        "c_total 1",
        "g 2",
        'free{quantile="0.5"} 1',
        'free{quantile="0.9"} 1',
        'free{quantile="0.95"} 1',
        'free{quantile="0.99"} 1',
        "free_sum 1",
        "free_count 1",
    ]
    page = world.page()
    assert "# HELP hist how long it takes\n# TYPE hist histogram\n" in page
    assert "# TYPE summ summary\n" in page


def test_they_leave_when_rules_say() -> None:
    """Others as usual."""
    world = World()
    world.map(RULES)
    world.send(("short", C, 1.0), ("long", C, 1.0))
    assert "# HELP short_total not for long\n" in world.page()
    assert world.expire() == ["short_total 1", "long_total 1"]
    assert world.send(("long", C, 1.0))[:1] == ["short_total 1"]
    assert world.expire() == ["long_total 2"]
    assert sorted(world.send(("short", C, 5.0))) == ["long_total 2", "short_total 5"]


def test_other_rules() -> None:
    """What was counted stays, but for buckets that are others, and for a timer that becomes something else;
    each when it is heard of again."""
    world = World()
    world.send(("hist", T, 1.0), ("summ", T, 3.0), ("short", C, 4.0), ("hits", C, 1.0))
    world.map(RULES)
    before = world.lines()
    found = world.send(("hits", C, 1.0))
    assert [line for line in found if "hits" not in line] == [line for line in before if "hits" not in line]
    found = world.send(("hist", T, 1.0), ("summ", T, 5.0), ("short", C, 1.0), ("hits", C, 1.0))
    assert "hist_count 1" in found
    assert {"summ_count 2", "summ_sum 8", 'summ{quantile="0.25"} 5', "short_total 5", "hits_total 3"} < {
        *found
    }
    world.map(RULES.replace("[1, 2, 5]", "[3]").replace("0.25", "0.5").replace("15s", "16s"))
    found = world.send(("hist", T, 1.0), ("summ", T, 6.0), ("short", C, 1.0))
    assert {'hist_bucket{le="3.0"} 1', "hist_sum 1", "hist_count 1", "summ_count 3"} < {*found}
    assert "short_total 6" in found
    world.map(RULES.replace("[1, 2, 5]", "[3]").replace("how long", "for how long"))
    found = world.send(("hist", T, 1.0), ("short", C, 1.0))
    assert {'hist_bucket{le="3.0"} 2', "hist_sum 2", "hist_count 2", "short_total 7"} < {*found}
    world.map(None)
    found = world.send(("hist", T, 1.0), ("summ", T, 6.0), ("short", C, 1.0))
    assert {'hist{quantile="0.5"} 1', "hist_count 1", "summ_count 4", "short_total 8"} < {*found}
    assert not any(line.startswith("hist_bucket") for line in found)


def test_quantiles_of_the_last_while() -> None:
    """With a max_age they are of all that came in so long, and leave step by step, heard of or not."""
    world = World()
    world.map(RULES.replace("summary_options: {", "summary_options: {max_age: 20s, age_buckets: 2, "))
    world.send(("summ", T, 1.0))
    assert 'summ{quantile="1"} 100' in world.send(("summ", T, 100.0))
    found = world.send(("c", C, 1.0))
    assert {'summ{quantile="0.25"} 1', 'summ{quantile="1"} 100'} < {*found}
    found = world.send(("c", C, 1.0))
    assert {'summ{quantile="0.25"} 100', "summ_count 2"} < {*found}
    found = world.send(("c", C, 1.0))
    assert 'summ{quantile="0.25"} NaN' in found
    assert "summ_count 2" in found
    assert 'summ{quantile="0.25"} 7' in world.send(("summ", T, 7.0))
    assert math.isclose(world.now, 160)


def test_windows_end_with_their_series() -> None:
    """Whoever has the number next begins anew."""
    world = World()
    world.map(RULES.replace("summary_options: {", "ttl: 1s\n  summary_options: {max_age: 20s, "))
    world.send(("summ", T, 1.0))
    assert world.expire() == []
    assert 'summ{quantile="0.25"} 9' in world.send(("summ", T, 9.0))
    world.map(RULES)
    assert 'summ{quantile="0.25"} 8' in world.send(("summ", T, 8.0))
    world.send(("c", C, 1.0))
    assert len(world.series._windows["main"]) == 0
