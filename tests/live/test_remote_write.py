"""Real Prometheus servers receive an hour of traffic by remote write, and Metronome is stopped and
killed: what they answer is what an independent count of the traffic says."""

from __future__ import annotations

import bisect
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from metronome.journal.disk import FolderDisk
from metronome.kernel.interface import Dialect
from tests.gateway.kit import PERIOD, Kit
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian, newest

pytestmark = pytest.mark.live

SERVERS: dict[str, Callable[[], Path | None]] = {"debian": debian, "newest": newest}
VERSIONS = [("debian", 1), ("newest", 2)]
"""Server, and the protocol that it is asked by."""

LIMITS = [5, 10, 25, 50, 100, 250, 500, 1000]
RULES = f"""
rules = ["prometheus"]

[[rollup]]
match = "shop.wait"
by = ["route"]
prometheus = "shop_wait_ms"
buckets = {LIMITS}

[[rollup]]
match = "shop.load"
prometheus = "shop_load_most"
over = "max"
every = 60
"""
HOUR = 3600


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


def an_hour_ago(data_dir: Path, consumer: str) -> tuple[int, list[Step]]:
    """A gateway's folder as it is when the receiver was away for the last hour; when that ended, and
    what was sent in it."""
    end = int(time.time() // PERIOD * PERIOD)
    (data_dir / "journal").mkdir(parents=True)
    kit = Kit(FolderDisk(data_dir / "journal"), now=float(end - HOUR))
    kit.journal.cursor(consumer)
    inlet = kit.intake.inlet("statsd", "main", Dialect())
    kit.flusher.start()
    chance = random.Random(7)
    steps = []
    for number in range(round(HOUR / PERIOD)):
        steps.append(traffic(chance))
        inlet.statsd(lines(steps[-1]))
        kit.clock.advance(end - HOUR + (number + 1) * PERIOD - kit.clock.seconds())
        kit.settle()
    kit.wait(kit.journal.stop())
    return end, steps


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


def check_the_hour(server: RunningPrometheus, end: int, steps: list[Step]) -> None:
    """Sums by label at many times, rates, increases and quantiles."""
    for past in (0, 10, 600, 1810, 3580):
        until = steps[: len(steps) - past // 10]
        found = server.query("sum by (code) (shop_hits_total)", end - past)
        assert found == {
            labels(code=code): total(until, lambda _, of, code=code: of == code) for code in ("200", "500")
        }
        minutes = until[-30:]
        if past + 300 < HOUR:
            exact = "sum by (route) (shop_hits_total - shop_hits_total offset 5m) / 300"
            rates = {
                labels(route=route): total(minutes, lambda of, _, route=route: of == route) / 300
                for route in ("a", "b", "c")
            }
            assert server.query(exact, end - past) == pytest.approx(rates)
            found = server.query("sum by (route) (rate(shop_hits_total[5m]))", end - past)
            assert found == pytest.approx(rates, rel=0.05)
    found = server.query("sum(increase(shop_hits_total[1h]))", end)
    assert found[labels()] == pytest.approx(total(steps), rel=1e-3)
    for q in (0.5, 0.95):
        for route in ("a", "b", "c"):
            asked = (
                f'histogram_quantile({q}, sum by (le) (increase(shop_wait_ms_bucket{{route="{route}"}}[1h])))'
            )
            values = [ms for step in steps for ms in step.waits[route]]
            assert server.query(asked, end)[labels()] == pytest.approx(
                quantile_of_buckets(values, q), rel=1e-3
            )
    values = [ms for step in steps for all_of in step.waits.values() for ms in all_of]
    assert sum(server.query("shop_wait_ms_sum", end).values()) == pytest.approx(sum(values))
    assert sum(server.query("shop_wait_count", end).values()) == len(values)
    assert server.query("shop_load", end) == {
        labels(__name__="shop_load", host=host): load for host, load in steps[-1].loads.items()
    }
    minute = end // 60 * 60
    if minute > end - HOUR + 120:
        periods = steps[len(steps) - (end - minute) // 10 - 6 : len(steps) - (end - minute) // 10]
        # The latest of each host, as rules define gauges, and the larger of them.
        assert server.query("shop_load_most", minute)[labels(__name__="shop_load_most")] == max(
            periods[-1].loads.values()
        )
    for values in (
        server.query("resets(shop_hits_total[2h])"),
        server.query("resets(shop_wait_ms_count[2h])"),
    ):
        assert values
        assert set(values.values()) == {0}


@pytest.mark.parametrize(("program", "version"), VERSIONS)
def test_an_hour_of_traffic_and_restarts(tmp_path: Path, program: str, version: int) -> None:
    """A Prometheus that was away for an hour gets it, each flush with its time; then Metronome is
    stopped and killed under traffic, and nothing is lost, counted twice or looks like a restart."""
    found = SERVERS[program]()
    require(found, "prometheus (Debian package)" if program == "debian" else "Prometheus 3 (built by go)")
    assert found is not None
    server = RunningPrometheus(found, tmp_path / "prometheus")
    name = f"127.0.0.1:{server.port}/api/v1/write"
    end, steps = an_hour_ago(tmp_path / "var", f"remote-write:{name}")
    (tmp_path / "metronome.toml").write_text(RULES)
    gateway = RunningGateway(
        tmp_path / "var",
        config=str(tmp_path / "metronome.toml"),
        remote_write=f"{server.write_url}#version={version}",
    )
    with server, gateway:
        wanted = {labels(): float(total(steps))}
        has = eventually(lambda: server.query("sum(shop_hits_total)", end), lambda has: has == wanted, 60)
        assert has == wanted, gateway.log[-2000:]
        check_the_hour(server, end, steps)
        chance = random.Random(11)
        for restart in (gateway.kill, gateway.stop, gateway.kill):
            for _ in range(2):
                steps.append(traffic(chance))
                with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
                    connection.sendall(lines(steps[-1]))
                time.sleep(1.3)  # a checkpoint of the open period is a second old at most
            restart()
            gateway.start()
        wanted = {labels(): float(total(steps))}
        assert eventually(lambda: server.query("sum(shop_hits_total)"), lambda has: has == wanted) == wanted
        values = [ms for step in steps for all_of in step.waits.values() for ms in all_of]
        assert sum(server.query("shop_wait_ms_count").values()) == len(values)
        assert set(server.query("resets(shop_hits_total[2h])").values()) == {0}
        assert set(server.query("resets(shop_wait_ms_bucket[2h])").values()) == {0}
        page = gateway.request("/metrics")[2].decode()
        assert f'metronome_remote_write_version{{destination="{name}"}} {version}\n' in page
        assert "metronome_remote_write_rejected_total{" not in page
        assert "metronome_remote_write_unwritten_total{" not in page
        gateway.stop()
        assert server.query("shop_hits_total") == {}
