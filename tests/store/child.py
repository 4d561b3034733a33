"""A process that writes to a store until it is killed: ``python -m tests.store.child FOLDER``.

Batch after batch from where the store stands, every record a counter row of n = 1 and an
event with its own deduplication id; now and then a round of the ladder.  With a second
argument it lets no file grow beyond so many bytes, as a full disk would, says so when the
store gives up, lifts the limit and goes on for ten batches.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from twisted.python.failure import Failure

from metronome.errors import StoreUnavailable
from metronome.model import Batch
from metronome.store import open_store
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.store.build import RECORD, batch, counter, events, happened, parts

PAIRS = 4
"""Records of parts, and of events, in a batch."""
ROWS = 50
SLOT = 60_000


def opened(folder: Path) -> Store:
    store = open_store("duckdb:", data_dir=folder, worker=ImmediateWorker(), memory_limit=100_000_000)
    finish(store.start())
    return store


def finish(deferred: Any) -> Any:
    """The result of a Deferred that has fired."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def batch_at(position: int) -> Batch:
    """The batch that begins at a position: always the same one."""
    contents = []
    for number in range(position // RECORD, position // RECORD + PAIRS):
        time = number * SLOT
        contents.append(parts(*(counter("c", time + row, 1, host=str(row % 7)) for row in range(ROWS))))
        contents.append(events(happened(time, eid=str(number), received=time, message="x" * 200)))
    return batch("g", *contents, begin=position)


def position_of(store: Store) -> int:
    return int(finish(store.applied()).get("g", 0))


def write_on(store: Store, batches: int) -> None:
    position = position_of(store)
    for _ in range(batches):
        written = batch_at(position)
        finish(store.write(written))
        position = written.end
        if position // RECORD % (10 * PAIRS) == 0:
            finish(store.expire(position // RECORD * SLOT, {}))
            print(position, flush=True)


def main() -> None:
    store = opened(Path(sys.argv[1]))
    print(position_of(store), flush=True)
    if len(sys.argv) < 3:
        write_on(store, 1 << 30)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), unlimited[1]))
    try:
        write_on(store, 1 << 30)
    except StoreUnavailable:
        print("unavailable", finish(store.health()).state, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    write_on(store, 10)
    finish(store.stop())


if __name__ == "__main__":
    main()
