"""Real Prometheus servers, for tests: the one that Debian has and the newest, built from its Go module."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.live.carbon import free_ports
from tests.live.tools import cache, which

NEWEST = "v0.316.0"
"""Version of the module of Prometheus 3.16, which receives remote write 2.0."""
START_SECONDS = 30
Labels = frozenset[tuple[str, str]]
"""The labels of a series, its name among them as ``__name__``."""


def debian() -> Path | None:
    """Debian's Prometheus (2.42 and later: remote write 1.0); None when it is not installed."""
    found = shutil.which("prometheus")
    return Path(found) if found else None


def newest() -> Path | None:
    """Prometheus 3, built without the service discoveries; None when it cannot be."""
    return _built("prometheus")


def promtool() -> Path | None:
    """Its promtool; None when it cannot be built."""
    return _built("promtool")


def _built(program: str) -> Path | None:
    if not which("go"):
        return None
    folder = cache() / "go" / f"prometheus-{NEWEST}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / program).exists():
        module = "github.com/prometheus/prometheus"
        # Required by hand: `go get` would ask for every cloud's client too.
        (folder / "go.mod").write_text(f"module live\n\ngo 1.25\n\nrequire {module} {NEWEST}\n")
        build = ["go", "build", "-mod=mod", "-tags", "remove_all_sd", "-ldflags", "-s -w", "-o", program]
        command = [*build, f"{module}/cmd/{program}"]
        if subprocess.run(command, check=False, cwd=folder, timeout=900).returncode:
            return None
    return folder / program


class RunningPrometheus:
    """A Prometheus server with its files in a folder; a context manager that ends it.

    It takes remote write at ``write_url``.  ``scrapes`` are jobs: name to address
    (``127.0.0.1:8080``) and bearer token, ``job_settings`` further lines of YAML for each of
    them.  Its port and its data stay over ``kill`` and ``start``.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        scrapes: Mapping[str, tuple[str, str]] | None = None,
        interval: str = "1s",
        job_settings: str = "",
        flags: tuple[str, ...] = (),
        settings: str = "",
    ):
        """``settings`` is YAML at the top of its configuration, ``flags`` are for its command line."""
        self.program = program
        self.folder = folder
        (self.port,) = free_ports(1)
        self.flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [_job(name, *place, job_settings) for name, place in (scrapes or {}).items()]
        jobs_text = "scrape_configs:\n" + "".join(jobs) if jobs else ""
        pace = f"global:\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\n"
        (folder / "prometheus.yml").write_text(pace + settings + jobs_text)

    def __enter__(self) -> RunningPrometheus:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """The address of its HTTP server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def write_url(self) -> str:
        """Where it takes remote write."""
        return f"{self.url}/api/v1/write"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "prometheus.log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it is ready."""
        command = [
            str(self.program),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-remote-write-receiver",
            *self.flags,
        ]
        with open(self.folder / "prometheus.log", "ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Prometheus did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as an outage."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str, **query: object) -> Any:
        """The ``data`` of an answer of its API."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urlencode(query, doseq=True)}") as answer:
            return json.load(answer)["data"]

    def query(self, expression: str, at: float | None = None) -> dict[Labels, float]:
        """The value of every series that an expression gives at one time (now)."""
        when = {} if at is None else {"time": at}
        data = self.ask("query", query=expression, **when)
        if data["resultType"] == "scalar":
            return {frozenset(): float(data["result"][1])}
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in data["result"]}

    def samples(self, selector: str, at: float, span: float) -> dict[Labels, list[tuple[float, float]]]:
        """The samples as they are stored, of the seconds (``span``) that end at a time."""
        data = self.ask("query", query=f"{selector}[{span:g}s]", time=at)
        return {
            frozenset(one["metric"].items()): [(float(when), float(text)) for when, text in one["values"]]
            for one in data["result"]
        }

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                return True
        except OSError:
            return False


def _job(name: str, address: str, token: str, settings: str) -> str:
    return (
        f"- job_name: {name}\n  authorization: {{credentials: {token}}}\n"
        f"  static_configs: [{{targets: ['{address}']}}]\n{settings}"
    )
