"""A journal with everything around it in memory, moved by hand."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from metronome.journal.disk import Disk
from metronome.journal.interface import Entry
from metronome.journal.journal import FileJournal
from metronome.journal.memory_disk import MemoryDisk
from metronome.limits import JOURNAL_BYTES, SEGMENT_BYTES
from metronome.threads.memory import MemoryWorker

IDENTITY = "00112233445566778899aabbccddeeff"


class World:
    """One process over a disk.  ``restart`` is the next process over the same disk."""

    def __init__(
        self,
        disk: Disk | None = None,
        budget: int = JOURNAL_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        recent: int = 0,
    ):
        """What was written is read from the disk, unless ``recent`` bytes of it are kept."""
        self.disk = MemoryDisk() if disk is None else disk
        self.budget = budget
        self.segment_bytes = segment_bytes
        self.recent = recent
        self.boot()

    def boot(self) -> None:
        """A new process: nothing in memory is left of the last one."""
        self.clock = Clock()
        self.writer, self.reader = MemoryWorker(), MemoryWorker()
        self.journal = FileJournal(
            self.disk,
            self.writer,
            self.reader,
            self.clock,
            budget=self.budget,
            segment_bytes=self.segment_bytes,
            recent=self.recent,
            identity_source=lambda: IDENTITY,
        )

    def settle(self) -> None:
        """Do all that is to be done now; later than now is ``clock.advance``."""
        moved = True
        while moved:
            self.clock.advance(0)
            moved = self.writer.run_all() + self.reader.run_all() > 0

    def result(self, deferred: Deferred[Any]) -> Any:
        """What it fires with; its failure is raised."""
        self.settle()
        box: list[Any] = []
        deferred.addBoth(box.append)
        if not box:
            raise AssertionError("it has not fired")
        if hasattr(box[0], "raiseException"):
            box[0].raiseException()
        return box[0]

    def start(self) -> World:
        self.result(self.journal.start())
        return self

    def restart(self) -> World:
        self.boot()
        return self.start()

    def append(self, *payloads: bytes, kind: int = 1) -> list[int]:
        positions: list[int] = self.result(self.journal.append(kind, payloads))
        return positions

    def read(self, position: int = 0, most: int = 1 << 20) -> list[Entry]:
        entries: list[Entry] = self.result(self.journal.read(position, most))
        return entries

    def payloads(self, position: int = 0, most: int = 1 << 20) -> list[bytes]:
        return [entry.payload for entry in self.read(position, most)]
