"""Real Prometheus servers receive an hour of traffic by remote write, and Metronome is stopped and
killed: what they answer is what an independent count of the traffic says."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metronome.journal.disk import FolderDisk
from metronome.kernel.interface import Dialect
from tests.gateway.kit import PERIOD, Kit
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian, newest
from tests.live.shop import RULES, Step, labels, lines, quantile_of_buckets, total, traffic, waits

pytestmark = pytest.mark.live

SERVERS: dict[str, Callable[[], Path | None]] = {"debian": debian, "newest": newest}
VERSIONS = [("debian", 1), ("newest", 2)]
"""Server, and the protocol that it is asked by."""

HOUR = 3600


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
            values = waits(steps, route)
            assert server.query(asked, end)[labels()] == pytest.approx(
                quantile_of_buckets(values, q), rel=1e-3
            )
    values = waits(steps)
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
    for asked in ("resets(shop_hits_total[2h])", "resets(shop_wait_ms_count[2h])"):
        assert set(server.query(asked).values()) == {0}


def check_native_histograms(server: RunningPrometheus, end: int, steps: list[Step]) -> None:
    """Their counts and sums are exact, their quantiles within the width of a bucket."""
    assert server.query("sum(histogram_count(shop_wait_ms))", end)[labels()] == len(waits(steps))
    assert server.query("sum(histogram_sum(shop_wait_ms))", end)[labels()] == pytest.approx(sum(waits(steps)))
    for route in ("a", "b", "c"):
        values = sorted(waits(steps, route))
        asked = f'histogram_quantile(0.95, increase(shop_wait_ms{{route="{route}"}}[1h]))'
        (found,) = server.query(asked, end).values()
        assert found == pytest.approx(values[round(0.95 * len(values))], rel=0.09)
    assert set(server.query("resets(shop_wait_ms[2h])").values()) == {0}


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
        if version == 2:
            check_native_histograms(server, end, steps)
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
        values = waits(steps)
        assert sum(server.query("shop_wait_ms_count").values()) == len(values)
        assert set(server.query("resets(shop_hits_total[2h])").values()) == {0}
        assert set(server.query("resets(shop_wait_ms_bucket[2h])").values()) == {0}
        if version == 2:
            assert server.query("sum(histogram_count(shop_wait_ms))")[labels()] == len(waits(steps))
            assert set(server.query("resets(shop_wait_ms[2h])").values()) == {0}
        page = gateway.request("/metrics")[2].decode()
        assert f'metronome_remote_write_version{{destination="{name}"}} {version}\n' in page
        assert "metronome_remote_write_rejected_total{" not in page
        assert "metronome_remote_write_unwritten_total{" not in page
        (info,) = server.query('metronome_info{job="metronome"}')
        assert dict(info)["instance"] == socket.gethostname()
        assert len(server.query("metronome_consumer_lag_bytes")) > 1
        assert set(server.query("resets(metronome_start_time_seconds[2h])").values()) == {0}
        gateway.stop()
        assert server.query("shop_hits_total") == {}
        assert server.query("metronome_info") == {}
