"""The process that ``test_kill`` kills: ``python -m tests.journal.kill_child FOLDER ROUND``.

Many appenders on the real reactor, threads and disk.  Every number that is acknowledged is
written to standard output, one a line, at once; the kernel keeps that after the kill.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from metronome.journal.disk import FolderDisk
from metronome.journal.journal import FileJournal
from metronome.threads.thread import ThreadWorker

APPENDERS = 32
SEGMENT_BYTES = 64 << 10


def main(_: object, folder: str, turn: str) -> Deferred[None]:
    journal = FileJournal(
        FolderDisk(Path(folder)),
        ThreadWorker(reactor, "writer"),
        ThreadWorker(reactor, "reader"),
        reactor,
        segment_bytes=SEGMENT_BYTES,
        identity_source=lambda: "0" * 32,
    )

    def appender(name: int, number: int) -> None:
        """Append one or several numbered records, and again when they are acknowledged."""
        count = 1 + number % 3
        texts = [b"%s.%d.%d" % (turn.encode(), name, number + part) for part in range(count)]
        done = journal.append(1, [text + b" " * (name * 7) for text in texts])

        def synced(_: list[int]) -> None:
            os.write(1, b"\n".join(texts) + b"\n")
            reactor.callLater(0, appender, name, number + count)

        done.addCallback(synced)

    def started(_: None) -> Deferred[None]:
        for name in range(APPENDERS):
            appender(name, 0)
        return Deferred()

    return journal.start().addCallback(started)


if __name__ == "__main__":
    react(main, sys.argv[1:])
