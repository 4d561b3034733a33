"""Pages of a DuckDB file: bounded, cheap wherever they begin, and of a file that is only read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from metronome.errors import ConfigError, StoreUnavailable
from metronome.limits import READ_BYTES
from metronome.model import Batch, Events, Parts, Record
from metronome.store import open_store
from metronome.store.duckdb import DuckdbStore
from metronome.store.duckdb_file import scalar
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.store.build import RECORD, batch, counter, events, happened, members, parts
from tests.store.child import finish
from tests.store.contract import ALL
from tests.store.contract_export import answers, copy, pages

WRITER = """
import os, sys
from pathlib import Path
from tests.store.child import opened, finish
from tests.store.build import batch, counter, parts
store = opened(Path(sys.argv[1]))
finish(store.write(batch("g", parts(counter("c", 0, 5)))))
print("written", flush=True)
sys.stdin.read()
os._exit(9)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckdbStore]:
    opened = open_store("duckdb:", data_dir=tmp_path, worker=ImmediateWorker())
    assert isinstance(opened, DuckdbStore)
    finish(opened.start())
    yield opened
    finish(opened.stop())


def read_only(folder: Path) -> Store:
    """The store of a folder, to be read only."""
    return open_store("duckdb:", data_dir=folder, worker=ImmediateWorker(), read_only=True)


def test_pages_are_bounded_by_bytes(store: DuckdbStore) -> None:
    """Sets and long messages make pages shorter; a row that is larger than a page stands alone."""
    rows = [members(f"s{number}", 0, map(str, range(4000))) for number in range(300)]
    long = happened(0, message="x" * (READ_BYTES // 3))
    huge = happened(0, message="y" * (READ_BYTES + 1))
    finish(store.write(batch("g", parts(*rows), events(*[long] * 4, huge, long))))
    contents = [record.content for page in pages(store, 10_000) for record in page.records]
    assert [len(one.columns) for one in contents if isinstance(one, Parts)] == [104, 104, 92]
    assert [len(one.events) for one in contents if isinstance(one, Events)] == [2, 2, 1, 1]


def test_gaps_are_passed_over(store: DuckdbStore) -> None:
    """Rows of one gateway far apart, between many of another, and what was deleted."""
    for turn in range(6):
        rows = [counter("c", turn * 1000 + number, 1) for number in range(1000)]
        finish(store.write(batch("g1", parts(*rows), begin=turn * RECORD)))
        if turn in (0, 5):
            finish(store.write(batch("g2", parts(counter("d", turn, 1)), begin=turn * RECORD)))
    rows_of = [
        [len(record.content.columns) for record in page.records if isinstance(record.content, Parts)]
        for page in pages(store, 100)
    ]
    # The rows of g2 lie at 1000 and 6001: one window of g1 has a gap, and the last one a row.
    assert rows_of == [[100]] * 10 + [[99]] + [[100]] * 49 + [[1]] + [[1]] * 2


def test_more_samples_than_a_part_can_say(store: DuckdbStore) -> None:
    """A merged row of more than 2^32 samples is copied as so many, and the books stay whole."""
    finish(store.write(batch("g", parts(counter("c", 0, 5)))))
    assert store._open is not None
    store._open.connection.execute("UPDATE parts SET count = 5000000000")
    store._open.connection.execute("UPDATE tallies SET number = 5000000000")
    copied = copy(store, open_store("memory:"), 10)
    assert finish(copied.tallies("main")) == [("1970-01-01", "", "stored", "", 5_000_000_000)]
    assert answers(copied)[1:3] == answers(store)[1:3]


def test_a_file_is_read_without_being_changed(tmp_path: Path) -> None:
    """What was written is handed out, and nothing can be written; also when the writer was killed and
    left its log behind."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        with pytest.raises(ConfigError, match=r"another process works on it \(.*PID"):
            finish(read_only(tmp_path).start())
        writer.communicate()
    before = {path.name: path.read_bytes() for path in tmp_path.glob("metronome*")}
    store = read_only(tmp_path)
    finish(store.start())
    copied = copy(store, open_store("memory:"), 10)
    assert answers(copied) == answers(store)
    assert len(finish(store.find(ALL))) == 1
    with pytest.raises(StoreUnavailable):
        finish(store.write(Batch("g", [Record(RECORD, parts(counter("c", 0, 5)))], 2 * RECORD)))
    finish(store.stop())
    assert {path.name: path.read_bytes() for path in tmp_path.glob("metronome*")} == before


def test_what_cannot_be_read_only_is_said(tmp_path: Path) -> None:
    """A file that is not there is not made, and one of an older version not upgraded."""
    with pytest.raises(ConfigError, match="there is no such file"):
        finish(read_only(tmp_path).start())
    assert list(tmp_path.iterdir()) == []
    made = open_store("duckdb:", data_dir=tmp_path, worker=ImmediateWorker())
    assert isinstance(made, DuckdbStore)
    finish(made.start())
    assert made._open is not None
    assert scalar(made._open.connection, "SELECT number FROM version") > 0
    made._open.connection.execute("UPDATE version SET number = 0")
    finish(made.stop())
    with pytest.raises(ConfigError, match="has version 0; a gateway has to be started on it once"):
        finish(read_only(tmp_path).start())
