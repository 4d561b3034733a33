"""A proxy between gateways and a real server refuses, cuts off, delays and lies: nothing is lost, nothing
doubled, and nobody's answer is wrong meanwhile."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.live.carbon import free_ports
from tests.live.cluster_load import Fleet, Sender, Sums, metrics
from tests.live.conftest import require
from tests.live.faulty import FAULTS, FaultyProxy
from tests.live.gateway import RunningGateway, eventually
from tests.live.search_servers import ELASTICSEARCH, OPENSEARCH, RunningServer, built

pytestmark = pytest.mark.live

SECONDS = 15
SHARE = 0.3
"""Of all requests has a fault."""


@pytest.fixture(scope="module", params=[ELASTICSEARCH, OPENSEARCH], ids=lambda kind: kind.name)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A node for all cases of this file; each has indices of its own."""
    kind = request.param
    build = built(kind)
    require(build, f"{kind.name}: Maven and a JDK")
    assert build is not None
    (port,) = free_ports(1)
    with RunningServer(kind, build, tmp_path_factory.mktemp(kind.name), port) as running:
        yield running


def through(server: RunningServer, proxy: FaultyProxy, prefix: str, rest: str = "") -> str:
    """The store's URL by way of a proxy."""
    return f"{server.kind.scheme}://127.0.0.1:{proxy.port}?prefix={prefix}{rest}"


def test_every_fault_at_once(server: RunningServer, tmp_path: Path) -> None:
    """A third of all requests fail in one way or another while two gateways write."""
    sums = Sums()
    with FaultyProxy(server.port) as proxy, Fleet(tmp_path, through(server, proxy, "all"), 2) as fleet:
        proxy.draw(SHARE, seed=7)
        senders = [Sender(gateway, f"f{index}", sums) for index, gateway in enumerate(fleet.gateways)]
        for sender in senders:
            sender.start()
        time.sleep(SECONDS)
        eventually(lambda: proxy.done, lambda done: len(done) == len(FAULTS), 60)
        for sender in senders:
            sender.end()
        assert sum(sender.repeats for sender in senders) == 0, "the journal takes what the store cannot"
        proxy.mend()
        fleet.drain()
        fleet.check(sums)
        assert sorted(proxy.done) == sorted(FAULTS)
        for gateway in fleet.gateways:
            assert gateway.stop() == 0


def half_of_bulks(lot: random.Random, fault: str, method: str, path: str) -> str:
    """A fault for about every other of them."""
    return fault if "_bulk" in path and lot.random() < 0.5 else ""


def test_each_fault_of_writing_for_itself(server: RunningServer, tmp_path: Path) -> None:
    """About every other bulk request fails, in one way after the other."""
    sums = Sums()
    lot = random.Random(5)
    with FaultyProxy(server.port) as proxy, Fleet(tmp_path, through(server, proxy, "one"), 1) as fleet:
        sender = Sender(fleet.gateways[0], "one", sums)
        sender.start()
        for fault in ("half", "cut after", "cut answer", "429", "late"):
            proxy.decide = partial(half_of_bulks, lot, fault)
            often = eventually(partial(proxy.done.__getitem__, fault), lambda number: number >= 3, 60)
            assert often >= 3, fault
        sender.end()
        proxy.mend()
        fleet.drain()
        fleet.check(sums)


def test_what_a_reader_is_told_is_right_or_nothing(server: RunningServer, tmp_path: Path) -> None:
    """While questions fail there is 503 or the whole answer, never part of one."""
    with FaultyProxy(server.port) as proxy, Fleet(tmp_path, through(server, proxy, "reads"), 1) as fleet:
        (gateway,) = fleet.gateways
        sums = Sums()
        sender = Sender(gateway, "r", sums)
        sender.start()
        time.sleep(2)
        sender.end()
        fleet.drain()
        proxy.draw(0.5, seed=3)
        statuses = set()
        expected = sum(value for name, value in sums.n.items() if name.startswith("load.hits"))
        for _ in range(40):
            query = {"name": "load.hits", "stat": "n", "from": "-2d", "step": 86_400 * 3650}
            status, _, body = gateway.request("/streams/main/points", **query)
            statuses.add(status)
            if status == 200:
                assert str(expected) in body.decode(), body
            else:
                assert status == 503, body
        assert 503 in statuses
        proxy.mend()
        fleet.check(sums)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(paths[0]), "-keyout", str(paths[1])),
        ],
        check=True,
        capture_output=True,
    )
    return paths


def test_a_certificate_that_is_not_trusted_stops_writing_only(server: RunningServer, tmp_path: Path) -> None:
    """Ticks are taken and wait; with the right certificate they are written."""
    good, bad = certificate(tmp_path, "good"), certificate(tmp_path, "bad")
    (port,) = free_ports(1)
    scheme = server.kind.scheme.replace("http", "https")
    with FaultyProxy(server.port, bad, port) as wrong:
        url = f"{scheme}://127.0.0.1:{wrong.port}?prefix=tls&ca={good[0]}"
        gateway = RunningGateway(tmp_path / "var", store=url)
        gateway.start()
        try:
            assert gateway.request("/tick", b'{"id": "a"}')[0] == 204
            ready = eventually(lambda: gateway.get("/ready"), lambda told: told["state"] == "degraded")
            assert any("certificate" in reason for reason in ready["reasons"]), ready
            assert metrics(gateway)["metronome_waiting"] == 1
        finally:
            wrong.__exit__()
    with FaultyProxy(server.port, good, port):
        try:
            views = eventually(
                lambda: gateway.request("/tock/a.json"), lambda told: told[0] == 200, seconds=60
            )
            assert b'"views":{"2' in views[2].replace(b" ", b"")
            left = eventually(lambda: metrics(gateway)["metronome_waiting"], lambda n: n == 0, seconds=60)
            assert left == 0
            assert gateway.stop() == 0
        finally:
            gateway.__exit__()
