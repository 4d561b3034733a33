"""The embedded store: one DuckDB file, used by one thread.

- Everything happens on one worker, one job after another: DuckDB's own threads do the heavy
  part of a job.  Jobs are small (a batch, an answer within its limits, one chunk of the
  ladder), so reading and writing wait for each other's job in hand only.
- A commit is durable: DuckDB's write-ahead log is synced.  After kill -9 the file opens with
  every committed batch, and a batch that was not is written again from the journal.
- When DuckDB fails in a way that is not the question's fault (disk full, damage), the
  connection is closed and the next job opens it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import duckdb
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from metronome.errors import ClientError, StoreRejected, StoreUnavailable
from metronome.limits import (
    COUNT_GROUPS,
    DUPLICATE_PAGE,
    EXPORT_ROWS,
    STORE_MEMORY,
    STORE_PATIENCE,
    STORE_REST,
)
from metronome.model import Batch, Event, EventSelection, Found, Selection
from metronome.store import duckdb_events, duckdb_export, duckdb_read
from metronome.store.duckdb_expire import Chunk, chunks_due, delete_old, tidy
from metronome.store.duckdb_file import IN_MEMORY, Connection, Settings, give_back, open_file
from metronome.store.duckdb_turn import Turn
from metronome.store.duckdb_write import Writer
from metronome.store.interface import Counted, Exported, Fetched, Health, Retention
from metronome.threads.interface import Worker

SCHEME = "duckdb"
FILE = "metronome.duckdb"
_LARGE: Final = 10_000
"""Rows of a batch that DuckDB keeps megabytes of."""
THREADS: Final = 2
"""DuckDB's own.  More make a question faster and a busy gateway's neighbours slower."""

_THE_DISKS_FAULT: Final = (
    OSError,
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.TransactionException,
    duckdb.ConnectionException,
    duckdb.SerializationException,
)

Result = TypeVar("Result")


def open_store(
    url: str,
    *,
    data_dir: Path,
    worker: Worker,
    clock: IReactorTime | None = None,
    memory_limit: int = STORE_MEMORY,
    read_only: bool = False,
    **others: object,
) -> DuckdbStore:
    """The store of ``duckdb:PATH``; no path means a file in the data directory."""
    path = url.partition(":")[2] or str(data_dir / FILE)
    threads = min(THREADS, os.cpu_count() or 1)
    settings = Settings(memory_limit, threads, str(data_dir / "duckdb-spill"), read_only)
    return DuckdbStore(path, settings, worker, clock)


class _Open(NamedTuple):
    """An open database and what is remembered of it."""

    connection: Connection
    writer: Writer


class DuckdbStore:
    """A ``Store`` in a DuckDB file."""

    def __init__(
        self,
        path: str,
        settings: Settings,
        worker: Worker,
        clock: IReactorTime | None = None,
        bounds: duckdb_read.Bounds = duckdb_read.BOUNDS,
    ):
        """``clock`` tells when a question has taken too long; without one it may take for ever."""
        self._path = path
        self._settings = settings
        self._worker = worker
        self._clock = clock
        self._bounds = bounds
        self._open: _Open | None = None
        self._trouble = "not started"
        self._stopping = False
        self._asked = -inf

    def start(self) -> Deferred[None]:
        """See ``Store.start``."""
        return self._do(lambda _: None)

    def stop(self) -> Deferred[None]:
        """Finish what is queued, write the log into the file and close it.

        A round of ``expire`` ends after the chunk in hand.
        """
        self._stopping = True
        return self._worker.do(self._close).addBoth(self._after_close)

    def write(self, batch: Batch) -> Deferred[None]:
        """See ``Store.write``."""
        return self._do(lambda database: self._write(database, batch), changes=True)

    # --- reading -----------------------------------------------------------------------------

    def applied(self) -> Deferred[dict[str, int]]:
        """See ``Store.applied``."""
        return self._do(lambda database: dict(database.writer.applied))

    def find(self, selection: Selection) -> Deferred[list[Found]]:
        """See ``Store.find``."""

        def job(database: _Open) -> list[Found]:
            stream = database.writer.streams.get(selection.stream)
            if stream is None:
                return []
            return duckdb_read.find(database.connection, stream, selection, self._bounds.series)

        return self._ask(job)

    def fetch(
        self,
        selection: Selection,
        step: int,
        by: tuple[str, ...] | None,
        *,
        sketches: bool = False,
        members: bool = False,
    ) -> Deferred[Fetched]:
        """See ``Store.fetch``."""

        def job(database: _Open) -> Fetched:
            writer = database.writer
            applied = dict(writer.applied)
            stream = writer.streams.get(selection.stream)
            if stream is None:
                return Fetched([], applied)
            question = duckdb_read.Question(stream, selection, step, by, writer.ranks, self._bounds)
            groups = duckdb_read.fetch(database.connection, question, sketches=sketches, members=members)
            return Fetched(groups, applied)

        return self._ask(job)

    def events(self, selection: EventSelection) -> Deferred[list[Event]]:
        """See ``Store.events``."""

        def job(database: _Open) -> list[Event]:
            stream = database.writer.streams.get(selection.stream)
            return [] if stream is None else duckdb_events.newest(database.connection, stream, selection)

        return self._ask(job)

    def count(
        self, selection: EventSelection, by: tuple[str, ...], most: int = COUNT_GROUPS
    ) -> Deferred[Counted]:
        """See ``Store.count``."""

        def job(database: _Open) -> Counted:
            applied = dict(database.writer.applied)
            stream = database.writer.streams.get(selection.stream)
            if stream is None:
                return Counted({}, applied)
            counts = duckdb_events.counts(database.connection, stream, selection, by, most)
            return Counted(counts, applied)

        return self._ask(job)

    def recent_ids(
        self, since: int, before: tuple[int, str] | None = None, most: int = DUPLICATE_PAGE
    ) -> Deferred[list[tuple[int, str]]]:
        """See ``Store.recent_ids``."""
        return self._ask(
            lambda database: duckdb_events.ids(database.connection, since, before, most), again=False
        )

    def tallies(self, stream: str) -> Deferred[list[tuple[str, str, str, str, int]]]:
        """See ``Store.tallies``."""
        sql = (
            "SELECT day, source, outcome, reason, sum(number)::BIGINT FROM tallies "
            "JOIN streams USING (stream) WHERE name = ? GROUP BY ALL ORDER BY ALL"
        )
        return self._ask(lambda database: database.connection.execute(sql, [stream]).fetchall(), again=False)

    def export(self, after: int, most: int = EXPORT_ROWS) -> Deferred[Exported]:
        """See ``Store.export``."""
        return self._do(lambda database: duckdb_export.page(database.connection, after, most))

    # --- keeping -----------------------------------------------------------------------------

    @inlineCallbacks
    def expire(
        self, now: int, retention: dict[str, Retention]
    ) -> Generator[Deferred[Any], Any, dict[str, int]]:
        """See ``Store.expire``.  Each chunk is a job of its own, so that others come in between."""
        def job(work: Callable[[Writer], Result]) -> Deferred[Result]:
            return self._do(lambda database: work(database.writer), changes=True)

        done: dict[str, int] = yield job(lambda writer: delete_old(writer, now, retention))
        chunks: list[Chunk] = []
        if not self._stopping:
            chunks = yield job(lambda writer: chunks_due(writer, now, retention))
        for chunk in chunks:
            if not self._stopping:
                done["merged"] += yield job(chunk.merge)
        if any(done.values()) and not self._stopping:
            yield job(tidy)
        return done

    def forget(self, stream: str) -> Deferred[None]:
        """See ``Store.forget``."""
        return self._do(lambda database: database.writer.forget(stream), changes=True)

    def health(self) -> Deferred[Health]:
        """See ``Store.health``: how the last job went."""
        if self._open is None or self._trouble:
            return succeed(Health("away", self._trouble or "not open"))
        return succeed(Health("ok"))

    def statistics(self) -> dict[str, float]:
        """See ``Store.statistics``."""
        numbers = {"bytes": 0.0}
        if self._path != IN_MEMORY:
            for name in (self._path, f"{self._path}.wal"):
                if os.path.exists(name):
                    numbers["bytes"] += os.stat(name).st_size
        database = self._open
        if database is not None:
            numbers["series"] = float(database.writer.series)
            numbers["parts"] = float(database.writer.parts)
        return numbers

    # --- on the worker -----------------------------------------------------------------------

    def _do(self, job: Callable[[_Open], Result], *, changes: bool = False) -> Deferred[Result]:
        return self._worker.do(lambda: self._run(job, changes))

    def _ask(self, job: Callable[[_Open], Result], *, again: bool = True) -> Deferred[Result]:
        """Do a job that only reads, and call it off when it takes too long.  ``again``: more of the
        kind may follow soon, so that what it reads is worth keeping."""
        turn = Turn()
        if self._clock is not None and again:
            self._asked = self._clock.seconds()
        answer = self._do(lambda database: turn.take(database.connection, lambda: job(database)))
        if self._clock is None:
            return answer
        # Again and again, because an interrupt between two queries of a question is lost.
        patience = LoopingCall(turn.call_off)
        patience.clock = self._clock
        starting = self._clock.callLater(STORE_PATIENCE, patience.start, 1.0)

        def answered(result: Any) -> Any:
            if starting.active():
                starting.cancel()
            if patience.running:
                patience.stop()
            return result

        return answer.addBoth(answered)

    def _run(self, job: Callable[[_Open], Result], changes: bool) -> Result:
        """Do a job on the database, opened if need be, and say whose fault a failure is.

        After a change that failed, whatever the reason, what is remembered of the database
        may be wrong: it is let go.
        """
        trouble, keep = "", not changes
        try:
            result = job(self._open or self._connect())
            keep = True
        except StoreRejected:
            keep = True
            raise
        except _THE_DISKS_FAULT as error:
            trouble, keep = str(error), False
            raise StoreUnavailable(trouble) from error
        except duckdb.OutOfMemoryException as error:
            if changes:
                trouble = str(error)
                raise StoreUnavailable(trouble) from error
            text = "the answer needs more memory than it may have"
            raise ClientError("too_expensive", 413, text) from error
        except duckdb.InterruptException as error:
            text = f"the answer takes longer than {STORE_PATIENCE} s"
            raise ClientError("too_expensive", 413, text) from error
        finally:
            self._trouble = trouble
            if not keep:
                self._let_go()
        return result

    def _write(self, database: _Open, batch: Batch) -> None:
        """Write, and have DuckDB keep nothing of a large batch in memory unless somebody reads."""
        before = database.writer.parts
        database.writer.write(batch)
        if database.writer.parts - before >= _LARGE and self._path != IN_MEMORY and not self._is_read():
            log = f"{self._path}.wal"
            size = os.stat(log).st_size if os.path.exists(log) else 0
            give_back(database.connection, self._settings, size)

    def _is_read(self) -> bool:
        return self._clock is not None and self._clock.seconds() < self._asked + STORE_REST

    def _connect(self) -> _Open:
        connection = open_file(self._path, self._settings)
        self._open = _Open(connection, Writer(connection))
        return self._open

    def _let_go(self) -> None:
        database, self._open = self._open, None
        if database is None:
            return
        if self._path == IN_MEMORY:
            # There is nothing to open again.  Only what is remembered is made anew.
            self._open = _Open(database.connection, Writer(database.connection))
        else:
            database.connection.close()

    def _close(self) -> None:
        database, self._open = self._open, None
        self._trouble = "stopped"
        if database is None:
            return
        try:
            if not self._settings.read_only:
                database.connection.execute("CHECKPOINT")
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            # The log has everything, and is read when the file is opened again.
            self._trouble = f"stopped without a checkpoint: {error}"
        finally:
            database.connection.close()

    def _after_close(self, result: Any) -> Deferred[Any]:
        return self._worker.stop().addCallback(lambda _: result)
