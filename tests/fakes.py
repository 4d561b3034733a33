"""Stand-ins that behave: in-memory twins that only tests need.  Fakes, never mocks."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from metronome.journal.journal import FileJournal
from metronome.journal.memory_disk import MemoryDisk
from metronome.limits import JOURNAL_BYTES
from metronome.threads.memory import ImmediateWorker


def memory_journal(
    clock: IReactorTime, disk: MemoryDisk | None = None, budget: int = JOURNAL_BYTES
) -> FileJournal:
    """A real journal on a disk in memory, without threads; call ``start()`` as always.

    An append is synced, and its Deferred fires, in the clock's next turn: with a ``Clock``
    that is ``clock.advance(0)``.  Faults are those of the ``MemoryDisk`` handed in.
    """
    return FileJournal(
        disk or MemoryDisk(),
        ImmediateWorker(),
        ImmediateWorker(),
        clock,
        budget=budget,
        identity_source=lambda: "0123456789abcdef0123456789abcdef",
    )
