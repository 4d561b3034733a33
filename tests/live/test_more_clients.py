"""Unmodified statsd clients in five languages, over UDP, TCP and both kinds of Unix sockets: what they
count is what stands in points, exactly."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import statsd
from datadog.dogstatsd import DogStatsd

from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import PROGRAMS, go_program, java_classes, node_modules

pytestmark = pytest.mark.live

NUMBER = 300
FEW = 100
"""Where each line is a datagram: as many as the smallest usual receive buffer holds."""
SIZES = sum(range(NUMBER))
TIMES = sum(index % 10 for index in range(NUMBER))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One gateway that listens on every statsd transport."""
    folder = tmp_path_factory.mktemp("more")
    statsd_addresses = [
        "udp://127.0.0.1:0",
        "tcp://127.0.0.1:0",
        f"unixgram://{folder}/datagrams",
        f"unix://{folder}/stream",
    ]
    with RunningGateway(folder / "var", statsd=statsd_addresses) as running:
        yield running


def socket_path(gateway: RunningGateway, name: str) -> str:
    """Where one of the Unix sockets is."""
    return str(gateway.data_dir.parent / name)


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a client to its end."""
    ended = subprocess.run(
        [str(part) for part in command], cwd=cwd, timeout=60, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")


def check(gateway: RunningGateway, wanted: Mapping[tuple[str, str], float], **query: object) -> None:
    """Every stat is exact, soon."""
    for (name, stat), value in wanted.items():

        def ask(name: str = name, stat: str = stat) -> float:
            return gateway.total(name, stat, **query)

        def is_exact(found: float, value: float = value) -> bool:
            return found == value

        assert eventually(ask, is_exact) == value, (name, stat)


def check_dogstatsd(gateway: RunningGateway, prefix: str, lang: str) -> None:
    """What the programs of DogStatsD's clients send, whatever the language."""
    wanted = {
        (f"{prefix}.hits", "n"): NUMBER * 2,
        (f"{prefix}.time", "count"): NUMBER,
        (f"{prefix}.time", "sum"): TIMES,
        (f"{prefix}.size", "count"): NUMBER,
        (f"{prefix}.size", "sum"): SIZES,
    }
    check(gateway, wanted, where=f"lang:{lang}")
    check(gateway, {(f"{prefix}.hits", "n"): NUMBER}, where="code:201")
    check(gateway, {(f"{prefix}.hits", "n"): NUMBER * 2})


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_pypi_statsd_over_streams(gateway: RunningGateway, transport: str) -> None:
    """``statsd.TCPStatsClient`` and ``statsd.UnixSocketStatsClient``."""
    prefix = f"pystatsd-{transport}"
    client = (
        statsd.TCPStatsClient("127.0.0.1", gateway.port("statsd", "tcp"), prefix=prefix)
        if transport == "tcp"
        else statsd.UnixSocketStatsClient(socket_path(gateway, "stream"), prefix=prefix)
    )
    for index in range(NUMBER):
        client.incr("hits", 3)
        client.timing("time", index % 10)
    with client.pipeline() as pipe:
        pipe.gauge("depth", 10)
        pipe.gauge("depth", -4, delta=True)
        pipe.set("users", "a")
        pipe.set("users", "b:c")
    client.gauge("debt", -5)
    client.close()
    wanted = {
        (f"{prefix}.hits", "n"): NUMBER * 3,
        (f"{prefix}.time", "count"): NUMBER,
        (f"{prefix}.time", "sum"): TIMES,
        (f"{prefix}.depth", "last"): 6,
        (f"{prefix}.users", "distinct"): 2,
        (f"{prefix}.debt", "last"): -5,
    }
    check(gateway, wanted)


def test_pypi_datadog_over_a_unix_datagram_socket(gateway: RunningGateway) -> None:
    """``datadog.dogstatsd`` with ``socket_path``."""
    client = DogStatsd(
        socket_path=socket_path(gateway, "datagrams"),
        namespace="pydatadog",
        constant_tags=["lang:python"],
        disable_telemetry=True,
        socket_timeout=5,
    )
    with client:
        for index in range(NUMBER):
            client.increment("hits", 2, tags=[f"code:{200 + index % 2}"])
            client.timing("time", index % 10)
            client.distribution("size", index)
    client.event("deployed", "version 7\nof it")
    client.service_check("alive", DogStatsd.OK)
    client.close_socket()
    check_dogstatsd(gateway, "pydatadog", "python")


def test_npm_node_statsd(gateway: RunningGateway) -> None:
    """npm node-statsd over UDP: one line a datagram."""
    modules = node_modules("node-statsd@0.1.1")
    require(modules is not None, "npm node-statsd")
    assert modules is not None
    program = modules.parent / "node_statsd.js"
    program.write_bytes((PROGRAMS / "node_statsd.js").read_bytes())
    run("node", program, str(gateway.port("statsd", "udp")), str(FEW))
    wanted = {
        ("nodestatsd.hits", "n"): FEW * 2,
        ("nodestatsd.time", "count"): FEW,
        ("nodestatsd.time", "sum"): sum(index % 10 for index in range(FEW)),
        ("nodestatsd.one", "n"): 5,
        ("nodestatsd.other", "n"): 5,
        ("nodestatsd.balance", "n"): -3,
        ("nodestatsd.depth", "last"): 7,
        ("nodestatsd.users", "distinct"): 2,
    }
    check(gateway, wanted, where="lang:node")


@pytest.mark.parametrize("transport", ["tcp", "uds"])
def test_npm_hot_shots(gateway: RunningGateway, transport: str) -> None:
    """npm hot-shots over TCP and over a Unix datagram socket."""
    modules = node_modules("hot-shots@^10")
    require(modules is not None, "npm hot-shots")
    assert modules is not None
    require(transport == "tcp" or (modules / "unix-dgram").is_dir(), "npm unix-dgram")
    program = modules.parent / "hot_shots.js"
    program.write_bytes((PROGRAMS / "hot_shots.js").read_bytes())
    port = {"protocol": "tcp", "host": "127.0.0.1", "port": gateway.port("statsd", "tcp")}
    path = {"protocol": "uds", "path": socket_path(gateway, "datagrams")}
    prefix = f"hotshots-{transport}"
    run("node", program, json.dumps(port if transport == "tcp" else path), f"{prefix}.", str(NUMBER))
    check_dogstatsd(gateway, prefix, "node")
    check(gateway, {(f"{prefix}.users", "distinct"): 2}, where="lang:node")


def dogstatsd_address(gateway: RunningGateway, transport: str) -> str:
    """An address as DogStatsD's clients write it."""
    if transport == "udp":
        return f"127.0.0.1:{gateway.port('statsd', 'udp')}"
    return f"{transport}://{socket_path(gateway, 'stream' if transport == 'unixstream' else 'datagrams')}"


@pytest.mark.parametrize("transport", ["udp", "unixgram", "unixstream"])
def test_go_datadog(gateway: RunningGateway, transport: str) -> None:
    """datadog-go v5: aggregated in the client, packed, with time stamps; on a stream behind lengths."""
    program = go_program("datadog_go", "github.com/DataDog/datadog-go/v5@v5.5.0")
    require(program, "Go and datadog-go")
    assert program is not None
    prefix = f"godatadog-{transport}"
    run(program, dogstatsd_address(gateway, transport), prefix, str(NUMBER))
    check_dogstatsd(gateway, prefix, "go")
    wanted = {
        (f"{prefix}.depth", "last"): 7.5,
        (f"{prefix}.users", "distinct"): 7,
        (f"{prefix}.late", "n"): 5,
    }
    check(gateway, wanted, where="lang:go")


def test_go_cactus(gateway: RunningGateway) -> None:
    """go-statsd-client v5 with no tags and with Influx's, Graphite's and DogStatsD's."""
    program = go_program("cactus_go", "github.com/cactus/go-statsd-client/v5@v5.1.0")
    require(program, "Go and go-statsd-client")
    assert program is not None
    run(program, f"127.0.0.1:{gateway.port('statsd', 'udp')}", "cactus", str(NUMBER))
    for style in ("plain", "influx", "carbon", "hash"):
        wanted = {
            (f"cactus.{style}.hits", "n"): NUMBER * 3,
            (f"cactus.{style}.time", "sum"): TIMES,
            (f"cactus.{style}.depth", "last"): 6,
            (f"cactus.{style}.users", "distinct"): 2,
        }
        check(gateway, wanted, **({} if style == "plain" else {"where": f"style:{style}"}))


@pytest.mark.parametrize("transport", ["udp", "unixgram", "unixstream"])
def test_java_dogstatsd(gateway: RunningGateway, transport: str) -> None:
    """java-dogstatsd-client over UDP, a Unix datagram and a Unix stream socket."""
    classes = java_classes("dogstatsd_java", "com.datadoghq:java-dogstatsd-client:4.4.3")
    require(classes is not None, "a JDK, Maven and java-dogstatsd-client")
    assert classes is not None
    prefix = f"java-{transport}"
    address = dogstatsd_address(gateway, transport).removeprefix("127.0.0.1:")
    run("java", "-cp", classes, "Send", address, prefix, str(NUMBER))
    check_dogstatsd(gateway, prefix, "java")
    wanted = {(f"{prefix}.depth", "last"): 7.5, (f"{prefix}.users", "distinct"): 7}
    check(gateway, wanted, where="lang:java")


def test_nothing_of_it_was_refused(gateway: RunningGateway) -> None:
    """No client of these sends a line that we do not understand, and all they sent is stored."""

    def days() -> list[dict[str, Any]]:
        return list(gateway.get("/ledger.json")["days"])

    found = eventually(days, lambda some: not any(day["waiting"] for day in some))
    assert [day["received"] for day in found] == [day["stored"] for day in found]
    assert gateway.get("/ledger.json")["rejects"] == []
