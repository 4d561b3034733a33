"""How fast and how small the DuckDB store is: ``python -m tests.bench.store``.

Each figure comes from a child process of its own.  The data: counters with four labels,
10,000 series by 1,000 steps of 10 s, written as a gateway's writer does when it has to catch
up: records of ``ROWS_PER_RECORD`` rows, ``READ_BYTES`` of them to a batch.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np

from metronome.limits import READ_BYTES
from metronome.model import Batch, Columns, Kind, Parts, Record, Selection, Series, series_key
from metronome.store import open_store
from metronome.store.duckdb import FILE
from metronome.store.interface import Retention, Rung, Store
from metronome.threads.memory import ImmediateWorker
from metronome.wire.records import Row, columns_of, encode_parts, split
from tests.store.build import identity
from tests.store.child import finish

STEP = 10_000
BEGIN = 1_700_000_000_000 // 3_600_000 * 3_600_000
FOREVER = Retention((Rung(10, 10**9), Rung(60, 10**9)))


def opened(folder: Path) -> Store:
    store = open_store("duckdb:", data_dir=folder, worker=ImmediateWorker())
    finish(store.start())
    return store


def template(series: int) -> Columns:
    """One flush of so many counters with four labels."""
    rows = []
    for number in range(series):
        labels = (
            ("country", f"c{number % 50}"),
            ("host", f"host{number // 100}"),
            ("path", f"/page/{number % 100}"),
            ("status", str(200 + number % 5)),
        )
        key = series_key(Series(f"http.requests{number // 1000}", labels, Kind.COUNTER))
        rows.append(Row(key, identity(key), Kind.COUNTER, BEGIN, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 0.0, ()))
    return columns_of(rows)


def write(folder: Path, series: int, steps: int) -> dict[str, float]:
    """Write everything; batches prepared beforehand do not count."""
    flush, random = template(series), np.random.default_rng(1)
    store = opened(folder)
    spent, slowest, position = 0.0, 0.0, 0
    records: list[Record] = []
    for step in range(steps):
        n = random.poisson(20, series).astype(np.float64)
        times = np.full(series, BEGIN + step * STEP)
        columns = replace(flush, times=times, n=n, d=n, low=n, high=n, counts=n.astype(np.uint32))
        for piece in split(columns):
            records.append(Record(position, Parts("main", piece)))
            position += len(encode_parts("main", piece))
        if position - records[0].position < READ_BYTES and step + 1 < steps:
            continue
        began = time.perf_counter()
        finish(store.write(Batch("gateway", records, position)))
        took = time.perf_counter() - began
        spent, slowest, records = spent + took, max(slowest, took), []
    began = time.perf_counter()
    finish(store.stop())
    return {
        "rows per second": series * steps / spent,
        "slowest batch, ms": slowest * 1000,
        "stop, ms": (time.perf_counter() - began) * 1000,
        **size(folder, series * steps),
    }


def size(folder: Path, points: int) -> dict[str, float]:
    """Bytes of the file, and those of them in use: what is free is written again first."""
    total = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    figures = {"peak RSS, MB": peak(), "bytes": total, "bytes per point": total / points}
    with duckdb.connect(str(folder / FILE)) as connection:
        sizes = "SELECT block_size * used_blocks FROM pragma_database_size()"
        figures["bytes in use per point"] = connection.execute(sizes).fetchall()[0][0] / points
    return figures


def peak() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def now_rss() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


def idle(folder: Path, series: int, steps: int) -> dict[str, float]:
    """Open the store and do nothing."""
    before = now_rss()
    began = time.perf_counter()
    store = opened(folder)
    took = time.perf_counter() - began
    assert store.statistics()["parts"] > 0
    return {"open, ms": took * 1000, "RSS before, MB": before, "RSS open, MB": now_rss()}


def read(folder: Path, series: int, steps: int) -> dict[str, float]:
    """The first answer with the file not in the page cache, then the median of ten."""
    span = {"start": BEGIN, "end": BEGIN + steps * STEP}
    one = Selection("main", "http.requests3", (("host", "host33"), ("path", "/page/7")), **span)
    many = Selection("main", "http.requests3", **span)
    questions: dict[str, tuple[Selection, int, tuple[str, ...] | None]] = {
        "one series": (one, STEP, None),
        "1,000 series by status": (many, STEP, ("status",)),
        "1,000 series by status, step 60 s": (many, 60_000, ("status",)),
        "everything by country, step 60 s": (Selection("main", "*", **span), 60_000, ("country",)),
    }
    figures = {}
    for title, (selection, step, by) in questions.items():
        out_of_cache(folder)
        store = opened(folder)
        took = []
        for _ in range(11):
            began = time.perf_counter()
            groups = finish(store.fetch(selection, step, by)).groups
            took.append((time.perf_counter() - began) * 1000)
        figures[f"{title}: cold, ms"] = took[0]
        figures[f"{title}: warm, ms"] = sorted(took[1:])[5]
        figures[f"{title}: points"] = sum(len(group.times) for group in groups)
        began = time.perf_counter()
        finish(store.find(selection))
        figures[f"{title}: find, ms"] = (time.perf_counter() - began) * 1000
        finish(store.stop())
    return {**figures, "peak RSS, MB": peak()}


def out_of_cache(folder: Path) -> None:
    for file in folder.iterdir():
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def compact(folder: Path, series: int, steps: int) -> dict[str, float]:
    """A round of the ladder that merges everything into the first rung's steps."""
    store = opened(folder)
    began = time.perf_counter()
    done = finish(store.expire(BEGIN + steps * STEP + 30 * 86_400_000, {"main": FOREVER}))
    took = time.perf_counter() - began
    finish(store.stop())
    points = series * steps
    return {"rows per second": points / took, "rows merged away": done["merged"], **size(folder, points)}


MEASUREMENTS = {"write": write, "idle": idle, "read": read, "compact": compact}
ROUND = ("write", "idle", "read", "compact", "idle", "read")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=10_000)
    arguments.add_argument("--steps", type=int, default=1_000)
    arguments.add_argument("--one", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        print(json.dumps(MEASUREMENTS[options.one](options.folder, options.series, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for one in ROUND:
            command = [sys.executable, "-m", "tests.bench.store", "--one", one, "--folder", folder]
            command += ["--series", str(options.series), "--steps", str(options.steps)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(one)
            for title, figure in json.loads(answer).items():
                print(f"  {title:45} {figure:14,.1f}")


if __name__ == "__main__":
    main()
