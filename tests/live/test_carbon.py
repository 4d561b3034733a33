"""A real carbon-cache is fed by ``--graphite-out``; what its whisper files hold is exact."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.live.carbon import RunningCarbon, environment
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def python() -> Path:
    """The environment with carbon and whisper."""
    found = environment()
    require(found, "carbon and whisper from PyPI")
    assert found is not None
    return found


def send(gateway: RunningGateway, text: str) -> None:
    """Lines of statsd over TCP, so that none is lost before the gateway."""
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
        connection.sendall(text.encode())


@pytest.mark.parametrize("transport", ["tcp", "pickle"])
def test_totals(python: Path, tmp_path: Path, transport: str) -> None:
    """Counters, timers, gauges, sets and Graphite points arrive with statsd's names and numbers."""
    with RunningCarbon(python, tmp_path / "carbon") as carbon:
        port = carbon.line_port if transport == "tcp" else carbon.pickle_port
        with RunningGateway(tmp_path / "data", graphite_out=f"{transport}://127.0.0.1:{port}") as gateway:
            for number in range(50):
                send(
                    gateway,
                    f"shop.hits:{number}|c\nshop.wait:{number}|ms\n"
                    f"shop.who:u{number}|s\nshop.load:{number}|g\n",
                )
                time.sleep(0.05)
            moment = int(time.time()) - 100
            with socket.create_connection(("127.0.0.1", gateway.port("graphite", "tcp"))) as connection:
                connection.sendall(b"servers.web1.cpu 12.5 %d\n" % moment)
            hits = eventually(
                lambda: carbon.total("stats.counters.shop.hits.count"), lambda total: total >= 1225
            )
            assert hits == 1225
            assert carbon.total("stats.timers.shop.wait.sum") == 1225
            assert carbon.total("stats.timers.shop.wait.count") == 50
            assert carbon.total("stats.sets.shop.who.count") == 50
            assert carbon.values()["stats.gauges.shop.load"][-1][1] == 49
            cpu = eventually(lambda: carbon.values().get("servers.web1.cpu"), bool)
            assert cpu == [(moment, 12.5)]


def test_an_outage_loses_nothing(python: Path, tmp_path: Path) -> None:
    """carbon is killed and comes back, the gateway is killed and comes back: totals are exact."""
    with RunningCarbon(python, tmp_path / "carbon") as carbon:
        address = f"tcp://127.0.0.1:{carbon.line_port}"
        with RunningGateway(tmp_path / "data", graphite_out=address) as gateway:
            sent = 0
            for phase in range(6):
                for number in range(20):
                    send(gateway, f"shop.hits:{number}|c\n")
                    sent += number
                    time.sleep(0.1)
                if phase in (0, 3):
                    carbon.kill()
                if phase == 1:
                    time.sleep(2)
                    gateway.kill()
                    gateway.start()
                if phase in (2, 4):
                    carbon.start()
            total = eventually(
                lambda: carbon.total("stats.counters.shop.hits.count"), lambda total: total >= sent, 60
            )
            assert total == sent
