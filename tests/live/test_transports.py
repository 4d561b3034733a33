"""Every way in at once: several sockets of an option, TLS, packets, signatures, limits, the console."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from datadog.dogstatsd import DogStatsd

from metronome.wire import pickle as writer
from metronome.wire.graphite import Line
from metronome.wire.signed import sign
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.receivers.pem import pem

pytestmark = pytest.mark.live

NUMBER = 300


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a socket file is limited."""
    with tempfile.TemporaryDirectory(prefix="mt", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[RunningGateway]:
    """One gateway with all kinds of sockets, the secret for one of them, and few connections."""
    cert, key = pem(folder)
    secret = folder / "secret"
    secret.write_text("open sesame\n")
    tls = f"tls://127.0.0.1:0?cert={cert}&key={key}"
    options: dict[str, str | list[str]] = {
        "statsd": [
            "udp://127.0.0.1:0",
            f"unixgram://{folder}/plain.sock?signed=no",
            "tcp://127.0.0.1:0",
            tls,
            f"unix://{folder}/one.sock",
            f"unix://{folder}/two.sock?mode=600",
        ],
        "graphite": ["tcp://127.0.0.1:0", tls],
        "pickle": ["tcp://127.0.0.1:0", tls],
        "statsd_secret": str(secret),
    }
    running = RunningGateway(folder / "data", **options)
    running.environment = {"METRONOME_LIMITS_CONNECTIONS": "3", "METRONOME_LIMITS_IDLE": "2s"}
    with running:
        yield running


def over_tls(port: int) -> ssl.SSLSocket:
    """A connection that takes the certificate for what it is."""
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE
    return trust.wrap_socket(socket.create_connection(("127.0.0.1", port)))


def total(gateway: RunningGateway, name: str, wanted: float, stat: str = "n") -> float:
    """A total, once it is there."""
    return eventually(lambda: gateway.total(name, stat), lambda found: found >= wanted)


def counted(gateway: RunningGateway, name: str, *labels: str) -> float:
    """One of our own counters: its samples that have all of these labels, added up."""
    _, _, body = gateway.request("/metrics")
    lines = [line for line in body.decode().splitlines() if line.startswith(name + "{")]
    return sum(float(line.split()[-1]) for line in lines if all(label in line for label in labels))


def test_tls_takes_lines_points_and_pickles(gateway: RunningGateway) -> None:
    """In small and in large pieces; totals are exact."""
    now = int(time.time())
    with over_tls(gateway.port("statsd", "tls")) as connection:
        for _ in range(NUMBER):
            connection.sendall(b"tls.hits:2|c\n")
    with over_tls(gateway.port("graphite", "tls")) as connection:
        connection.sendall(b"".join(b"tls.point%d 1 %d\n" % (index, now) for index in range(NUMBER)))
    with over_tls(gateway.port("pickle", "tls")) as connection:
        connection.sendall(writer.encode([Line(f"tls.pickle{index}", 1.5, now) for index in range(NUMBER)]))
    assert total(gateway, "tls.hits", 2 * NUMBER) == 2 * NUMBER
    assert total(gateway, "tls.point*", NUMBER) == NUMBER
    assert total(gateway, "tls.pickle*", 1.5 * NUMBER) == 1.5 * NUMBER


def test_datadogs_client_frames_its_packets_over_a_unix_stream(gateway: RunningGateway, folder: Path) -> None:
    """And a plain client sends lines to the same socket."""
    place = f"unixstream://{folder}/one.sock"
    # Without a timeout the client drops what the socket does not take at once.
    client = DogStatsd(socket_path=place, disable_telemetry=True, socket_timeout=5)
    for index in range(NUMBER):
        client.increment("framed.hits", 3, tags=[f"code:{200 + index % 2}"])
    client.flush()
    client.close_socket()
    for file in ("one.sock", "two.sock"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / file))
            connection.sendall(b"lines.hits:1|c\n" * NUMBER)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "two.sock"))
        for byte in b"".join(struct.pack("<I", 14) + b"bytes.hits:1|c" for _ in range(20)):
            connection.sendall(bytes([byte]))
    assert total(gateway, "framed.hits", 3 * NUMBER) == 3 * NUMBER
    assert total(gateway, "lines.hits", 2 * NUMBER) == 2 * NUMBER
    assert total(gateway, "bytes.hits", 20) == 20


def test_only_signed_datagrams_count_and_each_once(gateway: RunningGateway, folder: Path) -> None:
    """But for the socket that is excepted."""
    port = gateway.port("statsd", "udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        # What was sent in the second of the start, or before, might have been taken by a former run.
        eventually(lambda: time.time() % 1, lambda part: part < 0.5)
        for nonce in range(NUMBER):
            datagram = sign(b"signed.hits:1|c\nsigned.more:2|c", b"open sesame", time.time(), nonce)
            sender.sendto(datagram, ("127.0.0.1", port))
            sender.sendto(datagram, ("127.0.0.1", port))
            sender.sendto(b"signed.hits:100|c", ("127.0.0.1", port))
        sender.sendto(sign(b"signed.hits:100|c", b"open sesame", time.time() - 60, 1), ("127.0.0.1", port))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(str(folder / "plain.sock"))
        for _ in range(NUMBER):
            sender.send(b"excepted.hits:1|c")
    assert total(gateway, "excepted.hits", NUMBER) == NUMBER
    assert total(gateway, "signed.more", 2 * NUMBER) == 2 * NUMBER
    assert total(gateway, "signed.hits", NUMBER) == NUMBER
    for reason, number in (("replayed", NUMBER), ("bad_signature", NUMBER), ("too_old", 1)):
        found = counted(gateway, "metronome_rejected_total", f'reason="{reason}"', 'source="statsd_udp"')
        assert (reason, found) == (reason, number)


def test_connections_are_limited_and_silent_ones_closed(gateway: RunningGateway) -> None:
    """The fourth is closed at once; the three end after two silent seconds, and make room."""
    place = ("127.0.0.1", gateway.port("graphite", "tcp"))
    held = [socket.create_connection(place) for _ in range(3)]
    for connection in held:
        connection.sendall(b"held 1 1700000000\n")
    with socket.create_connection(place) as fourth:
        fourth.settimeout(5)
        assert ended(fourth)
    began = time.monotonic()
    for connection in held:
        connection.settimeout(10)
        assert ended(connection)
        connection.close()
    assert 1 < time.monotonic() - began < 8
    closed = "metronome_connections_closed_total"
    assert counted(gateway, closed, 'reason="too_many_connections"', 'source="graphite_tcp"') == 1
    assert counted(gateway, closed, 'reason="idle"', 'source="graphite_tcp"') == 3
    with socket.create_connection(place) as again:
        again.sendall(b"again 1 1700000000\n")
    assert total(gateway, "again", 0) == 0
    assert eventually(lambda: held_points(gateway), lambda number: number == 4) == 4


def held_points(gateway: RunningGateway) -> int:
    """Points that came in over Graphite's plain socket."""
    return int(counted(gateway, "metronome_lines_total", 'source="graphite_tcp"'))


def ended(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, properly or not."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_console_answers_nc(gateway: RunningGateway) -> None:
    """With and without a line end; what is deleted is gone."""
    require(shutil.which("nc"), "nc")
    port = gateway.port("admin", "tcp")

    def ask(text: str) -> str:
        command = ["nc", "-N", "127.0.0.1", str(port)]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=10).stdout

    assert ask("help").startswith("Commands: stats, counters,")
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
        connection.sendall(b"console.a:7|g\nconsole.b:-1|g\n")
    assert eventually(lambda: "'console.b': -1" in ask("gauges\n"), bool)
    assert ask("delgauges console.* other\n") == (
        "deleted: console.a\ndeleted: console.b\nmetric other not found\nEND\n\n"
    )
    assert "console" not in ask("gauges")
    assert ask("health down\nhealth\n") == "health: down\nhealth: down\n"
    status, _, body = gateway.request("/ready")
    assert (status, json.loads(body)["state"]) == (503, "unready")
    assert ask("health up") == "health: up\n"
    assert gateway.request("/ready")[0] == 200
