"""A peer that runs, with the sink that it sends to, and the load that it gets."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from string import Template
from typing import NamedTuple

from tests.bench.peers import Peer, Sink, watch
from tests.bench.peers.tools import built
from tests.live.carbon import free_ports

SERVER_CORE, LOAD_CORE = "0", "1"
START_SECONDS = 30
IDLE_SHARE = 0.2
"""A server that uses less of its core has done what there was to do (a flush is more than that)."""
IDLE_SECONDS = 30
TOTALS = struct.Struct("<QQd")
TOTALS_BYTES = 64


class Sent(NamedTuple):
    """What the load says of itself."""

    lines: int
    packets: int
    seconds: float
    counters: int


class Running:
    """A started peer; ``running`` makes and ends it."""

    def __init__(self, peer: Peer, folder: Path):
        self.peer = peer
        self.folder = folder
        port, self._sink_port, other, further = free_ports(4)
        self.port = port
        self.fields = {
            "PORT": str(port),
            "SINK": str(self._sink_port),
            "OTHER": str(other),
            "FURTHER": str(further),
            "DIR": str(folder),
            "FLUSH": str(peer.flush),
        }
        self._started: list[subprocess.Popen[bytes]] = []
        self._totals: mmap.mmap | None = None
        self._last = 0.0

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._started[-1].pid

    def start(self) -> None:
        """Start the sink where it is needed, then the server, and wait until it listens."""
        for name, text in self.peer.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._filled(text))
        if isinstance(self.peer.counted, Sink):
            self._start_sink(self.peer.counted)
        environment = {name: self._filled(text) for name, text in self.peer.environment.items()}
        command = [self._filled(word) for word in self.peer.command]
        self._spawn(SERVER_CORE, command, self.folder / "server.log", environment)
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._started[-1].poll() is not None or time.monotonic() > until:
                log = (self.folder / "server.log").read_text(errors="replace")
                raise RuntimeError(f"{self.peer.name} did not start:\n{log[-2000:]}")
            time.sleep(0.05)
        time.sleep(1)

    def stop(self) -> None:
        """End both, gently at first."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._started:
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def load(self, *words: object) -> Sent:
        """Send to it; words as ``generate.c`` has them."""
        command = ["taskset", "-c", LOAD_CORE, built("generate"), "-p", self.port, *words]
        done = subprocess.run([str(word) for word in command], check=False, capture_output=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{self.peer.name}: {done.stderr.decode()}")
        return Sent(**json.loads(done.stdout))

    def lost(self) -> int:
        """Datagrams that the system has thrown away before the server read them."""
        return sum(watch.datagram_sockets(self.port))

    def rest(self, least: float = 0) -> None:
        """Wait so long, and then until it has stopped working."""
        time.sleep(least)
        until = time.monotonic() + IDLE_SECONDS
        last = watch.cpu(self.pid)
        while time.monotonic() < until:
            time.sleep(0.1)
            spent = watch.cpu(self.pid)
            if spent - last <= 0.1 * IDLE_SHARE:
                return
            last = spent

    def before(self) -> float | None:
        """What it had counted when it was last asked; warming up does not reach the sink's count."""
        return self._last if isinstance(self.peer.counted, Sink) else self.accepted()

    def accepted(self, expected: float = inf) -> float | None:
        """What it counts as accepted, once that is what is expected, or a flush has come and
        nothing more arrives."""
        counted = self.peer.counted
        if counted is None:
            return None
        if not isinstance(counted, Sink):
            return counted(self.fields)
        last, same_since = self._total(counted), time.monotonic()
        until = time.monotonic() + 20
        while last < expected and time.monotonic() < min(until, same_since + self.peer.flush + 1):
            time.sleep(0.1)
            if (total := self._total(counted)) != last:
                last, same_since = total, time.monotonic()
        self._last = last
        return last

    def _total(self, counted: Sink) -> float:
        assert self._totals is not None, "no sink"
        _, matched, total = TOTALS.unpack(self._totals[: TOTALS.size])
        return float(matched if counted.lines else total)

    def _start_sink(self, counted: Sink) -> None:
        path = self.folder / "totals"
        command = [built("sink"), str(self._sink_port), str(path), counted.prefix, counted.suffix]
        self._spawn(LOAD_CORE, command, self.folder / "sink.log", {})
        until = time.monotonic() + START_SECONDS
        while not path.exists() or path.stat().st_size < TOTALS_BYTES:
            if time.monotonic() > until:
                raise RuntimeError("the sink did not start")
            time.sleep(0.02)
        with open(path, "rb") as file:
            self._totals = mmap.mmap(file.fileno(), TOTALS_BYTES, prot=mmap.PROT_READ)

    def _spawn(self, core: str, command: list[str], log: Path, environment: dict[str, str]) -> None:
        with open(log, "wb") as out:
            process = subprocess.Popen(
                ["taskset", "-c", core, *command],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._started.append(process)

    def _filled(self, text: str) -> str:
        return Template(text).safe_substitute(self.fields)

    def _listens(self) -> bool:
        if self.peer.transport == "udp":
            return bool(watch.datagram_sockets(self.port))
        return watch.listens(self.port)


@contextmanager
def running(peer: Peer) -> Iterator[Running]:
    """Start a peer in a folder of its own, and end it."""
    folder = Path(tempfile.mkdtemp(prefix="bench."))
    one = Running(peer, folder)
    try:
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def left_out(peers: list[Peer]) -> list[Peer]:
    """Those that this machine has; the others are named on standard error."""
    for peer in peers:
        if not peer.command:
            print(f"LEFT OUT: {peer.name}: {peer.missing}", file=sys.stderr, flush=True)
    return [peer for peer in peers if peer.command]
