"""Datagrams that a gateway loses while it flushes 100,000 series, collects garbage and answers slowly.

The gateway is a process as it always is, but for a thread that holds three million objects and has
Python collect them again and again; somebody else asks over HTTP for all series and all points,
over and over.  The load is one line a datagram.  Of what the server says of itself nothing is taken
on trust: lines are counted in the store.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.bench import Figure
from tests.bench.peers.tools import built
from tests.live.gateway import RunningGateway, eventually

SERIES = 100_000
RATE = 100_000
SECONDS = 5.0
OBJECTS = 3_000_000
CATCH_UP = 0.5
"""Seconds for which the load may be without a core and still come to its rate."""
REQUESTS = ("/streams/main/points?name=*&by=*&from=-10m&step=60", "/streams/main/series?match=*", "/metrics")

COLLECTING = """\
import gc, json, threading, time

def collect():
    kept = [[number] for number in range({objects})]
    number, longest = 0, 0.0
    while True:
        began = time.monotonic()
        gc.collect()
        number, longest = number + 1, max(longest, time.monotonic() - began)
        with open({told!r}, "w") as file:
            json.dump([number, longest], file)
        time.sleep(0.2)

threading.Thread(target=collect, daemon=True).start()
"""


class Outcome(NamedTuple):
    """What became of the load, and what the process did meanwhile."""

    sent: int
    counted: float
    dropped: float
    shed: float
    seconds: float
    flushes: int
    collections: int
    longest_collection: float
    requests: int
    longest_request: float
    widened: bool
    """Whether the system allowed the receive buffer that was asked for."""


class Asking(threading.Thread):
    """Asks for much, over and over."""

    def __init__(self, gateway: RunningGateway, requests: Sequence[str]):
        super().__init__(daemon=True)
        self._gateway = gateway
        self._requests = requests
        self._ended = threading.Event()
        self.number = 0
        self.longest = 0.0

    def run(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            self._gateway.request(self._requests[self.number % len(self._requests)])
            self.longest = max(self.longest, time.monotonic() - began)
            self.number += 1

    def end(self) -> None:
        """Asks no more; returns when the last answer is here."""
        self._ended.set()
        self.join(60)


def metric(gateway: RunningGateway, name: str, **labels: str) -> float:
    """A number that the gateway tells of itself, added up over what is not said."""
    page = gateway.request("/metrics")[2].decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def load(port: int, lines: int, rate: float, names: int, prefix: str) -> tuple[int, float]:
    """Send lines, one a datagram, as many a second as said, over all; how many, and how long it took."""
    words = ["-p", port, "-n", lines, "-r", int(rate), "-k", names, "-x", prefix, "-b", 8, "-l", CATCH_UP]
    done = subprocess.run([built("generate"), *map(str, words)], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return int(told["lines"]), float(told["seconds"])


@contextmanager
def busy(folder: Path, objects: int) -> Iterator[tuple[RunningGateway, Path]]:
    """A gateway that collects garbage all the time, and the file that tells of it."""
    told = folder / "collections.json"
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(COLLECTING.format(objects=objects, told=str(told)))
    gateway = RunningGateway(folder / "data", graphite="", pickle="", admin="", store="memory:")
    path = os.pathsep.join([str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    gateway.environment = {"PYTHONPATH": path.rstrip(os.pathsep)}
    with gateway:
        yield gateway, told


def outcome(
    rate: float = RATE,
    seconds: float = SECONDS,
    series: int = SERIES,
    objects: int = OBJECTS,
    requests: Sequence[str] = REQUESTS,
) -> Outcome:
    """Load a busy gateway for a while."""
    with tempfile.TemporaryDirectory() as folder, busy(Path(folder), objects) as (gateway, told):
        port = gateway.port("statsd", "udp")
        load(port, series, rate / 2, series, "many")
        assert eventually(lambda: metric(gateway, "metronome_series"), lambda number: number >= series)
        asking, stop = Asking(gateway, requests), threading.Event()
        keeping = threading.Thread(target=_keep_alive, args=(port, series, stop))
        flushes = metric(gateway, "metronome_flushes_total")
        asking.start()
        keeping.start()
        sent, took = load(port, int(rate * seconds), rate, 1000, "sent")
        stop.set()
        keeping.join(60)
        asking.end()
        counted = eventually(lambda: gateway.total("sent.*"), lambda number: number >= sent)
        collections, longest = json.loads(told.read_text())
        return Outcome(
            sent,
            counted,
            metric(gateway, "metronome_datagrams_dropped_total"),
            metric(gateway, "metronome_shed_total"),
            took,
            int(metric(gateway, "metronome_flushes_total") - flushes),
            collections,
            longest,
            asking.number,
            asking.longest,
            "receive buffer of" not in gateway.log,
        )


def _keep_alive(port: int, series: int, stop: threading.Event) -> None:
    """Touch every series now and then, so that each flush has all of them; 30 lines a datagram."""
    while not stop.is_set():
        words = ["-p", port, "-n", series, "-r", series, "-k", series, "-x", "many", "-z", 1400]
        subprocess.run([built("generate"), *map(str, words)], check=True, capture_output=True)


def measure() -> Iterable[Figure]:
    """One run at the full rate; the load is a little late at its end, and makes up for it before."""
    found = outcome(1.02 * RATE)
    rate = found.sent / found.seconds
    yield Figure("datagrams sent", found.sent, "", f"{rate:,.0f} a second for {found.seconds:.1f} s")
    yield Figure("counted in the store", found.counted, "")
    buffer = "" if found.widened else "the receive buffer is smaller than asked for"
    yield Figure("dropped by the system", found.dropped, "", buffer)
    yield Figure("shed by the kernel's backlog", found.shed, "")
    yield Figure(f"flushes of {SERIES:,} series meanwhile", found.flushes, "")
    yield Figure("collections since the start", found.collections, "", f"{OBJECTS:,} objects each")
    yield Figure("longest collection", found.longest_collection * 1000, "ms")
    yield Figure("HTTP answers meanwhile", found.requests, "")
    yield Figure("longest HTTP answer", found.longest_request * 1000, "ms")
