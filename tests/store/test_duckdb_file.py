"""The DuckDB file is created whole, upgraded with a copy kept, and refused when it is newer."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from metronome.errors import ConfigError
from metronome.store.duckdb_file import (
    IN_MEMORY,
    SCHEMA,
    Connection,
    Settings,
    give_back,
    open_file,
    scalar,
    steps_in,
    tables,
    texts,
    transaction,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(64_000_000, 1, str(tmp_path / "spill"))


@pytest.fixture
def next_schema(tmp_path: Path) -> Path:
    """The schema with one version more."""
    folder = tmp_path / "schema"
    shutil.copytree(SCHEMA, folder)
    further = len(steps_in(SCHEMA)) + 1
    (folder / f"duckdb_{further}.sql").write_text(
        "ALTER TABLE streams ADD COLUMN note VARCHAR; UPDATE streams SET note = upper(name);"
    )
    return folder


def make(path: str, settings: Settings) -> None:
    connection = open_file(path, settings)
    connection.execute("INSERT INTO streams VALUES (1, 'main')")
    connection.close()


def setting(connection: Connection, name: str) -> object:
    row = connection.execute(f"SELECT current_setting('{name}')").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("place", [IN_MEMORY, "store.duckdb"])
def test_a_new_database_has_the_latest_version(tmp_path: Path, settings: Settings, place: str) -> None:
    """A new database, in a file or in memory, takes all steps."""
    path = place if place == IN_MEMORY else str(tmp_path / place)
    connection = open_file(path, settings)
    assert scalar(connection, "SELECT number FROM version") == len(steps_in(SCHEMA))
    connection.close()


def test_duckdb_is_held_short(tmp_path: Path, settings: Settings) -> None:
    """Memory and threads are limited, nothing is loaded or read from elsewhere, and SQL cannot
    change that."""
    connection = open_file(str(tmp_path / "store.duckdb"), settings)
    assert setting(connection, "memory_limit") == "61.0 MiB"
    assert setting(connection, "threads") == 1
    assert setting(connection, "temp_directory") == settings.spill
    assert setting(connection, "autoinstall_known_extensions") is False
    with pytest.raises(duckdb.PermissionException):
        connection.execute(f"SELECT * FROM read_csv('{tmp_path}/x.csv')")
    with pytest.raises(duckdb.InvalidInputException):
        connection.execute("SET threads = 8")
    with pytest.raises(duckdb.InvalidInputException):
        connection.execute("SET enable_external_access = true")
    connection.close()


def blocks(connection: Connection) -> int:
    """Bytes of the file's blocks that are in memory."""
    sql = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
    return scalar(connection, sql)


def test_memory_is_given_back(tmp_path: Path, settings: Settings) -> None:
    """Blocks of the file are let go of, also when more than that is in use; the limit stays what it was."""
    connection = open_file(str(tmp_path / "store.duckdb"), settings)
    connection.execute("CREATE TABLE t AS SELECT hash(range) AS a FROM range(500_000)")
    connection.execute("CHECKPOINT")
    assert blocks(connection) > 3_000_000
    give_back(connection, settings, 0)
    assert blocks(connection) < 1_000_000
    connection.execute("INSERT INTO t SELECT range FROM range(300_000)")
    for log in (3_000_000, 0):
        give_back(connection, settings, log)
        assert blocks(connection) < 3_000_000
    assert setting(connection, "memory_limit") == "61.0 MiB"
    assert scalar(connection, "SELECT count(*) FROM t") == 800_000
    connection.close()


def test_a_half_made_file_is_made_again(tmp_path: Path, settings: Settings) -> None:
    """What a crash during creation leaves behind is not taken for a store."""
    path = tmp_path / "store.duckdb"
    Path(f"{path}.making").write_bytes(b"half")
    make(str(path), settings)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["store.duckdb"]


def test_a_newer_version_is_refused(tmp_path: Path, settings: Settings) -> None:
    """The error names the file and both versions, and the file stays as it was."""
    path = str(tmp_path / "store.duckdb")
    make(path, settings)
    with duckdb.connect(path) as connection:
        connection.execute("UPDATE version SET number = 99")
    with pytest.raises(ConfigError, match=r"store\.duckdb has version 99, .* knows up to \d"):
        open_file(path, settings)
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT number FROM version").fetchall() == [(99,)]


def test_another_database_is_refused(tmp_path: Path, settings: Settings) -> None:
    """A DuckDB file of somebody else, and what is no database, are told apart from ours."""
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")
    with pytest.raises(ConfigError, match="not one of Metronome"):
        open_file(str(path), settings)
    path.write_bytes(b"no database at all, but long enough to look at" * 1000)
    with pytest.raises(ConfigError, match="no database"):
        open_file(str(path), settings)


def test_an_upgrade_keeps_the_data_and_a_copy(
    tmp_path: Path, settings: Settings, next_schema: Path
) -> None:
    """The steps that are missing are taken; the file from before is kept beside it."""
    path = str(tmp_path / "store.duckdb")
    make(path, settings)
    version = len(steps_in(SCHEMA))
    connection = open_file(path, settings, next_schema)
    assert connection.execute("SELECT * FROM streams").fetchall() == [(1, "main", "MAIN")]
    assert scalar(connection, "SELECT number FROM version") == version + 1
    connection.close()
    with duckdb.connect(f"{path}.version-{version}.backup") as backup:
        assert backup.execute("SELECT * FROM streams").fetchall() == [(1, "main")]
    again = open_file(path, settings, next_schema)
    assert scalar(again, "SELECT count(*) FROM streams") == 1
    again.close()


def test_an_upgrade_that_fails_leaves_the_old_version(
    tmp_path: Path, settings: Settings, next_schema: Path
) -> None:
    """A step is all or nothing, and can be tried again."""
    path = str(tmp_path / "store.duckdb")
    make(path, settings)
    version = len(steps_in(SCHEMA))
    step = next_schema / f"duckdb_{version + 1}.sql"
    good = step.read_text()
    step.write_text("ALTER TABLE streams ADD COLUMN note VARCHAR; SELECT nonsense;")
    with pytest.raises(duckdb.BinderException):
        open_file(path, settings, next_schema)
    connection = open_file(path, settings)
    assert connection.execute("SELECT * FROM streams").fetchall() == [(1, "main")]
    connection.close()
    step.write_text(good)
    connection = open_file(path, settings, next_schema)
    assert connection.execute("SELECT note FROM streams").fetchall() == [("MAIN",)]
    connection.close()


def test_a_transaction_is_all_or_nothing(settings: Settings) -> None:
    """What was done before the failure is undone, and the connection goes on."""
    connection = open_file(IN_MEMORY, settings)

    def fail() -> None:
        with transaction(connection), tables(connection, new={"name": texts(["a", "b"])}):
            connection.execute("INSERT INTO streams SELECT 1, name FROM new")
            assert scalar(connection, "SELECT count(*) FROM streams") == 2
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert scalar(connection, "SELECT count(*) FROM streams") == 0
    connection.close()
