"""Figures of one run, kept: ``results.json`` beside this file, and how it came about."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from tests.bench.burst import Measured

FILE: Final = Path(__file__).with_name("results.json")


@dataclass
class Results:
    """All figures of a run."""

    date: str = ""
    machine: str = ""
    provisional: bool = False
    """Taken while the machine had other work."""
    figures: list[Measured] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """Parts of the run that are complete."""

    def values(self, case: str) -> dict[str, float]:
        """Peer to figure."""
        return {one.peer: one.value for one in self.figures if one.case == case}

    def one(self, case: str, peer: str) -> Measured | None:
        """The figure of a peer in a case."""
        return next((one for one in self.figures if (one.case, one.peer) == (case, peer)), None)

    def peers(self) -> dict[str, str]:
        """Peers in the order in which they were measured, with their versions."""
        return {one.peer: one.version for one in self.figures}

    def add(self, figures: Iterable[Measured]) -> Iterator[Measured]:
        """Take figures in, instead of older ones of the same case and peer."""
        for figure in figures:
            same = (figure.case, figure.peer)
            self.figures = [one for one in self.figures if (one.case, one.peer) != same]
            self.figures.append(figure)
            yield figure


def started(provisional: bool) -> Results:
    """A run of today on this machine."""
    system = f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {system}, CPython {platform.python_version()}"
    return Results(date.today().isoformat(), machine, provisional)


def load(path: Path = FILE) -> Results:
    """Read results back."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    figures = [Measured(**row) for row in kept.pop("figures")]
    return Results(figures=figures, **kept)


def save(results: Results, path: Path = FILE) -> None:
    """Keep results, digits that mean something only."""
    rows = [{name: _short(value) for name, value in one.row().items()} for one in results.figures]
    head = {"date": results.date, "machine": results.machine, "provisional": results.provisional}
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
    lines.append(f'  "done": {json.dumps(results.done)},')
    lines += ['  "figures": [', ",\n".join(f"    {json.dumps(row)}" for row in rows), "  ]"]
    path.write_text("\n".join(["{", *lines, "}", ""]), encoding="utf-8")


def _short(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return [_short(one) for one in value] if isinstance(value, list) else value
