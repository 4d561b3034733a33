"""How fast a Graphite destination catches up after an outage, and what it costs the gateway."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench import Figure
from tests.live.carbon import free_ports
from tests.live.gateway import RunningGateway

SERIES = 50_000
PERIODS = 15
QUIET_SECONDS = 1.5
TRICKLE = 300
"""What a period without samples still gives is shorter than this many bytes."""


class Case(NamedTuple):
    """Who is away."""

    title: str
    ports: int
    settings: str


def cluster(policy: str, transport: str = "tcp") -> str:
    """A table; members are put in for ``{0}``, ``{1}`` and so on."""
    members = ", ".join(f'"{transport}://127.0.0.1:{{{number}}}=m{number}"' for number in range(4))
    return f'[[graphite-cluster]]\nname = "all"\npolicy = {policy}\nmembers = [{members}]\n'


CASES = (
    Case("plaintext", 1, 'graphite-out = ["tcp://127.0.0.1:{0}"]\n'),
    Case("pickle", 1, 'graphite-out = ["pickle://127.0.0.1:{0}"]\n'),
    Case("four equals", 4, cluster('"any_of"')),
    Case("a ring of four, carbon_ch", 4, cluster('"consistent_hash"')),
    Case("a ring of four, fnv1a_ch", 4, cluster('"consistent_hash"\nhash = "fnv1a_ch"')),
)


class Sink:
    """Takes what comes, as fast as it comes, and remembers when."""

    def __init__(self, port: int):
        self.first = self.last = 0.0
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while data := connection.recv(1 << 20):
                if len(data) > TRICKLE:
                    self.last = time.perf_counter()
                    self.first = self.first or self.last

    def close(self) -> None:
        self._server.close()


def cpu(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill(gateway: RunningGateway, periods: int = PERIODS) -> None:
    """So many counters in each of so many periods."""
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
        for period in range(periods):
            began = time.perf_counter()
            lines = (f"app.host{number % 40}.requests.name{number}:{period}|c\n" for number in range(SERIES))
            connection.sendall("".join(lines).encode())
            time.sleep(max(0.0, 1 - (time.perf_counter() - began)))


def measured(case: Case) -> tuple[int, float, float]:
    """Lines, seconds and CPU seconds from the first byte to the last."""
    ports = free_ports(case.ports)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metronome.toml"
        # Nothing but Graphite is to cost anything, and nothing new is to come while it catches up.
        file.write_text('rules = ["statsd"]\nnames.delete-idle = true\n' + case.settings.format(*ports))
        with RunningGateway(Path(folder) / "var", config=str(file), store="memory:") as gateway:
            fill(gateway)
            time.sleep(2)
            sinks = [Sink(port) for port in ports]
            assert gateway.process is not None
            before = cpu(gateway.process.pid)
            while any(not sink.first or time.perf_counter() - sink.last < QUIET_SECONDS for sink in sinks):
                time.sleep(0.05)
            used = cpu(gateway.process.pid) - before
            seconds = max(sink.last for sink in sinks) - min(sink.first for sink in sinks)
            page = gateway.request("/metrics")[2].decode()
            for sink in sinks:
                sink.close()
    sent = [line for line in page.splitlines() if line.startswith("metronome_graphite_sent_total{")]
    return round(sum(float(line.rpartition(" ")[2]) for line in sent)), seconds, used


def measure() -> Iterator[Figure]:
    for case in CASES:
        lines, seconds, used = measured(case)
        note = f"{used / lines * 1e6:.1f} CPU s a million lines, {lines:,} lines"
        yield Figure(f"catch-up, {case.title}", lines / seconds, "lines/s", note)
