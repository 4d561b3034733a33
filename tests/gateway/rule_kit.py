"""Rules from their text, and what rollups give out, in readable form."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from metronome.fold import rule_tables
from metronome.fold.rules import Book, Rule
from metronome.gateway.shelf import Ended

PERIOD = 10.0


def rules(toml: str, period: float = PERIOD) -> tuple[Rule, ...]:
    """The ``[[rollup]]`` tables of a file."""
    return rule_tables.read(tomllib.loads(toml).get("rollup", []), period)


def book(toml: str, *sets: str) -> Book:
    """Rules and default sets."""
    return Book(rules(toml), sets)


def plain(ended: Ended | None) -> Iterable[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Each group with its period, and its values."""
    if ended is None:
        return
    folded = ended.values.folded
    for index, group in enumerate(ended.groups):
        bins, counts = folded.sketches[index] if folded.sketches else ((), ())
        yield (
            (ended.slot.rule.match, ended.start, group.header),
            {
                **{
                    name: float(getattr(folded, name)[index])
                    for name in ("n", "d", "counts", "low", "high", "squares")
                },
                "over": float(ended.values.over[index]) if len(ended.values.over) else None,
                "sketch": dict(zip(map(int, bins), map(float, counts), strict=True)),
            },
        )
