"""How long a flush of 100,000 live series holds the reactor, native and pure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from metronome.gateway.checkpoint import Checkpoint, encode
from metronome.gateway.duplicates import Duplicates
from metronome.gateway.flusher import Flusher
from metronome.gateway.intake import Intake
from metronome.gateway.ledger import Ledger
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import _pure
from metronome.kernel.interface import Dialect
from metronome.model import Parts
from tests.bench import Figure

SERIES = 100_000
ROUNDS = 7


class _TakesAll:
    """A journal that takes everything at once: what is measured is the reactor's share."""

    identity = "0" * 32

    def unavailable(self) -> str:
        return ""

    def append(self, kind: int, payloads: list[bytes]) -> Deferred[list[int]]:
        done: Deferred[list[int]] = Deferred()
        done.callback([0] * len(payloads))
        return done


def kinds() -> dict[str, list[bytes]]:
    """Blocks of lines that touch every series once."""
    lines = {
        "counters": [b"app.host%d.requests.name%d:1|c|#zone:a,code:200" % (n % 40, n) for n in range(SERIES)],
        "timers of 3 samples": [b"app.host%d.time.name%d:3:5:8|ms" % (n % 40, n) for n in range(SERIES)],
    }
    return {
        what: [b"\n".join(some[begin : begin + 500]) for begin in range(0, SERIES, 500)]
        for what, some in lines.items()
    }


def held(make_table, blocks: list[bytes]) -> float:  # type: ignore[no-untyped-def]
    """The median time of ``Flusher.flush`` in ms."""
    clock, telemetry = Clock(), Telemetry()
    ledger = Ledger(telemetry, clock.seconds)
    journal = _TakesAll()
    duplicates = Duplicates(telemetry)
    intake = Intake(journal, ledger, telemetry, duplicates, clock, make_table)  # type: ignore[arg-type]
    flusher = Flusher(intake, journal, ledger, telemetry, clock, 10.0)  # type: ignore[arg-type]
    inlet = intake.inlet("bench", "main", Dialect())
    times = []
    for _ in range(ROUNDS):
        for block in blocks:
            inlet.statsd(block)
        began = time.perf_counter()
        flusher.flush()
        times.append((time.perf_counter() - began) * 1000)
        clock.advance(0)
    return statistics.median(times[1:])


def checkpoint(blocks: list[bytes]) -> tuple[float, float]:
    """What a checkpoint takes of the reactor and of its worker, in ms (medians)."""
    from metronome.kernel import _fast

    table = _fast.Table()
    reactor, worker = [], []
    for _ in range(ROUNDS):
        for block in blocks:
            table.feed_statsd(block, Dialect())
        began = time.perf_counter()
        columns = table.snapshot(0, 10.0)
        taken = time.perf_counter()
        encode(Checkpoint(0, 0, 10.0, [Parts("main", columns, (), 0)]))
        reactor.append((taken - began) * 1000)
        worker.append((time.perf_counter() - taken) * 1000)
        table.flush(0, 10.0)
    return statistics.median(reactor[1:]), statistics.median(worker[1:])


def measure() -> Iterator[Figure]:
    from metronome.kernel import _fast

    for what, blocks in kinds().items():
        native = held(_fast.Table, blocks)
        pure = held(_pure.Table, blocks)
        yield Figure(f"flush of {SERIES:,} {what}, native", native, "ms")
        yield Figure(f"flush of {SERIES:,} {what}, pure", pure, "ms", f"{pure / native:.1f} x native")
        reactor, worker = checkpoint(blocks)
        yield Figure(
            f"checkpoint of {SERIES:,} {what}, each second", reactor, "ms", f"and {worker:.1f} ms beside"
        )
