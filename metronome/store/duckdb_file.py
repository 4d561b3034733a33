"""Opening, creating and upgrading the DuckDB file.

Rules:

- A new database is made under a temporary name and renamed once it is complete, so that a
  half-made file is never mistaken for a store.
- ``schema/duckdb_N.sql`` takes a database from version N - 1 to N, in one transaction that
  also writes the number.  Before the first step of an upgrade the file is copied to
  ``NAME.version-N.backup``.
- A file of a newer version is refused: a downgrade would have to guess.
- A file that another process writes is refused by name; so is one that is to be read only and
  would have to be made or upgraded first.
- DuckDB's allocator keeps what is freed until it is asked for more, which with a flush each ten
  seconds is always; a thread of its own gives it back.
- DuckDB may load and fetch nothing by itself: no extensions, no files but its own, and its
  settings are locked once it is open, but for the limit of its memory: setting that to little for a
  moment is the only way to have it let go of blocks (``give_back``).
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from metronome.errors import ConfigError
from metronome.limits import STORE_LOG_BYTES

SCHEMA: Final = Path(__file__).parent / "schema"
IN_MEMORY: Final = ":memory:"
_LEAST_MEMORY: Final = 1_000_000
"""Less than whatever DuckDB keeps of a file that nobody asks for."""

_LOCKED: Final = re.compile(r"lock is held(?: in (.*?\(PID \d+\)))?")
"""How DuckDB says that a file is somebody else's."""

Connection = duckdb.DuckDBPyConnection
Arrays = Mapping[str, Any]
"""Numpy columns of one length by name: what DuckDB reads as a table without a copy."""


class Settings(NamedTuple):
    """What DuckDB may use: bytes of memory, threads, and a folder to spill to."""

    memory_limit: int
    threads: int
    spill: str
    read_only: bool = False


def open_file(path: str, settings: Settings, schema: Path = SCHEMA) -> Connection:
    """Open a store's database, made or upgraded where needed.

    ``path`` may be ``:memory:``.  ``ConfigError`` when the file is no store of ours, of a newer
    version or another process's; DuckDB's own errors for what the disk refuses.
    """
    steps = steps_in(schema)
    if path == IN_MEMORY:
        connection = _connect(path, settings)
        _climb(connection, 0, steps)
        return connection
    if not os.path.exists(path):
        if settings.read_only:
            raise ConfigError(f"store: {path}: there is no such file")
        _create(path, settings, steps)
    _check_magic(path)
    connection = _connect(path, settings)
    try:
        version = _version(connection, path)
        if version > len(steps):
            raise ConfigError(
                f"store: {path} has version {version}, this Metronome knows up to {len(steps)}; "
                "run the version that wrote it, or a newer one"
            )
        if version == len(steps):
            return connection
        if settings.read_only:
            raise ConfigError(
                f"store: {path} has version {version}; a gateway has to be started on it once,"
                f" which brings it to version {len(steps)}"
            )
    except BaseException:
        connection.close()
        raise
    return _upgrade(connection, path, settings, version, steps)


def steps_in(schema: Path) -> list[str]:
    """The SQL that takes a database from version 0 to 1, from 1 to 2, and so on."""
    number, steps = 1, []
    while (file := schema / f"duckdb_{number}.sql").exists():
        steps.append(file.read_text(encoding="utf-8"))
        number += 1
    return steps


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing: committed at the end of the block, rolled back when it raises."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException as error:
        # After some failures the transaction is over already, or the database is.
        try:
            connection.rollback()
        except duckdb.Error as second:
            error.add_note(f"and the roll-back: {second}")
        raise


@contextmanager
def tables(connection: Connection, **arrays: Arrays) -> Iterator[None]:
    """Within the block, SQL reads the arrays as tables of these names."""
    for name, columns in arrays.items():
        connection.register(name, columns)
    try:
        yield
    finally:
        for name in arrays:
            connection.unregister(name)


def texts(values: Sequence[str]) -> npt.NDArray[Any]:
    """Texts as an array that DuckDB reads."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def scalar(connection: Connection, sql: str) -> int:
    """The one number that a query answers."""
    return int(connection.execute(sql).fetchall()[0][0])


def _connect(path: str, settings: Settings) -> Connection:
    config: dict[str, Any] = {
        "memory_limit": _megabytes(settings.memory_limit),
        "threads": settings.threads,
        "temp_directory": settings.spill,
        "checkpoint_threshold": f"{STORE_LOG_BYTES}B",
        "allocator_background_threads": True,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    try:
        connection = duckdb.connect(path, read_only=settings.read_only, config=config)
    except duckdb.IOException as error:
        holder = _LOCKED.search(str(error))
        if holder is None:
            raise
        whose = holder[1] or "it is locked"
        raise ConfigError(f"store: {path}: another process works on it ({whose}); stop that first") from error
    # Once the folder to spill to is set, and in this order.
    connection.execute("SET enable_external_access = false")
    with suppress(duckdb.CatalogException):  # of an older DuckDB, which has no such list
        connection.execute("SET allowed_configs = ['memory_limit']")
    connection.execute("SET lock_configuration = true")
    return connection


def give_back(connection: Connection, settings: Settings, log: int) -> None:
    """Let go of blocks that are in the file as well, and give back to the system what that frees.

    What is only in the write-ahead log, ``log`` bytes of it, stays: it would be spilled.
    """
    try:
        connection.execute(f"SET memory_limit = '{_megabytes(_LEAST_MEMORY + 2 * log)}'")
    except (duckdb.OutOfMemoryException, duckdb.InvalidInputException):
        # More than that is in use, or (an older DuckDB) nothing may be set: as much as may be has gone.
        return
    finally:
        with suppress(duckdb.InvalidInputException):
            connection.execute(f"SET memory_limit = '{_megabytes(settings.memory_limit)}'")


def _megabytes(size: int) -> str:
    return f"{size // 1_000_000}MB"


def _create(path: str, settings: Settings, steps: list[str]) -> None:
    making = f"{path}.making"
    for leftover in (making, f"{making}.wal", f"{path}.wal"):
        Path(leftover).unlink(missing_ok=True)
    connection = _connect(making, settings)
    try:
        _climb(connection, 0, steps)
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    os.rename(making, path)
    _sync_folder(path)


def _check_magic(path: str) -> None:
    """DuckDB's own error for this cannot be told from one of the disk."""
    with open(path, "rb") as file:
        if file.read(12)[8:] != b"DUCK":
            raise ConfigError(f"store: {path} is no database; move it away or name another")


def _version(connection: Connection, path: str) -> int:
    try:
        return scalar(connection, "SELECT number FROM version")
    except duckdb.CatalogException as error:
        raise ConfigError(f"store: {path} is a database, but not one of Metronome") from error


def _upgrade(
    connection: Connection, path: str, settings: Settings, version: int, steps: list[str]
) -> Connection:
    try:
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    backup = f"{path}.version-{version}.backup"
    shutil.copyfile(path, f"{backup}.making")
    os.rename(f"{backup}.making", backup)
    connection = _connect(path, settings)
    try:
        _climb(connection, version, steps)
    except BaseException:
        connection.close()
        raise
    return connection


def _climb(connection: Connection, version: int, steps: list[str]) -> None:
    for number, sql in enumerate(steps[version:], version + 1):
        with transaction(connection):
            connection.execute(sql)
            connection.execute("UPDATE version SET number = ?", [number])


def _sync_folder(path: str) -> None:
    """Make a rename in the folder of ``path`` durable."""
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
