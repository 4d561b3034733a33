"""``python -m tests.bench.table`` writes ``doc/performance.md``'s tables and plot from ``results.json``.

Only what stands between the marks ``<!-- figures: NAME -->`` and ``<!-- end of figures -->`` is
written anew; the rest of the page is by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench.burst import Measured
from tests.bench.cases import ALL, GRAPHITE, MEMORY, NAMES_CASE, PURE_CASES, RATES, STATSD, Case, Goal
from tests.bench.peers.ours import NATIVE, PURE
from tests.bench.plot import Bar, Panel, drawn
from tests.bench.results import Results, load

PAGE: Final = Path(__file__).parents[2] / "doc" / "performance.md"
PLOT: Final = PAGE.with_suffix(".svg")
MARKED: Final = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
OURS: Final = (NATIVE, PURE)
PLOTTED: Final = (*STATSD, NAMES_CASE, GRAPHITE[0])


def number(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def mark(case: Case, goal: Goal | None, ours: Measured, values: Mapping[str, float]) -> float | None:
    """The number that a goal asks for."""
    reached = goal.reached(dict(values)) if goal else None
    return ours.idle + reached if reached is not None and case.least and goal and not goal.peer else reached


def factor(case: Case, wanted: float, got: float) -> float:
    """How far a goal is reached: 1 and more is."""
    if not wanted or not got:
        return 0.0
    return wanted / got if case.least else got / wanted


def sentence(case: Case, one: Measured, values: Mapping[str, float]) -> str:
    """What there is to say of a figure beside the others of its run."""
    if one.peer not in OURS:
        return ""
    told = []
    for case_of in (case, *(pure for pure in PURE_CASES if pure.name == case.name)):
        if case_of.of != one.peer:
            continue
        for what, goal in (("must reach", case_of.must), ("aim", case_of.aim)):
            wanted = mark(case_of, goal, one, values)
            if goal and wanted:
                meant = f"idle + {goal}" if case_of.least else str(goal)
                told.append(f"{factor(case_of, wanted, one.value):.2f} of {what} ({meant})")
    return ", ".join(told)


def _goal_cell(case: Case, goal: Goal | None, results: Results) -> str:
    ours = results.one(case.name, case.of)
    if goal is None:
        return "–"
    text = f"idle + {goal}" if case.least else str(goal)
    wanted = mark(case, goal, ours, results.values(case.name)) if ours else None
    return f"{text} = {number(wanted)}" if wanted is not None and (goal.peer or case.least) else text


def _verdict(case: Case, results: Results) -> str:
    ours = results.one(case.name, case.of)
    if ours is None:
        return "–"
    values = results.values(case.name)
    wanted, aimed = (mark(case, goal, ours, values) for goal in (case.must, case.aim))
    told = [factor(case, one, ours.value) for one in (wanted, aimed) if one is not None]
    return " / ".join(f"**{one:.2f}**" if one >= 1 else f"{one:.2f}" for one in told) or "–"


def _rows(cases: Sequence[Case], results: Results) -> str:
    """A Markdown table: a line for each case, a column for each peer that was measured in one."""
    known = results.peers()
    shown = [peer for peer in known if any(peer in results.values(case.name) for case in cases)]
    others = [peer for peer in shown if not peer.startswith(NATIVE)]
    peers = [*others, *(peer for peer in OURS if peer in shown)]
    lines = [["case", "unit", *peers, "must reach", "aim", "ours ÷ must / aim"]]
    lines.append(["---" for _ in lines[0]])
    for case in cases:
        values = results.values(case.name)
        cells = [number(values.get(peer)) for peer in peers]
        goals = [_goal_cell(case, case.must, results), _goal_cell(case, case.aim, results)]
        lines.append([case.title, case.unit, *cells, *goals, _verdict(case, results)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _statsd(results: Results) -> str:
    return _rows((*STATSD, NAMES_CASE, *RATES, MEMORY), results)


def _graphite(results: Results) -> str:
    return _rows(GRAPHITE, results)


def _pure(results: Results) -> str:
    lines = ["| case | navdoon | pure twin | ratio |\n| --- | --- | --- | --- |\n"]
    for case in PURE_CASES:
        values = results.values(case.name)
        cells = [number(values.get(peer)) for peer in ("navdoon", PURE)]
        lines.append(f"| {case.title} | {cells[0]} | {cells[1]} | {_verdict(case, results)} |\n")
    return "".join(lines)


def _settings(results: Results) -> str:
    """Ours with many names in other settings."""
    lines = ["| setting | M lines per CPU s | memory, MB | idle, MB |\n| --- | --- | --- | --- |\n"]
    for peer in results.peers():
        speed, memory = results.one(NAMES_CASE.name, peer), results.one(MEMORY.name, peer)
        if peer.startswith(NATIVE) and speed and memory:
            lines.append(
                f"| {peer} | {number(speed.value)} | {number(memory.value)} | {number(memory.idle)} |\n"
            )
    return "".join(lines)


def _run(results: Results) -> str:
    versions = [f"{peer} {version}" for peer, version in results.peers().items() if version]
    versions = sorted({one for one in versions if not one.startswith((f"{NATIVE},", "carbon-cache pickle"))})
    worst = max(results.figures, key=lambda one: one.others, default=None)
    text = f"Measured on {results.date}: {results.machine}. {', '.join(versions)}.\n"
    if results.provisional:
        text += "\n**Provisional**: other programs worked on the machine meanwhile"
        text += f" (up to {worst.others:.0%} of the server's core).\n" if worst else ".\n"
    doubtful = [one for one in results.figures if one.counted is not None and one.counted < 0.99]
    for one in doubtful:
        text += f"\n{one.peer} ({one.case}) has counted {one.counted:.0%} of what it has read;"
        text += " its figure is lowered by that.\n"
    return text


def _missed(results: Results) -> str:
    """Cases in which we do not reach what we must."""
    lines = []
    for case in (*ALL, *PURE_CASES):
        ours = results.one(case.name, case.of)
        wanted = mark(case, case.must, ours, results.values(case.name)) if ours else None
        if ours and wanted is not None and factor(case, wanted, ours.value) < 1:
            lines.append(f"- {case.title}: {number(ours.value)} {case.unit}, must reach {number(wanted)}\n")
    return "".join(lines) or "Every mark is reached.\n"


TABLES: Final[dict[str, Callable[[Results], str]]] = {
    "run": _run,
    "statsd": _statsd,
    "graphite": _graphite,
    "pure": _pure,
    "settings": _settings,
    "missed": _missed,
}


def page(text: str, results: Results) -> str:
    """The page with its figures written anew."""
    return MARKED.sub(lambda found: found[1] + "\n" + TABLES[found[2]](results) + "\n" + found[3], text)


def plot(results: Results) -> str:
    """The picture: a panel for each case, a bar for each peer."""
    panels = []
    for case in PLOTTED:
        values = results.values(case.name)
        bars = [
            Bar(peer, value, "ours" if peer == NATIVE else "pure" if peer == PURE else "other")
            for peer, value in sorted(values.items(), key=lambda item: item[1])
            if not peer.startswith(f"{NATIVE}, nothing")
        ]
        ours = results.one(case.name, NATIVE)
        must = mark(case, case.must, ours, values) if ours else None
        panels.append(Panel(case.title, case.unit, tuple(bar for bar in bars if bar.value > 0), must))
    return drawn(panels)


def main() -> None:
    results = load()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    PLOT.write_text(plot(results), encoding="utf-8")


if __name__ == "__main__":
    main()
