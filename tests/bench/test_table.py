"""The page of figures says what ``results.json`` holds; no figure is a test."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import sections
from tests.bench.burst import Measured
from tests.bench.cases import ALL, MEMORY, PURE_CASES, STATSD, Goal
from tests.bench.peers.ours import NATIVE
from tests.bench.plot import Bar, Panel, Scale, drawn
from tests.bench.results import Results, load, save
from tests.bench.table import PAGE, PLOT, factor, mark, page, plot, sentence


def measured(case: str, peer: str, value: float, idle: float = 0.0) -> Measured:
    return Measured(case, peer, "1", value, [value], idle=idle)


def test_the_page_and_the_plot_are_up_to_date() -> None:
    """``python -m tests.bench.table`` has been run after the last measurement."""
    results, text = load(), PAGE.read_text(encoding="utf-8")
    assert page(text, results) == text
    assert plot(results) == PLOT.read_text(encoding="utf-8")


def test_results_come_back_as_they_were_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """With four digits."""
    results = Results("2026-01-02", "2 cores", True, [measured("single", "one", 1.23456)], ["one: bursts"])
    save(results, tmp_path / "results.json")
    assert load(tmp_path / "results.json").values("single") == {"one": 1.235}
    assert load(tmp_path / "results.json").done == ["one: bursts"]


def test_a_figure_takes_the_place_of_an_older_one() -> None:
    """A part that is measured again leaves one figure for each case and peer."""
    results = Results()
    list(results.add([measured("single", "one", 1), measured("packed", "one", 2)]))
    list(results.add([measured("single", "one", 3)]))
    assert (results.values("single"), results.values("packed")) == ({"one": 3}, {"one": 2})


@pytest.mark.parametrize(
    ("goal", "case", "wanted"),
    [
        (Goal("brubeck", 0.9), STATSD[0], 0.9),
        (Goal("", 0.5), STATSD[0], 0.5),
        (Goal("nobody", 2), STATSD[0], None),
        (None, STATSD[0], None),
        (Goal("", 40), MEMORY, 140),
    ],
)
def test_marks(goal: Goal | None, case, wanted: float | None) -> None:  # type: ignore[no-untyped-def]
    """A peer's figure times a factor, a number, or a number above what the idle server has."""
    assert mark(case, goal, measured(case.name, NATIVE, 3, idle=100), {"brubeck": 1.0}) == wanted


def test_less_memory_is_better_and_more_lines_are() -> None:
    """1 and more means reached."""
    assert factor(MEMORY, 140, 280) == 0.5
    assert factor(STATSD[0], 2, 3) == 1.5


def test_a_ratio_names_what_it_is_measured_by() -> None:
    """Ours has a note, a peer has none."""
    ours = measured("packed", NATIVE, 3.0)
    values = {"brubeck": 2.0, NATIVE: 3.0}
    assert (
        sentence(STATSD[2], ours, values) == "2.14 of must reach (brubeck x 0.7), 1.50 of aim (brubeck x 1)"
    )
    assert sentence(STATSD[2], measured("packed", "brubeck", 2.0), values) == ""


def test_every_mark_is_somebody_that_can_be_measured() -> None:
    """No goal names a peer that nobody starts."""
    known = {"", "brubeck", "bare loop", "statsite", "veneur", "navdoon", "go-carbon", "carbon-cache pickle"}
    goals = [goal for case in (*ALL, *PURE_CASES) for goal in (case.must, case.aim) if goal]
    assert {goal.peer for goal in goals} == known


@pytest.mark.parametrize(("value", "pixels"), [(0.1, 0), (1, 50), (10, 100), (10**0.5, 75)])
def test_the_scale_has_a_step_for_each_tenfold(value: float, pixels: float) -> None:
    """Equal ratios are equally far apart."""
    assert Scale([0.2, 9], 100)(value) == pytest.approx(pixels)


def test_names_cannot_break_the_plot() -> None:
    """Text is escaped."""
    assert "a &lt; b &amp; c" in drawn([Panel("a < b & c", "lines", (Bar("one", 1.0, "other"),), 2.0)])


def test_the_bench_finds_its_sections() -> None:
    """``make bench`` measures beside peers."""
    assert {"statsd", "graphite"} <= set(sections())
