"""What statsd's lines of a flush of 100,000 series take, and what is kept of a series."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from metronome.fold.roster import Roster
from metronome.fold.statsd import Naming
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.rollup_lines import RuleLines
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import TWIN, Table
from metronome.kernel.interface import Dialect
from metronome.model import Batch, Flushed, Record
from metronome.wire import records
from tests.bench import Figure

SERIES = 100_000
ROUNDS = 5
PERIOD = 10.0

KINDS = {
    "counters": b"app.host%02d.requests.name%06d:1|c",
    "counters with tags": b"app.requests%06d:3|c|#host:web%02d,code:200",
    "timers of 5 samples": b"app.host%02d.time.name%06d:3:5:8.5:1:2|ms",
    "gauges": b"app.host%02d.load.name%06d:0.731|g",
    "silent counters": b"",
}


class Taken(NamedTuple):
    """CPU seconds of a flush, and the longest step."""

    seconds: float
    step: float
    lines: int


def batches(line: bytes, start: int) -> Iterator[Batch]:
    """A flush as consumers get it, each record by itself; its period begins at ``start`` ms."""
    table = Table()
    some = [line % (n % 77, n) if line else b"" for n in range(SERIES)]
    for begin in range(0, SERIES, 500):
        table.feed_statsd(b"\n".join(some[begin : begin + 500]), Dialect())
    position = start
    for piece in records.split(table.flush(start, PERIOD)):
        content = records.decode(records.KIND_PARTS, records.encode_parts("main", piece, flush=start))
        yield Batch("g", [Record(position, content)], position + 1)
        position += 1
    yield Batch("g", [Record(position, Flushed("main", start, PERIOD))], position + 1)


def drain(lines: Lines, flush: list[Batch]) -> Taken:
    """Take all chunks of a flush, and see how long the longest has taken."""
    began = time.process_time()
    longest, count = 0.0, 0
    for batch in flush:
        chunks = lines.chunks(batch)
        while True:
            before = time.perf_counter()
            chunk = next(chunks, None)
            longest = max(longest, time.perf_counter() - before)
            if chunk is None:
                break
            count += chunk.lines
    return Taken(time.process_time() - began, longest, count)


def measure() -> Iterator[Figure]:
    """Known series, flush after flush; the best of some rounds."""
    for what, line in KINDS.items():
        for form in ("tcp", "pickle")[: 2 if what == "counters" else 1]:
            roster = Roster()
            lines = Lines("main", Naming(), ENCODINGS[form], RuleLines("x", Telemetry()), roster=roster)
            first = drain(lines, list(batches(line or KINDS["counters"], 1_700_000_000_000)))
            taken = [
                drain(lines, list(batches(line, 1_700_000_000_000 + (n + 1) * 10_000))) for n in range(ROUNDS)
            ]
            best = min(taken)
            step = min(one.step for one in taken) * 1000
            note = f"{best.lines:,} lines, {TWIN}; longest step {step:.1f} ms"
            yield Figure(f"flush of {SERIES:,} {what} to {form}", best.seconds * 1000, "ms CPU", note)
            if what == "counters" and form == "tcp":
                yield Figure("the first flush of them", first.seconds * 1000, "ms CPU", "all series are new")
                note = f"and {roster.memory / SERIES:.0f} in the roster"
                yield Figure("kept of a series", lines.memory / SERIES, "bytes", note)
