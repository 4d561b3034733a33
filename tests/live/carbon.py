"""A real carbon-cache on free ports, and its whisper files read back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.live.tools import cache

START_SECONDS = 20

CARBON_CONF = """\
[cache]
STORAGE_DIR = {folder}
CONF_DIR = {folder}/conf
LOG_DIR = {folder}/log
PID_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
WHITELISTS_DIR = {folder}/lists
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
ENABLE_UDP_LISTENER = False
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
CACHE_WRITE_STRATEGY = naive
CARBON_METRIC_INTERVAL = 0
ENABLE_TAGS = False
ENABLE_LOGROTATION = False
LOG_LISTENER_CONN_SUCCESS = False
"""

READER = """\
import json, os, sys, whisper
found = {}
for folder, _, files in os.walk(sys.argv[1]):
    for file in files:
        if file.endswith(".wsp"):
            path = os.path.join(folder, file)
            name = os.path.relpath(path, sys.argv[1])[:-4].replace(os.sep, ".")
            (start, end, step), values = whisper.fetch(path, 0)
            times = range(start, end, step)
            found[name] = [[time, value] for time, value in zip(times, values) if value is not None]
print(json.dumps(found))
"""


def environment() -> Path | None:
    """The Python environment with carbon and whisper; None when it cannot be had."""
    folder = cache() / "carbon"
    if not (folder / "bin" / "carbon-cache.py").exists():
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            [str(folder / "bin" / "pip"), "install", "--quiet", "carbon", "whisper"],
        ):
            if subprocess.run(command, check=False, timeout=300).returncode:
                return None
    return folder


def free_ports(number: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class RunningCarbon:
    """``carbon-cache`` with its files in a folder; a context manager that ends it.

    Its ports stay the same over ``kill`` and ``start``.
    """

    def __init__(self, python: Path, folder: Path, step: int = 1):
        self.python = python
        self.folder = folder
        self.line_port, self.pickle_port, self._query_port = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None
        conf = folder / "conf"
        for one in (conf, folder / "log", folder / "whisper", folder / "lists"):
            one.mkdir(parents=True)
        (conf / "carbon.conf").write_text(
            CARBON_CONF.format(
                folder=folder, line=self.line_port, pickle=self.pickle_port, query=self._query_port
            )
        )
        (conf / "storage-schemas.conf").write_text(f"[all]\npattern = .*\nretentions = {step}s:1d\n")
        (conf / "storage-aggregation.conf").write_text(
            "[all]\npattern = .*\nxFilesFactor = 0\naggregationMethod = last\n"
        )

    def __enter__(self) -> RunningCarbon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until it listens."""
        command = [
            str(self.python / "bin" / "python"),
            str(self.python / "bin" / "carbon-cache.py"),
            "--nodaemon",
            f"--config={self.folder}/conf/carbon.conf",
            "start",
        ]
        with open(self.folder / "console.log", "ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "GRAPHITE_ROOT": str(self.folder)},
            )
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"carbon did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as an outage."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM: it writes its cache to disk before it ends."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP and SIGCONT, for one."""
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "console.log").read_text(errors="replace")

    def values(self) -> dict[str, list[tuple[int, float]]]:
        """Everything in its whisper files: path to time and value, read by whisper itself."""
        command = [str(self.python / "bin" / "python"), "-c", READER, str(self.folder / "whisper")]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
        return {name: [(time, value) for time, value in points] for name, points in found.items()}

    def total(self, path: str) -> float:
        """The sum over all times of one path; 0 where there is no file."""
        return sum(value for _, value in self.values().get(path, []))

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.line_port), 1):
                return True
        except OSError:
            return False
