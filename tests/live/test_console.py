"""statsd's own admin console and ours, byte for byte, after the same load."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.live.carbon import free_ports
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.statsd_exporter import send
from tests.live.tools import node_modules, which

pytestmark = pytest.mark.live

LOAD = """\
a:1|c
b.c:2.5|c|@0.5
b.d:1|c
t:1|ms
t:2|ms
t:3.25|ms
long.timer:5|ms
g:5|g
g:-2|g
g2:0.1|g
sp ace/x:1|c
tag:1|c|#k:v
last:1|g
"""
LOAD += "".join(f"many:{number}|ms\n" for number in range(130))
LOAD += "".join(f"n{number}:{number}|c\n" for number in range(40))

COMMANDS = [
    *("counters", "gauges", "timers", "help", "health", "health down", "health", "health up", "health maybe"),
    *(
        "delcounters",
        "delcounters a",
        "delcounters a nope",
        "delcounters b.*",
        "delcounters  n1",
        "delcounters *",
    ),
    *("delgauges g", "deltimers t nope.*", "deltimers .*", "counters", "gauges", "timers"),
    *("bogus", "", "  counters  ", "COUNTERS", "counters x", "health UP"),
]


@contextmanager
def statsd(folder: Path, package: Path) -> Iterator[tuple[int, int]]:
    """statsd that does not flush meanwhile: its ports for lines and for its console."""
    lines, console = free_ports(2)
    settings = {
        "address": "127.0.0.1",
        "port": lines,
        "mgmt_address": "127.0.0.1",
        "mgmt_port": console,
        "servers": [{"server": "./servers/tcp", "address": "127.0.0.1", "port": lines}],
        "backends": ["./backends/console"],
        "flushInterval": 3_600_000,
    }
    (folder / "config.js").write_text(json.dumps(settings))
    with open(folder / "statsd.log", "ab") as log:
        command = ["node", str(package / "stats.js"), str(folder / "config.js")]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=package)
    try:
        listens = eventually(lambda: _listens(console) and _listens(lines), bool)
        assert listens, (folder / "statsd.log").read_text()
        yield lines, console
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def ask(port: int, command: str) -> bytes:
    """The reply to one command, and whether the connection ends with it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(command.encode() + b"\n")
        reply = b""
        connection.settimeout(5)
        while not reply.endswith((b"END\n\n", b"ERROR\n")) and not reply.startswith((b"Commands", b"health")):
            piece = connection.recv(1 << 16)
            if not piece:
                return reply + b"<closed>"
            reply += piece
        connection.settimeout(0.1)
        try:
            return reply + (connection.recv(1 << 16) or b"<closed>")
        except TimeoutError:
            return reply


def test_the_replies_are_statsds(tmp_path: Path) -> None:
    """Tables, deletions, health and errors; but statsd lists numbers of its own among the counters."""
    modules = node_modules("statsd") if which("node") else None
    require(modules, "node and npm's statsd")
    assert modules is not None
    with (
        statsd(tmp_path, modules / "statsd") as (lines, theirs),
        RunningGateway(tmp_path / "data", flush_interval="3600") as gateway,
    ):
        ours = gateway.port("admin", "tcp")
        ask(theirs, "delcounters statsd.*")
        send(lines, LOAD)
        send(gateway.port("statsd", "tcp"), LOAD)
        for port in (theirs, ours):
            told = eventually(partial(ask, port, "gauges"), lambda reply: b"last: 1" in reply)
            assert b"last: 1" in told
        ask(theirs, "delcounters statsd.*")
        for command in COMMANDS:
            assert ask(ours, command) == ask(theirs, command), command
        assert ask(ours, "quit") == ask(theirs, "quit") == b"<closed>"
        for port in (ours, theirs):
            stats = ask(port, "stats").decode().splitlines()
            words = [line.partition(":")[0] for line in stats]
            assert words[:3] == ["uptime", "messages.last_msg_seen", "messages.bad_lines_seen"]
            assert words[-2:] == ["END", ""]
