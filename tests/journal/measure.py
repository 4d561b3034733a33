"""Figures of the journal on a real disk: ``python -m tests.journal.measure [seconds]``.

Prints, for 1 and 64 appenders that each append the next 200-byte record when the last one
is acknowledged: appends a second, latency, records in a group, and processor time of the
reactor's thread for an append (with the appender itself); then the speed of reading back and
the time to start.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.task import react

from metronome.journal.disk import FolderDisk
from metronome.journal.journal import FileJournal
from metronome.limits import READ_BYTES
from metronome.threads.thread import ThreadWorker

RECORD = bytes(range(200))
reactor: Any = _reactor


def journal_in(folder: Path) -> FileJournal:
    """The journal as the service builds it."""
    writer, reader = ThreadWorker(reactor, "writer"), ThreadWorker(reactor, "reader")
    return FileJournal(FolderDisk(folder), writer, reader, reactor, identity_source=lambda: "0" * 32)


def appender(journal: FileJournal, until: float, latencies: list[float]) -> Deferred[None]:
    """One closed loop; fires when it has seen ``until``."""
    ended: Deferred[None] = Deferred()

    def go() -> None:
        began = time.perf_counter()

        def synced(_: list[int]) -> None:
            latencies.append(time.perf_counter() - began)
            # As a client does: the next request comes in another turn of the reactor.
            again: Callable[[], Any] = go if time.perf_counter() < until else lambda: ended.callback(None)
            reactor.callLater(0, again)

        journal.append(1, [RECORD]).addCallback(synced)

    go()
    return ended


@inlineCallbacks
def measure(_: Any, seconds: float) -> Any:
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        journal = journal_in(folder)
        yield journal.start()
        for appenders in (1, 64):
            latencies: list[float] = []
            before = journal.statistics()
            began, spent = time.perf_counter(), time.thread_time()
            until = began + seconds
            yield DeferredList([appender(journal, until, latencies) for _ in range(appenders)])
            took, spent = time.perf_counter() - began, time.thread_time() - spent
            after = journal.statistics()
            records = after["appended_records"] - before["appended_records"]
            group = records / (after["syncs"] - before["syncs"])
            latencies.sort()
            print(
                f"{appenders:3} appenders: {records / took:8.0f} appends/s, {group:5.1f} in a group,"
                f" latency median {latencies[len(latencies) // 2] * 1e3:.2f} ms"
                f" p99 {latencies[len(latencies) * 99 // 100] * 1e3:.2f} ms,"
                f" reactor {spent / records * 1e6:.1f} us an append"
            )
        yield journal.append(1, [RECORD] * 20_000)
        yield DeferredList([journal.append(2, [bytes(1 << 20)]) for _ in range(40)])
        yield read_all(journal, 200_000)
        yield journal.stop()
        journal = journal_in(folder)
        began = time.perf_counter()
        yield journal.start()
        print(f"start with {journal.size / 1e6:.0f} MB: {(time.perf_counter() - began) * 1e3:.0f} ms")
        yield journal.stop()


@inlineCallbacks
def read_all(journal: FileJournal, most: int) -> Any:
    """Read from the beginning to the end; prints how fast."""
    position = count = 0
    began = time.perf_counter()
    while position < journal.synced_end:
        entries = yield journal.read(position, READ_BYTES)
        position = entries[-1].end
        count += len(entries)
    took = time.perf_counter() - began
    print(f"read back {count} records, {position / 1e6:.0f} MB: {position / took / 1e6:.0f} MB/s")


if __name__ == "__main__":
    react(measure, (float(sys.argv[1]) if len(sys.argv) > 1 else 2.0,))
