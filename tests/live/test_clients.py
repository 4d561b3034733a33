"""Unmodified clients of other people feed one gateway; totals are exact wherever they are read."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest
import statsd
from datadog.dogstatsd import DogStatsd
from prometheus_client.parser import text_string_to_metric_families

from tests.live.carbon import RunningCarbon, environment
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import node_modules, which

pytestmark = pytest.mark.live

NUMBER = 500
HOT_SHOTS = """
const StatsD = require('hot-shots');
const [port, number] = process.argv.slice(1).map(Number);
const client = new StatsD({host: '127.0.0.1', port, globalTags: {lang: 'node'}, maxBufferSize: 1400});
for (let i = 0; i < number; i++) {
  client.increment('node.hits', 2, {code: String(200 + i % 2)});
  client.timing('node.time', i % 10);
}
client.set('node.users', 'u1'); client.set('node.users', 'u2'); client.set('node.users', 'u1');
client.gauge('node.depth', 7);
client.close((error) => process.exit(error ? 1 : 0));
"""


def python_statsd(port: int) -> None:
    """PyPI statsd: single lines and a pipeline."""
    client = statsd.StatsClient("127.0.0.1", port)
    for index in range(NUMBER):
        client.incr("py.hits", 3)
        client.timing("py.time", index % 10)
    with client.pipeline() as pipe:
        pipe.gauge("py.depth", 10)
        pipe.gauge("py.depth", 5, delta=True)
        pipe.set("py.users", "a")
        pipe.set("py.users", "b")
    client.close()


def datadog(port: int) -> None:
    """PyPI datadog: tags and packed datagrams."""
    client = DogStatsd("127.0.0.1", port, constant_tags=["lang:python"], disable_telemetry=True)
    with client:
        for index in range(NUMBER):
            client.increment("dd.hits", 2, tags=[f"code:{200 + index % 2}"])
            client.histogram("dd.time", index % 10)
    client.event("deployed", "version 7", tags=["env:test"])
    client.close_socket()


def hot_shots(port: int, modules: Path) -> None:
    """npm hot-shots."""
    subprocess.run(
        ["node", "-e", HOT_SHOTS, str(port), str(NUMBER)], check=True, cwd=modules.parent, timeout=60
    )


def netcat(port: int) -> None:
    """nc, as the README shows it."""
    for _ in range(3):
        subprocess.run(["nc", "-u", "-w1", "127.0.0.1", str(port)], input=b"nc.hits:7|c", check=True)


def curl(url: str) -> None:
    """curl posts ticks: a view, a download and a point."""
    ticks = [
        {"id": "shop/1", "referer": "https://www.example.org/list/?q=1"},
        {"id": "shop/1", "type": "download", "format": "csv"},
        {"name": "curl.hits", "n": 4, "code": "200"},
    ]
    subprocess.run(
        ["curl", "-sSf", "-H", "Content-Type: application/json", "-d", json.dumps(ticks), f"{url}/tick"],
        check=True,
        timeout=30,
    )


EXPECTED = {
    ("py.hits", "n"): NUMBER * 3,
    ("py.time", "count"): NUMBER,
    ("py.time", "sum"): sum(index % 10 for index in range(NUMBER)),
    ("py.depth", "last"): 15,
    ("py.users", "distinct"): 2,
    ("dd.hits", "n"): NUMBER * 2,
    ("dd.time", "count"): NUMBER,
    ("node.hits", "n"): NUMBER * 2,
    ("node.time", "sum"): sum(index % 10 for index in range(NUMBER)),
    ("node.users", "distinct"): 2,
    ("node.depth", "last"): 7,
    ("nc.hits", "n"): 21,
    ("curl.hits", "n"): 4,
}


def test_totals_of_real_clients_are_exact(tmp_path: Path) -> None:
    """Five clients at once: every total is exact in points and on /metrics, and in /tock."""
    modules = node_modules("hot-shots@^10")
    require(modules is not None, "npm hot-shots")
    require(which("nc"), "nc")
    require(which("curl"), "curl")
    python = environment()
    require(python, "carbon and whisper from PyPI")
    assert modules is not None
    assert python is not None
    carbon = RunningCarbon(python, tmp_path / "carbon")
    with (
        carbon,
        RunningGateway(tmp_path / "var", graphite_out=f"tcp://127.0.0.1:{carbon.line_port}") as gateway,
    ):
        port = gateway.port("statsd", "udp")
        senders = [
            threading.Thread(target=python_statsd, args=[port]),
            threading.Thread(target=datadog, args=[port]),
            threading.Thread(target=hot_shots, args=[port, modules]),
            threading.Thread(target=netcat, args=[port]),
            threading.Thread(target=curl, args=[gateway.url]),
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        for (name, stat), wanted in EXPECTED.items():

            def ask(name: str = name, stat: str = stat) -> float:
                return gateway.total(name, stat)

            assert eventually(ask, lambda n, wanted=wanted: n == wanted) == wanted, (name, stat)
        assert gateway.total("dd.hits", where="code:201") == NUMBER
        assert gateway.total("node.hits", where="lang:node") == NUMBER * 2
        _check_metrics(gateway)
        tock = gateway.get("/tock/shop%2F1.json")
        assert list(tock["views"].values()) == [1]
        assert tock["downloads"] == {"csv": 1}
        assert tock["referers"] == {"example.org/list": 1}
        _check_whisper(carbon)


WHISPER = {
    ("stats.counters.py.hits.count",): NUMBER * 3,
    ("stats.timers.py.time.count",): NUMBER,
    ("stats.timers.py.time.sum",): sum(index % 10 for index in range(NUMBER)),
    ("stats.counters.nc.hits.count",): 21,
    ("stats.counters.curl.hits.count;code=200",): 4,
    tuple(f"stats.counters.dd.hits.count;code={code};lang=python" for code in (200, 201)): NUMBER * 2,
    tuple(f"stats.counters.node.hits.count;code={code};lang=node" for code in (200, 201)): NUMBER * 2,
}


def _in_whisper(path: str) -> str:
    """Where carbon keeps a path: one with labels under its SHA-256."""
    if ";" not in path:
        return path
    digest = hashlib.sha256(path.encode()).hexdigest()
    return f"_tagged.{digest[:3]}.{digest[3:6]}.{digest}"


def _check_whisper(carbon: RunningCarbon) -> None:
    """The same totals stand in carbon's whisper files, under statsd's names."""

    def totals() -> dict[tuple[str, ...], float]:
        values = carbon.values()
        return {
            paths: sum(value for path in paths for _, value in values.get(_in_whisper(path), []))
            for paths in WHISPER
        }

    assert eventually(totals, lambda found: found == WHISPER) == WHISPER


def _check_metrics(gateway: RunningGateway) -> None:
    """The same totals stand on /metrics, which other people's parser reads."""
    wanted = {"py_hits_total": NUMBER * 3, "dd_hits_total": NUMBER * 2, "node_hits_total": NUMBER * 2}

    def totals() -> dict[str, float]:
        status, _, page = gateway.request("/metrics")
        assert status == 200
        found: dict[str, float] = dict.fromkeys(wanted, 0)
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                if sample.name in wanted:
                    found[sample.name] += sample.value
        return found

    assert eventually(totals, lambda found: found == wanted) == wanted


def test_graphite_over_tcp_and_udp(tmp_path: Path) -> None:
    """Plaintext with and without tags arrives at its own time, over both transports."""
    with RunningGateway(tmp_path / "var") as gateway:
        lines = b"servers.a.load 0.5 -1\nservers.b.load;dc=x 1.5 N\nbroken line\n"
        with socket.create_connection(("127.0.0.1", gateway.port("graphite", "tcp"))) as connection:
            connection.sendall(lines)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"servers.c.load 2", ("127.0.0.1", gateway.port("graphite", "udp")))

        def names() -> list[str]:
            found = gateway.get("/streams/main/series", match="servers.*")["series"]
            return sorted(one["name"] for one in found)

        wanted = ["servers.a.load", "servers.b.load", "servers.c.load"]
        assert eventually(names, lambda found: found == wanted) == wanted
        assert gateway.total("servers.b.load", "last", where="dc:x") == 1.5
        rejects = gateway.get("/ledger.json")["rejects"]
        assert [reject["excerpt"] for reject in rejects] == ["broken line"]
