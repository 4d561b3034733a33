"""The journal over a disk: gather, hand to the writer, answer; everything in the reactor.

The three parties share no memory.  The reactor keeps the books (what waits, where the
journal ends, which segments there are) and hands immutable values to the workers; their
jobs (``writing``, ``reading``, ``opening``) touch the disk only and answer with values.

**Group commit.**  Appends of one reactor turn gather; the next turn hands them to the
writer as one group: one write, one fsync.  What is appended meanwhile is the next group,
which starts when this one is done, or on a slow disk a moment later (``company``).

**A disk that refuses** makes the journal unwritable: the group and what has gathered
behind it fail, new appends fail at once, and a probe by the clock finds out when to go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import Final, NamedTuple

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import JournalUnavailable
from metronome.journal.company import Company
from metronome.journal.cursors import CURSORS, Cursors
from metronome.journal.disk import Disk, put
from metronome.journal.format import KINDS, bytes_of
from metronome.journal.interface import Entry
from metronome.journal.opening import Opened, open_folder
from metronome.journal.reading import DamageBook, Found, read_entries
from metronome.journal.recent import Recent
from metronome.journal.segments import Segments, name_of
from metronome.journal.writing import Tail, Written, probe, write_group
from metronome.limits import (
    CURSOR_SECONDS,
    GROUP_BYTES,
    JOURNAL_BYTES,
    PROBE_SECONDS,
    RECENT_BYTES,
    RECENT_SECONDS,
    RECORD_BYTES,
    SEGMENT_BYTES,
)
from metronome.threads.interface import Worker

_log: Final = Logger()


class _Append(NamedTuple):
    """One call of ``append``, or, without payloads, a barrier."""

    kind: int
    payloads: Sequence[bytes]
    size: int
    done: Deferred[list[int]]


class FileJournal:
    """The ``Journal`` (see ``interface``) in one folder.

    ``writer`` and ``reader`` are two workers of its own: ``stop`` stops them.  ``budget``
    and ``segment_bytes`` are bytes; a segment is never more than a quarter of the budget
    unless one append is.  Of what is written, ``recent`` bytes stay in memory for a moment, for
    those who read along.  ``identity_source`` gives 32 hexadecimal digits when the
    folder is new.
    """

    def __init__(
        self,
        disk: Disk,
        writer: Worker,
        reader: Worker,
        clock: IReactorTime,
        *,
        budget: int = JOURNAL_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        recent: int = RECENT_BYTES,
        identity_source: Callable[[], str],
    ):
        self.identity = ""
        self._disk = disk
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._budget = budget
        self._segment_bytes = min(segment_bytes, budget // 4)
        self._identity_source = identity_source
        self._down = "the journal is not started"
        self._refusal = ""
        self._gathered: deque[_Append] = deque()
        self._waiting_bytes = 0
        self._writing = False
        self._group: list[_Append] = []
        self._rotate = False
        self._company = Company(clock)
        self._commit_call: IDelayedCall | None = None
        self._probe_call: IDelayedCall | None = None
        self._save_call: IDelayedCall | None = None
        self._recent = Recent(recent)
        self._recent_call: IDelayedCall | None = None
        self._tail = Tail(0, 0)
        self._segments = Segments({0: 0})
        self._cursors = Cursors({})
        self._damage = DamageBook()
        self._changes: list[Deferred[None]] = []
        self._counts = dict.fromkeys(
            ("appended_records", "appended_bytes", "syncs", "torn_bytes", "refused"), 0
        )

    # --- start and stop -------------------------------------------------------------------

    def start(self) -> Deferred[None]:
        """Open or create, cut a torn tail, load the cursors."""
        opening = self._writer.do(lambda: open_folder(self._disk, self._identity_source))
        return opening.addCallback(self._opened)

    def _opened(self, opened: Opened) -> None:
        self.identity = opened.identity
        self._tail = opened.tail
        self._segments = Segments(opened.sizes)
        self._cursors = Cursors(opened.cursors)
        self._counts["torn_bytes"] += opened.torn_bytes
        if opened.torn_bytes:
            _log.warn("journal: cut a torn tail of {bytes} bytes", bytes=opened.torn_bytes)
        if opened.cursors_damage:
            _log.error(
                "journal: {file} is damaged ({why}); every consumer begins at the oldest record",
                file=CURSORS,
                why=opened.cursors_damage,
            )
        self._enter(Found([], opened.damages))
        self._down = ""
        if opened.failure:
            self._broken(opened.failure, [])
        # Nothing is deleted yet: pins ended with the last process, and who takes up its work may
        # want to look behind the cursors.

    def stop(self) -> Deferred[None]:
        """Sync what was appended, save the cursors, close, and stop both workers."""
        done = self.barrier()
        self._down = "the journal is stopped"
        if self._commit_call:
            self._commit_call.cancel()
            self._commit()
        return done.addCallback(self._close)

    def _close(self, _: None) -> Deferred[None]:
        if self._probe_call:
            self._probe_call.cancel()
            self._probe_call = None
        if self._save_call:
            self._save_call.cancel()
            self._save()
        if self._recent_call:
            self._recent_call.cancel()
        self._writer.do(self._disk.close).addErrback(_log_refusal, "the file cannot be closed")
        return self._writer.stop().addCallback(lambda _: self._reader.stop())

    # --- appending ------------------------------------------------------------------------

    def append(self, kind: int, payloads: Sequence[bytes]) -> Deferred[list[int]]:
        """Append records; fires with their positions once they are synced to disk.

        A kind or a record beyond the format is a bug of the caller: ``ValueError``.
        """
        if not 0 <= kind < KINDS or any(len(payload) > RECORD_BYTES for payload in payloads):
            raise ValueError(f"kind {kind}, {len(payloads)} records: not what a record can hold")
        size = bytes_of(payloads)
        if refusal := self._down or self._refusal:
            return self._refuse("journal_unwritable", refusal)
        if self.size + self._waiting_bytes + size > self._budget:
            return self._refuse("journal_full", f"{self.size} of {self._budget} bytes used")
        return self._gather(kind, payloads, size)

    def barrier(self) -> Deferred[None]:
        """Fires when everything appended before this call is synced, or has failed.

        Failures are told to those who appended; a barrier itself does not fail, so that
        reading goes on while the disk is full.
        """
        if self._gathered:
            done = self._gather(0, (), 0)
        elif self._writing:
            done = Deferred()
            self._group.append(_Append(0, (), 0, done))
        else:
            return succeed(None)
        return done.addCallback(lambda _: None)

    def unavailable(self) -> str:
        """Why an append would be refused now (a shed reason), or the empty string."""
        if self._down or self._refusal:
            return "journal_unwritable"
        full = self.size + self._waiting_bytes + bytes_of([b""]) > self._budget
        return "journal_full" if full else ""

    def _refuse(self, reason: str, detail: str) -> Deferred[list[int]]:
        self._counts["refused"] += 1
        return fail(JournalUnavailable(reason, detail))

    def _gather(self, kind: int, payloads: Sequence[bytes], size: int) -> Deferred[list[int]]:
        done: Deferred[list[int]] = Deferred()
        self._gathered.append(_Append(kind, payloads, size, done))
        self._waiting_bytes += size
        self._wake()
        return done

    def _wake(self) -> None:
        """See to it that the next group is handed over, this turn's appends included."""
        if self._writing:
            return
        wait = 0 if self._down else self._company.wait(len(self._gathered))
        if self._commit_call is None:
            self._commit_call = self._clock.callLater(wait, self._commit)
        elif not wait and self._commit_call.getTime() > self._clock.seconds():
            self._commit_call.reset(0)

    def _commit(self) -> None:
        """Hand the next group to the writer."""
        self._commit_call = None
        group: list[_Append] = []
        size = 0
        while self._gathered and (not group or size + self._gathered[0].size <= GROUP_BYTES):
            group.append(self._gathered.popleft())
            size += group[-1].size
        disk, tail = self._disk, self._tail
        most = 0 if self._rotate else self._segment_bytes
        self._rotate = False
        self._writing = True
        self._group = group
        self._company.leaves(len(group))
        work = [(each.kind, each.payloads) for each in group]
        writing = self._writer.do(lambda: write_group(disk, tail, work, most))
        writing.addErrback(self._writer_broke)
        writing.addCallback(self._written, size)

    def _writer_broke(self, failure: Failure) -> Written:
        """A bug, or no memory: what is on disk is unknown, so begin a segment anew."""
        _log.failure("journal: the writer failed", failure)
        return Written(self._tail._replace(clean=False), [], OSError(failure.getErrorMessage()))

    def _written(self, written: Written, size: int) -> None:
        self._writing = False
        group, self._group = self._group, []
        self._company.returns()
        self._waiting_bytes -= size
        grown = written.tail.end > self._tail.end
        self._set_tail(written.tail)
        if written.failure is not None:
            self._broken(written.failure, group)
            return
        if grown:
            self._counts["syncs"] += 1
            self._counts["appended_bytes"] += size
            self._counts["appended_records"] += sum(map(len, written.positions))
        if self._gathered:
            self._wake()
        # Barriers have joined the group since it left; they have no positions.
        answers = list(zip(group, chain(written.positions, repeat([])), strict=False))
        for each, positions in answers:
            self._recent.put(positions, each.kind, each.payloads)
        self._age_later()
        for each, positions in answers:
            each.done.callback(positions)
        if grown:
            changes, self._changes = self._changes, []
            for change in changes:
                if not change.called:  # the one before may have cancelled it
                    change.callback(None)
        self._trim()

    def _set_tail(self, tail: Tail) -> None:
        self._segments.begin(tail.first)
        self._segments.grow(tail.size)
        self._tail = tail

    # --- a disk that refuses --------------------------------------------------------------

    def _broken(self, failure: OSError, group: list[_Append]) -> None:
        """Fail the group and all that has gathered, and look again by the clock."""
        text = str(failure)
        _log.error("journal: the disk refuses writes: {text}", text=text)
        failed = [*group, *self._gathered]
        self._gathered.clear()
        self._waiting_bytes = 0
        self._refusal = text or "the disk refuses writes"
        self._probe_later()
        for each in failed:
            if each.payloads:
                each.done.errback(JournalUnavailable("journal_unwritable", text))
            else:
                each.done.callback([])

    def _probe_later(self) -> None:
        if not self._down:
            self._probe_call = self._clock.callLater(PROBE_SECONDS, self._probe)

    def _probe(self) -> None:
        self._probe_call = None
        disk, tail = self._disk, self._tail
        self._writer.do(lambda: probe(disk, tail)).addCallbacks(self._mended, self._not_mended)

    def _mended(self, tail: Tail) -> None:
        self._set_tail(tail)
        self._refusal = ""
        _log.info("journal: the disk takes writes again")

    def _not_mended(self, failure: Failure) -> None:
        if not isinstance(failure.value, OSError):
            _log.failure("journal: the probe failed", failure)
        self._refusal = failure.getErrorMessage()
        self._probe_later()

    # --- reading --------------------------------------------------------------------------

    def read(self, position: int, most: int) -> Deferred[list[Entry]]:
        """Synced entries from a position on; see ``interface``.

        Fails with ``JournalUnavailable`` when the disk does not let them be read.
        """
        if self._down:
            return fail(JournalUnavailable("journal_unwritable", self._down))
        if recent := self._recent.read(position, most):
            return succeed(recent)
        disk, end = self._disk, self._tail.end
        extents = self._segments.extents(end, position)
        reading = self._reader.do(lambda: read_entries(disk, extents, position, most))
        return reading.addCallbacks(self._enter, self._unreadable).addCallback(self._lift, position, end)

    def _age_later(self) -> None:
        if self._recent_call is None and len(self._recent):
            self._recent_call = self._clock.callLater(RECENT_SECONDS, self._age)

    def _age(self) -> None:
        self._recent_call = None
        self._recent.age()
        self._age_later()

    def _enter(self, found: Found) -> list[Entry]:
        for damage in found.damages:
            if self._damage.note(damage):
                _log.error(
                    "journal: damage from {start} to {end}; skipped", start=damage.position, end=damage.end
                )
        return found.entries

    def _lift(self, entries: list[Entry], start: int, end: int) -> list[Entry]:
        """Damage up to the end would hold its consumers, and the segments, until the next record."""
        if not entries and start < end and self._cursors.lift(start, end):
            self._save_soon()
            self._trim()
        return entries

    def _unreadable(self, failure: Failure) -> list[Entry]:
        if isinstance(failure.value, OSError):
            raise JournalUnavailable("journal_unwritable", f"cannot read: {failure.value}")
        failure.raiseException()

    def changed(self) -> Deferred[None]:
        """Fires when ``synced_end`` has grown since the call.  May be cancelled."""

        def cancel(change: Deferred[None]) -> None:
            if change in self._changes:
                self._changes.remove(change)

        change: Deferred[None] = Deferred(cancel)
        self._changes.append(change)
        return change

    # --- consumers ------------------------------------------------------------------------

    def cursor(self, consumer: str) -> int:
        """Where a consumer goes on; a new one begins at the oldest record kept."""
        position, news = self._cursors.at(consumer, self.oldest)
        if news:
            self._save_soon()
        return position

    def move(self, consumer: str, position: int) -> None:
        """The consumer has done everything before ``position``; backwards changes nothing."""
        if position > self._tail.end:
            raise ValueError(f"{consumer} cannot have done {position}: the journal ends at {self._tail.end}")
        if self._cursors.move(consumer, position):
            self._save_soon()
        self._trim()

    def consumers(self) -> list[str]:
        """The consumers whose cursors are kept, by name."""
        return self._cursors.names()

    def forget(self, consumer: str) -> None:
        """The consumer exists no longer and holds nothing back."""
        if self._cursors.forget(consumer):
            self._save_soon()
            self._trim()

    def pin(self, position: int) -> int:
        """Keep everything from ``position`` on until ``unpin`` of the number returned."""
        return self._cursors.pin(position)

    def unpin(self, pin: int) -> None:
        """Let go; a number that is not pinned is a bug: ``KeyError``."""
        self._cursors.unpin(pin)
        self._trim()

    def _trim(self) -> None:
        if self._down:
            return
        floor = self._cursors.floor()
        going = self._segments.leave(floor)
        if going:
            self._damage.forget(self.oldest)
            # On the reader's worker, behind all reads that may still want these files.
            self._reader.do(lambda: _remove(self._disk, going)).addCallback(self._removed)
        if floor >= self._tail.end and self._tail.size and self.size > self._budget // 2:
            # All is done, and yet the active segment fills the budget: let it become one
            # that can be deleted.
            self._rotate = not self._refusal
            if self._rotate:
                self._wake()

    def _removed(self, removed: list[int]) -> None:
        for first in removed:
            self._segments.left(first)

    def _save_soon(self) -> None:
        if self._save_call is None and not self._down:
            self._save_call = self._clock.callLater(CURSOR_SECONDS, self._save)

    def _save(self) -> None:
        self._save_call = None
        disk, content = self._disk, self._cursors.encode()
        self._writer.do(lambda: put(disk, CURSORS, content)).addErrback(self._not_saved)

    def _not_saved(self, failure: Failure) -> None:
        _log_refusal(failure, "the cursors cannot be saved")
        self._save_soon()

    # --- figures --------------------------------------------------------------------------

    @property
    def synced_end(self) -> int:
        """Position behind the last synced record."""
        return self._tail.end

    @property
    def oldest(self) -> int:
        """Position of the oldest record kept."""
        return self._segments.oldest

    @property
    def size(self) -> int:
        """Bytes of the segments on disk."""
        return self._segments.size

    @property
    def budget(self) -> int:
        """Bytes that the segments may hold."""
        return self._budget

    def statistics(self) -> dict[str, int]:
        """Counters since start, and the gauge ``segments``; see ``interface``."""
        return {
            **self._counts,
            "damaged_records": self._damage.records,
            "damaged_bytes": self._damage.bytes,
            "segments": len(self._segments),
        }


def _log_refusal(failure: Failure, what: str) -> None:
    """The world's fault is a line in the log, ours is a traceback in it."""
    if isinstance(failure.value, OSError):
        _log.warn("journal: {what}: {text}", what=what, text=str(failure.value))
    else:
        _log.failure("journal: {what}", failure, what=what)


def _remove(disk: Disk, going: list[int]) -> list[int]:
    """Delete segments, oldest first, up to the first that resists; those that are gone."""
    removed = []
    for first in going:
        try:
            with suppress(FileNotFoundError):
                disk.remove(name_of(first))
        except OSError as refusal:
            _log.warn("journal: a segment cannot be deleted: {text}", text=str(refusal))
            break
        removed.append(first)
    return removed
