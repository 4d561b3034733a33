"""A real Prometheus scrapes Metronome: its rates, sums and quantiles are what an independent count of the
traffic says."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.prometheus import RunningPrometheus, debian, newest
from tests.live.shop import RULES, labels, lines, quantile_of_buckets, total, traffic, waits

pytestmark = pytest.mark.live

SECONDS = 15


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        (debian, ""),
        # Prometheus 3 would have names with dots in them otherwise.
        (newest, "  metric_name_validation_scheme: legacy\n  metric_name_escaping_scheme: underscores\n"),
    ],
)
def test_a_scraped_gateway(tmp_path: Path, program: Callable[[], Path | None], settings: str) -> None:
    """The sums are exact, the quantiles those of the buckets, the rates those of the seconds in which
    the traffic was sent."""
    installed = program()
    require(installed, "Prometheus, from Debian and built by go")
    assert installed is not None
    (tmp_path / "metronome.toml").write_text(RULES)
    with RunningGateway(tmp_path / "var", config=str(tmp_path / "metronome.toml")) as gateway:
        place = {"metronome": (f"127.0.0.1:{gateway.port('http', 'tcp')}", gateway.token)}
        with RunningPrometheus(
            installed, tmp_path / "prometheus", scrapes=place, job_settings=settings
        ) as server:
            # From 0 on: what a counter came to before its first scrape is in no rate.
            first = "\n".join(f"shop.hits:0|c|#route:{of},code:{code}" for of in "abc" for code in (200, 500))
            chance, steps = random.Random(5), []
            with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
                connection.sendall(first.encode() + b"\n")
                assert eventually(lambda: len(server.query("shop_hits_total")), lambda n: n == 6) == 6
                began = time.time()
                for number in range(SECONDS):
                    steps.append(traffic(chance))
                    connection.sendall(lines(steps[-1]))
                    time.sleep(max(0.0, began + number + 1 - time.time()))
            took = time.time() - began
            wanted = {
                labels(code=code): float(total(steps, lambda _, of, code=code: of == code))
                for code in ("200", "500")
            }
            asked = "sum by (code) (shop_hits_total)"
            assert eventually(lambda: server.query(asked), lambda has: has == wanted) == wanted
            (rate,) = server.query("max_over_time(sum(rate(shop_hits_total[10s]))[20s:1s])").values()
            assert rate == pytest.approx(total(steps) / took, rel=0.2)
            for route in "abc":
                for q in (0.5, 0.95):
                    asked = f'histogram_quantile({q}, sum by (le) (shop_wait_ms_bucket{{route="{route}"}}))'
                    found = server.query(asked)[labels()]
                    assert found == pytest.approx(quantile_of_buckets(waits(steps, route), q))
            assert sum(server.query("shop_wait_sum").values()) == pytest.approx(sum(waits(steps)))
            assert sum(server.query("shop_wait_ms_count").values()) == len(waits(steps))
            (load,) = server.query('shop_load{host="x"}').values()
            assert load == steps[-1].loads["x"]
            assert set(server.query("resets(shop_hits_total[1m])").values()) == {0}
