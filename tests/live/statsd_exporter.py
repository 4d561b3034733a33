"""A real statsd_exporter on free ports, and pages of metrics as values that can be compared."""

from __future__ import annotations

import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.bench.peers.tools import from_go
from tests.live.carbon import free_ports
from tests.live.gateway import eventually

OWN = ("metronome_", "statsd_exporter_", "statsd_metric_mapper_", "go_", "process_", "promhttp_")


def program() -> str:
    """Where it is, brought by ``go install`` where it was not yet; empty where it cannot be."""
    return from_go("github.com/prometheus/statsd_exporter")[0]


class RunningExporter:
    """A context manager that stops it."""

    def __init__(self, folder: Path, rules: str):
        self.rules = folder / "mapping.yml"
        self.rules.write_text(rules)
        self._log = folder / "statsd_exporter.log"
        self.port, self._web = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningExporter:
        address = f"127.0.0.1:{self.port}"
        command = [
            program(),
            f"--web.listen-address=127.0.0.1:{self._web}",
            f"--statsd.listen-udp={address}",
            f"--statsd.listen-tcp={address}",
            f"--statsd.mapping-config={self.rules}",
            "--statsd.event-flush-interval=10ms",
        ]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        process = self._process
        eventually(lambda: self._listens() or process.poll() is not None, bool, pause=0.01)
        if process.poll() is not None:
            raise RuntimeError(f"statsd_exporter did not start:\n{self._log.read_text()}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    def reload(self, rules: str) -> None:
        """Other rules from now on."""
        assert self._process is not None
        self.rules.write_text(rules)
        self._process.send_signal(signal.SIGHUP)

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self._web}/metrics"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def page(self) -> str:
        """What it shows, in Prometheus' text format."""
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return str(answer.read().decode())

    def _listens(self) -> bool:
        try:
            for port in (self.port, self._web):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True


def send(port: int, lines: str) -> None:
    """Send lines over a connection."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(lines.encode())


class Sample(NamedTuple):
    """Which sample of which family."""

    family: str
    type: str
    name: str
    labels: tuple[tuple[str, str], ...]


def samples(page: str) -> dict[Sample, float]:
    """What a page shows of what was sent.  A counter's sample ends in ``_total``, limits are floats."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name.startswith(OWN):
                continue
            labels = {
                name: str(float(value)) if name == "le" else value for name, value in sample.labels.items()
            }
            place = Sample(family.name, family.type, sample.name, tuple(sorted(labels.items())))
            found[place] = sample.value
    return found


def helps(page: str) -> dict[str, str]:
    """What is told of each family."""
    families = text_string_to_metric_families(page)
    return {one.name: one.documentation for one in families if not one.name.startswith(OWN)}
