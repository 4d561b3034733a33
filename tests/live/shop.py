"""The traffic of a shop that pretends, and an independent count of it."""

from __future__ import annotations

import bisect
import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

LIMITS = [5, 10, 25, 50, 100, 250, 500, 1000]
RULES = f"""
rules = ["prometheus"]

[[rollup]]
match = "shop.wait"
by = ["route"]
prometheus = "shop_wait_ms"
buckets = {LIMITS}
native = true

[[rollup]]
match = "shop.load"
prometheus = "shop_load_most"
over = "max"
every = 60
"""
"""What is made of it, beside every series as it is."""


class Step(NamedTuple):
    """What was sent in one period."""

    hits: Counter[tuple[str, str]]
    """By route and code."""
    waits: dict[str, list[float]]
    """By route."""
    loads: dict[str, float]
    """By host."""


def traffic(chance: random.Random) -> Step:
    """Some requests, their times, and how busy two hosts are."""
    hits: Counter[tuple[str, str]] = Counter()
    waits: dict[str, list[float]] = {}
    for route in ("a", "b", "c"):
        for code, share in (("200", 0.9), ("500", 0.1)):
            hits[route, code] = sum(chance.random() < share for _ in range(30)) + (route == "a")
        waits[route] = [round(chance.expovariate(1 / 60), 3) for _ in range(20)]
    loads = {host: float(chance.randrange(100)) for host in ("x", "y")}
    return Step(hits, waits, loads)


def lines(step: Step) -> bytes:
    """As statsd's clients send it."""
    found = [f"shop.hits:{n}|c|#route:{route},code:{code}" for (route, code), n in step.hits.items()]
    found += [f"shop.wait:{ms}|ms|#route:{route}" for route, all_of in step.waits.items() for ms in all_of]
    found += [f"shop.load:{load}|g|#host:{host}" for host, load in step.loads.items()]
    return "\n".join(found).encode() + b"\n"


def total(steps: list[Step], keep: Callable[[str, str], bool] = lambda route, code: True) -> int:
    """Requests of some routes and codes."""
    return sum(n for step in steps for (route, code), n in step.hits.items() if keep(route, code))


def quantile_of_buckets(values: list[float], q: float) -> float:
    """The quantile of a histogram, as the documentation of ``histogram_quantile`` defines it."""
    limits = [float(limit) for limit in LIMITS]
    counts = [0] * (len(limits) + 1)
    for value in values:
        counts[bisect.bisect_left(limits, value)] += 1
    rank, below = q * len(values), 0
    for place, count in enumerate(counts[:-1]):
        if below + count >= rank:
            begin = limits[place - 1] if place else 0.0
            return begin + (limits[place] - begin) * (rank - below) / count
        below += count
    return limits[-1]


def labels(**pairs: str) -> frozenset[tuple[str, str]]:
    """As Prometheus answers."""
    return frozenset(pairs.items())


def waits(steps: list[Step], route: str = "") -> list[float]:
    """All times of requests, of one route or of all."""
    return [ms for step in steps for of, found in step.waits.items() if route in ("", of) for ms in found]
