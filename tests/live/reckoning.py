"""A statsd load of which every value is known: what statsd's definition gives, worked out here.

The definitions are those of statsd's documentation (``docs/metric_types.md``, ``docs/graphite.md`` and
``docs/metrics``): nothing of the gateway's own arithmetic is used.
"""

from __future__ import annotations

import math
import random
import socket
import time
from collections import defaultdict

LEAD = 0.3
"""Seconds into a period at which its samples are sent; the rest of it is margin."""


class Load:
    """Sends samples over TCP, period by period, and reckons what each period has to give."""

    def __init__(self, port: int, period: int, seed: int = 1):
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._period = period
        self._draw = random.Random(seed)
        self._counters: dict[str, float] = {}
        self._timers: dict[str, list[float]] = {}
        self._gauges: dict[str, float] = {}
        self._sets: dict[str, set[str]] = {}
        self.values: dict[int, dict[str, float]] = {}
        """Time in Graphite to path and value."""

    def close(self) -> None:
        self._connection.close()

    def next_period(self) -> None:
        """Wait for the next period, send its samples well before its end, reckon."""
        now = time.time()
        start = math.floor(now / self._period) * self._period + self._period
        time.sleep(start + LEAD - now)
        lines = self._samples(start // self._period)
        self._connection.sendall("".join(lines).encode())
        assert time.time() < start + self._period / 2, "this machine is too busy for the test"
        self.values[start + self._period] = self._reckoned()

    def _samples(self, turn: int) -> list[str]:
        """Some series get something in every period, some in every fourth only."""
        lines: list[str] = []
        self._counters.update(dict.fromkeys(self._counters, 0.0))
        self._timers.update({name: [] for name in self._timers})
        self._sets.update({name: set() for name in self._sets})
        for name in self._names("hits", turn):
            for rate in (1, 0.5, 0.25):
                number = self._draw.randrange(1000)
                lines.append(f"{name}:{number}|c" + (f"|@{rate}" if rate < 1 else "") + "\n")
                self._counters[name] = self._counters.get(name, 0.0) + number / rate
        for name in self._names("wait", turn):
            values = [self._draw.randrange(1, 5000) / 8 for _ in range(self._draw.randrange(1, 30))]
            lines += [f"{name}:{value}|ms\n" for value in values]
            self._timers[name] = values
        for name in self._names("load", turn):
            value = float(self._draw.randrange(1000))
            lines += [f"{name}:{value}|g\n", f"{name}:+3.5|g\n", f"{name}:-1|g\n"]
            self._gauges[name] = value + 2.5
        for name in self._names("who", turn):
            members = [str(self._draw.randrange(40)) for _ in range(30)]
            lines += [f"{name}:{member}|s\n" for member in members]
            self._sets[name] = set(members)
        return lines

    def _names(self, what: str, turn: int) -> list[str]:
        return [f"shop{number}.{what}" for number in range(12) if number < 8 or turn % 4 == number - 8]

    def _reckoned(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(float)
        for name, count in self._counters.items():
            found[f"stats.counters.{name}.count"] = count
            found[f"stats.counters.{name}.rate"] = count / self._period
        for name, values in self._timers.items():
            for stat, value in timer(values, self._period).items():
                found[f"stats.timers.{name}.{stat}"] = value
        for name, value in self._gauges.items():
            found[f"stats.gauges.{name}"] = value
        for name, members in self._sets.items():
            found[f"stats.sets.{name}.count"] = len(members)
        series = (self._counters, self._timers, self._gauges, self._sets)
        found["stats.statsd.numStats"] = sum(map(len, series))
        return found


def timer(values: list[float], period: int) -> dict[str, float]:
    """A timer's numbers with statsd's default of one threshold at 90 percent."""
    if not values:
        return {"count": 0, "count_ps": 0}
    values = sorted(values)
    count, middle = len(values), len(values) // 2
    mean = sum(values) / count
    within = math.floor(0.9 * count + 0.5) if count > 1 else 1
    lowest = values[:within]
    return {
        "count": count,
        "count_ps": count / period,
        "lower": values[0],
        "upper": values[-1],
        "sum": sum(values),
        "sum_squares": sum(value * value for value in values),
        "mean": mean,
        "median": values[middle] if count % 2 else (values[middle - 1] + values[middle]) / 2,
        "std": math.sqrt(sum((value - mean) ** 2 for value in values) / count),
        "count_90": within,
        "upper_90": lowest[-1],
        "sum_90": sum(lowest),
        "sum_squares_90": sum(value * value for value in lowest),
        "mean_90": sum(lowest) / within,
    }


def missing(wanted: dict[int, dict[str, float]], found: dict[str, list[tuple[int, float]]]) -> list[str]:
    """What of the wanted values is not there, or is another one."""
    there = {path: dict(points) for path, points in found.items()}
    wrong = []
    for moment, values in sorted(wanted.items()):
        for path, value in values.items():
            has = there.get(path, {}).get(moment)
            if has is None or not math.isclose(has, value, rel_tol=1e-9, abs_tol=1e-9):
                wrong.append(f"{path} at {moment}: {value} wanted, {has} found")
    return wrong
