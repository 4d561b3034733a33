"""The converter in one run: rolling up by rules, memory, scrapes beside statsd_exporter, catching up."""

from __future__ import annotations

import socket
import tempfile
import time
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from metronome.fold.roster import Roster
from metronome.fold.rules import Book
from metronome.fold.statsd import Naming
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.rollup_lines import RuleLines
from metronome.gateway.shown import Board
from metronome.gateway.shown_groups import ShownGroups
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import TWIN
from metronome.model import Batch, Flushed, Parts
from tests.bench import Figure, catch_up
from tests.bench.converter import ROUNDS, SERIES, batches, drain
from tests.gateway.rule_kit import book
from tests.live import statsd_exporter
from tests.live.gateway import RunningGateway, eventually

RULE: Final = '[[rollup]]\nmatch = "app.*"\nby = ["code"]\ngraphite = "app.{code}"\nprometheus = "app"\n'
KEPT: Final = RULE.replace('["code"]', '["host", "code"]').replace("app.{code}", "app.{host}.{code}")
START: Final = 1_700_000_000_000
KINDS: Final = {
    "counters": b"app.requests:%d|c|#host:web%06d,code:200",
    "gauges": b"app.load:%d|g|#host:web%06d,code:200",
    "timers of 5 samples": b"app.time:%d:3:5:8.5:1|ms|#host:web%06d,code:200",
    "sets": b"app.who:%d|s|#host:web%06d,code:200",
}
SCRAPES: Final = (1_000, 10_000, 100_000)
TIMES: Final = 5

Work = Callable[[list[Batch]], float]
"""Does a flush; CPU seconds."""


def for_graphite(rules: Book) -> Work:
    """As a destination has it done."""
    lines = Lines("main", Naming(), ENCODINGS["tcp"], RuleLines("x", Telemetry()), roster=Roster())
    lines.use(rules)
    return lambda flush: drain(lines, flush).seconds


def for_prometheus(rules: Book) -> Work:
    """As ``/metrics`` has it done."""
    groups = ShownGroups(Board(()), Telemetry(), "x")
    groups.use(rules)

    def work(flush: list[Batch]) -> float:
        began = time.process_time()
        for batch in flush:
            for position, content in batch.records:
                if isinstance(content, Parts):
                    groups.keep(content)
                elif isinstance(content, Flushed):
                    for _ in groups.end(content, content.time / 1000, position, batch.end):
                        pass
        return time.process_time() - began

    return work


def rolled_up() -> Iterator[Figure]:
    """Known series of many hosts become one group, flush after flush; the best of some rounds."""
    for output, begin in (("Graphite", for_graphite), ("/metrics", for_prometheus)):
        for what, line in KINDS.items():
            work = begin(book(RULE))
            work(list(batches(line, START)))
            best = min(work(list(batches(line, START + (n + 1) * 10_000))) for n in range(ROUNDS))
            yield Figure(f"{what} rolled up for {output}", SERIES / best, "series/CPU s", TWIN)


def kept() -> Iterator[Figure]:
    """What each series takes that a rule folds away, and each group that it keeps."""
    for output, begin in (("Graphite", for_graphite), ("/metrics", for_prometheus)):
        for what, rule in (("series folded away", RULE), ("group kept", KEPT)):
            flushes = [list(batches(KINDS["counters"], START + n * 10_000)) for n in range(2)]
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            work = begin(book(rule))
            for flush in flushes:
                work(flush)
            taken = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            yield Figure(f"memory of a {what}, {output}", taken / SERIES, "bytes", f"of {SERIES:,} counters")


def scraped(url: str, pid: int) -> tuple[float, float, int]:
    """Seconds and CPU seconds of a scrape (the least of some), and how long the page is."""
    seconds, used, size = [], [], 0
    for _ in range(TIMES):
        before, began = catch_up.cpu(pid), time.perf_counter()
        # Several at a time: the system counts CPU time in hundredths.
        for _ in range(4):
            with urllib.request.urlopen(url, timeout=60) as answer:
                size = len(answer.read())
        seconds.append((time.perf_counter() - began) / 4)
        used.append((catch_up.cpu(pid) - before) / 4)
    return min(seconds), min(used), size


def load(port: int, number: int) -> None:
    """One sample for each of so many counters."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        lines = (f"app_requests_{one}:1|c|#code:200,host:web{one % 40}\n" for one in range(number))
        connection.sendall("".join(lines).encode())


def scrapes() -> Iterator[Figure]:
    """Both have the same counters, one behind the other."""
    for number in SCRAPES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _ours(Path(folder), number)
            if statsd_exporter.program():
                with statsd_exporter.RunningExporter(Path(folder), "mappings: []\n") as exporter:
                    load(exporter.port, number)
                    _wait(exporter.page, number)
                    yield from _figures("statsd_exporter", number, exporter.url, exporter.pid)


def _ours(folder: Path, number: int) -> Iterator[Figure]:
    file = folder / "metronome.toml"
    file.write_text("prometheus.public = true\n")
    with RunningGateway(folder / "var", config=str(file), flush_interval="5") as gateway:
        assert gateway.process is not None
        load(gateway.port("statsd", "tcp"), number)
        _wait(lambda: gateway.request("/metrics")[2].decode(), number)
        yield from _figures("Metronome", number, f"{gateway.url}/metrics", gateway.process.pid)


def _wait(page: Callable[[], str], number: int) -> None:
    """Until all counters are on it."""
    there = eventually(lambda: page().count("\napp_requests_"), lambda found: found == number, 60, 0.5)
    assert there == number


def _figures(who: str, number: int, url: str, pid: int) -> Iterator[Figure]:
    seconds, used, size = scraped(url, pid)
    note = f"{seconds * 1000:.0f} ms until it was there, {size:,} bytes"
    yield Figure(f"a scrape of {number:,} counters, {who}", used * 1000, "ms CPU", note)


def measure() -> Iterator[Figure]:
    yield from rolled_up()
    yield from kept()
    yield from scrapes()
    lines, seconds, used = catch_up.measured(catch_up.CASES[0])
    note = f"{used / lines * 1e6:.1f} CPU s a million lines, {lines:,} lines"
    yield Figure("catch-up of a Graphite destination", lines / seconds, "lines/s", note)
