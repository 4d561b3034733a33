"""A real Prometheus scrapes Metronome, which is stopped and killed: rates, sums and quantiles are what an
independent count of the traffic says."""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path

import pytest

from tests.live.carbon import free_ports
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian, newest
from tests.live.shop import RULES, Step, labels, lines, quantile_of_buckets, total, traffic, waits

pytestmark = pytest.mark.live

SECONDS = 12


def test_a_scraped_gateway(tmp_path: Path) -> None:
    """The sums are exact, the quantiles those of the buckets, the rates those of the seconds in which
    the traffic was sent; a restart is no reset."""
    program = debian()
    require(program, "prometheus (Debian package)")
    assert program is not None
    (tmp_path / "metronome.toml").write_text(RULES)
    (port,) = free_ports(1)
    gateway = RunningGateway(
        tmp_path / "var", config=str(tmp_path / "metronome.toml"), http=f"tcp://127.0.0.1:{port}"
    )
    with gateway:
        place = {"metronome": (f"127.0.0.1:{port}", gateway.token)}
        with RunningPrometheus(program, tmp_path / "prometheus", scrapes=place) as server:
            # From 0 on: what a counter came to before its first scrape is in no rate.
            first = "\n".join(f"shop.hits:0|c|#route:{of},code:{code}" for of in "abc" for code in (200, 500))
            send(gateway, first.encode() + b"\n")
            assert eventually(lambda: len(server.query("shop_hits_total")), lambda n: n == 6) == 6
            steps, rate = under_traffic(gateway, server)
            assert rate == pytest.approx(total(steps) / len(steps), rel=0.2)
            check(server, steps)
            chance = random.Random(7)
            for restart in (gateway.kill, gateway.stop, gateway.kill):
                steps.append(traffic(chance))
                send(gateway, lines(steps[-1]))
                time.sleep(1.5)  # a checkpoint of the open period is a second old at most
                restart()
                gateway.start()
            check(server, steps)


def test_native_histograms_and_exemplars(tmp_path: Path) -> None:
    """A Prometheus that asks for them gets them in protocol buffers: counts and sums are exact, quantiles
    within the width of a bucket, and a tick's trace stands beside the histogram that its value is in."""
    program = newest()
    require(program, "Prometheus 3, built by go")
    assert program is not None
    (tmp_path / "metronome.toml").write_text(RULES)
    asks = "  scrape_native_histograms: true\n  scrape_protocols: [PrometheusProto]\n"
    flags = ("--enable-feature=exemplar-storage",)
    with RunningGateway(tmp_path / "var", config=str(tmp_path / "metronome.toml")) as gateway:
        place = {"metronome": (f"127.0.0.1:{gateway.port('http', 'tcp')}", gateway.token)}
        server = RunningPrometheus(
            program, tmp_path / "prometheus", scrapes=place, job_settings=asks, flags=flags
        )
        with server:
            chance = random.Random(3)
            steps = [traffic(chance) for _ in range(20)]
            for step in steps:
                send(gateway, lines(step))
            counts = {route: float(len(waits(steps, route))) for route in "abc"}
            found = eventually(
                lambda: server.query("sum by (route) (histogram_count(shop_wait_ms))"),
                lambda found: found == {labels(route=route): count for route, count in counts.items()},
            )
            assert found == {labels(route=route): count for route, count in counts.items()}
            for route in "abc":
                values = sorted(waits(steps, route))
                (total_of,) = server.query(f'histogram_sum(shop_wait_ms{{route="{route}"}})').values()
                assert total_of == pytest.approx(sum(values))
                for q in (0.5, 0.95):
                    asked = f'histogram_quantile({q}, shop_wait_ms{{route="{route}"}})'
                    (quantile,) = server.query(asked).values()
                    assert quantile == pytest.approx(values[round(q * len(values)) - 1], rel=0.1)
            point = {
                "name": "shop.wait",
                "kind": "timer",
                "n": 77.5,
                "v": {"route": "a"},
                "trace_id": "cafe1",
            }
            assert gateway.request("/tick", json.dumps(point).encode())[0] == 204
            traces = eventually(
                lambda: server.ask("query_exemplars", query="shop_wait_ms", start=0, end=time.time()), bool
            )
            assert [
                (one["seriesLabels"]["route"], exemplar["labels"], float(exemplar["value"]))
                for one in traces
                for exemplar in one["exemplars"]
            ] == [("a", {"trace_id": "cafe1"}, 77.5)]


def send(gateway: RunningGateway, text: bytes) -> None:
    """Lines of statsd."""
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
        connection.sendall(text)


def under_traffic(gateway: RunningGateway, server: RunningPrometheus) -> tuple[list[Step], float]:
    """What was sent, a step a second, and the highest rate over ten of these seconds."""
    chance = random.Random(5)
    steps: list[Step] = []
    began = time.time()
    for number in range(SECONDS):
        steps.append(traffic(chance))
        send(gateway, lines(steps[-1]))
        time.sleep(max(0.0, began + number + 1 - time.time()))
    time.sleep(1)
    (rate,) = server.query("max_over_time(sum(rate(shop_hits_total[10s]))[20s:1s])").values()
    return steps, rate


def check(server: RunningPrometheus, steps: list[Step]) -> None:
    """Everything is there, and no counter has begun anew."""
    wanted = {
        labels(code=code): float(total(steps, lambda _, of, code=code: of == code)) for code in ("200", "500")
    }
    asked = "sum by (code) (shop_hits_total)"
    assert eventually(lambda: server.query(asked), lambda has: has == wanted) == wanted
    for route in "abc":
        for q in (0.5, 0.95):
            asked = f'histogram_quantile({q}, sum by (le) (shop_wait_ms_bucket{{route="{route}"}}))'
            assert server.query(asked)[labels()] == pytest.approx(quantile_of_buckets(waits(steps, route), q))
    assert sum(server.query("shop_wait_sum").values()) == pytest.approx(sum(waits(steps)))
    assert sum(server.query("shop_wait_ms_count").values()) == len(waits(steps))
    (load,) = server.query('shop_load{host="x"}').values()
    assert load == steps[-1].loads["x"]
    for counter in ("shop_hits_total", "shop_wait_ms_bucket", "shop_wait_count"):
        assert set(server.query(f"resets({counter}[5m])").values()) == {0}
