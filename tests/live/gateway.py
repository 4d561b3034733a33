"""A real gateway process on free ports, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

Result = TypeVar("Result")

FREE_PORTS = {
    "statsd": ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"],
    "graphite": ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"],
    "pickle": ["tcp://127.0.0.1:0"],
    "admin": ["tcp://127.0.0.1:0"],
    "http": ["tcp://127.0.0.1:0"],
}
START_SECONDS = 20
STOP_SECONDS = 15


class RunningGateway:
    """``twistd -n metronome`` in a data directory; a context manager that stops it.

    ``options`` are options by name, a list for those that take many; they come on top of
    free ports for every receiver and a flush interval of a second.
    """

    def __init__(self, data_dir: Path, **options: str | list[str]):
        self.data_dir = data_dir
        self.options: dict[str, str | list[str]] = {**FREE_PORTS, "flush_interval": "1", **options}
        self.environment: Mapping[str, str] = {}
        self.patience: float = START_SECONDS
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningGateway:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    @property
    def log(self) -> str:
        """What it has written."""
        path = self.data_dir.parent / f"{self.data_dir.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start and wait until it listens."""
        arguments = ["--data-dir", str(self.data_dir)]
        for name, values in self.options.items():
            for value in [values] if isinstance(values, str) else values:
                arguments += [f"--{name.replace('_', '-')}", value]
        twistd = Path(sys.executable).with_name("twistd")
        command = [str(twistd), "-n", "--pidfile=", "metronome", *arguments]
        with open(self.data_dir.parent / f"{self.data_dir.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        until = time.monotonic() + self.patience
        while not self.addresses():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the gateway did not start:\n{self.log[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        (self.data_dir / "addresses.json").unlink(missing_ok=True)

    def addresses(self) -> dict[str, list[str]]:
        """Where it listens; nothing while it does not."""
        path = self.data_dir / "addresses.json"
        found: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def port(self, option: str, transport: str) -> int:
        """The bound port of one receiver."""
        for address in self.addresses()[option]:
            parts = urlsplit(address)
            if parts.scheme == transport and parts.port:
                return parts.port
        raise LookupError(f"{option} has no {transport}")

    @property
    def url(self) -> str:
        """The address of its HTTP server."""
        return f"http://127.0.0.1:{self.port('http', 'tcp')}"

    @property
    def token(self) -> str:
        """The owner's token."""
        return (self.data_dir / "owner.token").read_text().strip()

    def request(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        **query: object,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a request with the owner's token."""
        url = self.url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        request = urllib.request.Request(url, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def get(self, path: str, **query: object) -> Any:
        """The JSON answer of a reading endpoint."""
        status, _, body = self.request(path, **query)
        assert status == 200, (status, body)
        return json.loads(body)

    def total(self, name: str, stat: str = "n", **query: object) -> float:
        """A stat of a series over the last day, added up."""
        answer = self.get(
            "/streams/main/points", name=name, stat=stat, **{"from": "-1d", "step": 86400, **query}
        )
        return float(sum(value for group in answer["groups"] for _, value in group["values"]))


def eventually(
    ask: Callable[[], Result], wanted: Callable[[Result], bool], seconds: float = 20, pause: float = 0.1
) -> Result:
    """Ask until the answer is as wanted; the last answer in any case."""
    until = time.monotonic() + seconds
    answer = ask()
    while not wanted(answer) and time.monotonic() < until:
        time.sleep(pause)
        answer = ask()
    return answer
