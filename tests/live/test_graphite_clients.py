"""Unmodified programs that send Graphite feed a gateway: every point arrives, at its own time."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.carbon import environment, free_ports
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import which

pytestmark = pytest.mark.live

NUMBER = 100
START_SECONDS = 20
BEFORE = 300
"""How long ago the first point is, in seconds."""

COLLECTD_CONF = """\
Hostname "box"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
AutoLoadPlugin true
<Plugin unixsock>
  SocketFile "{folder}/socket"
  DeleteSocket true
</Plugin>
<Plugin write_graphite>
  <Node "gateway">
    Host "127.0.0.1"
    Port "{port}"
    Protocol "{transport}"
    Prefix "collectd."
    EscapeCharacter "_"
  </Node>
</Plugin>
LoadPlugin load
LoadPlugin uptime
"""

RELAY_CONF = """\
cluster gateway forward 127.0.0.1:{port} proto {transport};
match * send to gateway;
listen type linemode {own} proto tcp;
"""

CARBON_RELAY_CONF = """\
[relay]
STORAGE_DIR = {folder}
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {own}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {spare}
RELAY_METHOD = consistent-hashing
DESTINATIONS = 127.0.0.1:{port}:a
DESTINATION_PROTOCOL = {form}
MAX_DATAPOINTS_PER_MESSAGE = 30
CARBON_METRIC_INTERVAL = 0
ENABLE_LOGROTATION = False
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One gateway for all of them."""
    folder = tmp_path_factory.mktemp("graphite")
    with RunningGateway(folder / "var", pickle="tcp://127.0.0.1:0") as running:
        yield running


@contextlib.contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[None]:
    """A program for as long as the block lasts."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    program = shutil.which(command[0], path=path)
    assert program is not None
    with open(folder / "console.log", "wb") as log:
        process = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def connected(family: int, address: Any) -> socket.socket:
    """A connection to a program that is still starting."""
    until = time.monotonic() + START_SECONDS
    while True:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return connection


def points(gateway: RunningGateway, name: str, start: int) -> list[tuple[int, float]]:
    """The points of a series from a time on."""
    answer = gateway.get(
        "/streams/main/points", name=name, stat="last", step=1, **{"from": start, "until": start + NUMBER}
    )
    return [
        (time, value) for group in answer["groups"] for time, value in group["values"] if value is not None
    ]


def check(gateway: RunningGateway, name: str, start: int) -> None:
    """One point a second, each with its own value."""
    wanted = [(start + index, index * 1.5) for index in range(NUMBER)]
    assert eventually(lambda: points(gateway, name, start), lambda found: found == wanted) == wanted


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_collectd_write_graphite(gateway: RunningGateway, tmp_path: Path, transport: str) -> None:
    """Values that are put to collectd by hand arrive as they were put, and those it reads itself."""
    require(which("collectd"), "collectd")
    start = int(time.time()) - BEFORE
    conf = COLLECTD_CONF.format(
        folder=tmp_path, port=gateway.port("graphite", transport), transport=transport
    )
    (tmp_path / "collectd.conf").write_text(conf)
    with running(tmp_path, "collectd", "-f", "-C", str(tmp_path / "collectd.conf")):
        with connected(socket.AF_UNIX, str(tmp_path / "socket")) as connection:
            answers = connection.makefile("rb")
            for index in range(NUMBER):
                put = f'PUTVAL "{transport}/hand/gauge-it" interval=1 {start + index}:{index * 1.5}\n'
                connection.sendall(put.encode())
                assert answers.readline().startswith(b"0 ")
            connection.sendall(b"FLUSH\n")
            assert answers.readline().startswith(b"0 ")
        check(gateway, f"collectd.{transport}.hand.gauge-it", start)

        def own() -> list[str]:
            found = gateway.get("/streams/main/series", match="collectd.box.*")["series"]
            return sorted(one["name"] for one in found)

        wanted = ["load.load.longterm", "load.load.midterm", "load.load.shortterm", "uptime.uptime"]
        assert eventually(own, lambda found: len(found) == 4) == [f"collectd.box.{name}" for name in wanted]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_carbon_c_relay(gateway: RunningGateway, tmp_path: Path, transport: str) -> None:
    """Lines through carbon-c-relay, as many sites have it in front of carbon."""
    require(which("carbon-c-relay"), "carbon-c-relay")
    start = int(time.time()) - BEFORE
    (own,) = free_ports(1)
    conf = RELAY_CONF.format(port=gateway.port("graphite", transport), transport=transport, own=own)
    (tmp_path / "relay.conf").write_text(conf)
    with running(tmp_path, "carbon-c-relay", "-s", "-w", "1", "-f", str(tmp_path / "relay.conf")):
        with connected(socket.AF_INET, ("127.0.0.1", own)) as connection:
            for index in range(NUMBER):
                line = f"relay.{transport};dc=eu {index * 1.5} {start + index}\n"
                connection.sendall(line.encode())
        check(gateway, f"relay.{transport}", start)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_client_as_carbon_has_it(gateway: RunningGateway, protocol: int) -> None:
    """``pickle.dumps`` of a list of points behind its length, whatever Python's pickle protocol."""
    start = int(time.time()) - BEFORE
    name = f"pickled.p{protocol}"
    with connected(socket.AF_INET, ("127.0.0.1", gateway.port("pickle", "tcp"))) as connection:
        for begin in range(0, NUMBER, 30):
            wanted = range(begin, min(begin + 30, NUMBER))
            frame = [(f"{name};dc=eu", (start + index, index * 1.5)) for index in wanted]
            payload = pickle.dumps(frame, protocol=protocol)
            connection.sendall(struct.pack("!L", len(payload)) + payload)
    check(gateway, name, start)


@pytest.mark.parametrize("form", ["pickle", "line"])
def test_carbon_relay(gateway: RunningGateway, tmp_path: Path, form: str) -> None:
    """carbon's own relay and client in front of us."""
    python = environment()
    require(python, "carbon from PyPI")
    assert python is not None
    start = int(time.time()) - BEFORE
    own, spare = free_ports(2)
    port = gateway.port("pickle" if form == "pickle" else "graphite", "tcp")
    conf = CARBON_RELAY_CONF.format(folder=tmp_path, own=own, spare=spare, port=port, form=form)
    (tmp_path / "carbon.conf").write_text(conf)
    (tmp_path / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:1d\n")
    relay = [str(python / "bin" / name) for name in ("python", "carbon-relay.py")]
    options = ["--nodaemon", f"--config={tmp_path}/carbon.conf", "start"]
    with running(tmp_path, *relay, *options, GRAPHITE_ROOT=str(tmp_path)):
        with connected(socket.AF_INET, ("127.0.0.1", own)) as connection:
            lines = [f"relayed.{form} {index * 1.5} {start + index}\n" for index in range(NUMBER)]
            connection.sendall("".join(lines).encode())
        check(gateway, f"relayed.{form}", start)


def test_nothing_of_it_was_refused(gateway: RunningGateway) -> None:
    """None of them sends a line that is not understood."""
    assert gateway.get("/ledger.json")["rejects"] == []
