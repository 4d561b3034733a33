"""``metronome import`` between files, killed in between, and beside a gateway."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metronome.cli_import import Meter, shown, trouble
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.gateway.importing import Imported, Line, Progress
from metronome.model import Events, Record
from metronome.store import open_store
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.live.gateway import RunningGateway
from tests.store.build import batch, counter, events, happened, parts
from tests.store.child import finish
from tests.store.contract_export import answers

METRONOME = str(Path(sys.executable).with_name("metronome"))
ROWS = 60_000


def opened(path: Path) -> Store:
    """The store in a file."""
    store = open_store(f"duckdb:{path}", data_dir=path.parent, worker=ImmediateWorker())
    finish(store.start())
    return store


def command(folder: Path, source: str, target: str) -> list[str]:
    letters = folder / "import-refused.ndjson"
    place = ["--data-dir", str(folder / "var"), "--letters", str(letters)]
    return [METRONOME, "import", "--from", source, "--to", target, *place]


def move(folder: Path, source: str, target: str) -> tuple[int, dict[str, Any], str]:
    """The command in a process of its own: status, what it printed, what it complained of."""
    done = subprocess.run(command(folder, source, target), capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A file with some rows."""
    store = opened(tmp_path / "source.duckdb")
    rows = [counter("c", 1000 * number, 1, host=str(number % 50)) for number in range(ROWS)]
    happenings = [happened(1000 * number, eid=str(number)) for number in range(500)]
    finish(store.write(batch("g", parts(*rows, ids=((7, "p"),)), events(*happenings))))
    finish(store.stop())
    return f"duckdb:{tmp_path / 'source.duckdb'}"


def test_it_is_killed_and_goes_on(tmp_path: Path, source: str) -> None:
    """SIGKILL while it writes, again and again; at the end the target answers as the source, and
    another import changes nothing."""
    target = f"duckdb:{tmp_path / 'target.duckdb'}"
    kills = 0
    for _ in range(4):
        with subprocess.Popen(command(tmp_path, source, target), stderr=subprocess.PIPE) as running:
            assert running.stderr is not None
            for line in running.stderr:
                if line.startswith(b"writing"):
                    time.sleep(0.05 * kills)
                    running.kill()
                    kills += running.poll() is None
    assert kills >= 2
    status, told, _ = move(tmp_path, source, target)
    assert (status, told["rows"], told["refused"], told["missing"]) == (0, ROWS + 501, 0, [])
    assert told["streams"] == ["main"]
    status, told, _ = move(tmp_path, source, target)
    assert (status, told["again"]) == (0, True)
    stores = opened(tmp_path / "source.duckdb"), opened(tmp_path / "target.duckdb")
    assert answers(stores[0]) == answers(stores[1])
    for store in stores:
        finish(store.stop())


def test_what_cannot_be_moved_is_said(tmp_path: Path, source: str) -> None:
    """Each in one line, with status 1."""
    for wrong, other, said in (
        (source, source, "another store would be right"),
        ("nothing:", source, "a store's URL begins with one of"),
        (f"duckdb:{tmp_path / 'none'}", "memory:", "there is no such file"),
    ):
        status, told, err = move(tmp_path, wrong, other)
        assert (status, told) == (1, {})
        assert said in err
        assert err.startswith("metronome: ")


def test_a_running_gateways_store_is_locked(tmp_path: Path, source: str) -> None:
    """As source and as target; it says by whom."""
    with RunningGateway(tmp_path / "gateway") as gateway:
        running = f"duckdb:{tmp_path / 'gateway' / 'metronome.duckdb'}"
        assert gateway.process is not None
        for pair in ((running, f"duckdb:{tmp_path / 'new.duckdb'}"), (source, running)):
            status, _, err = move(tmp_path, *pair)
            assert status == 1
            assert "another process works on it (" in err
            assert f"(PID {gateway.process.pid})" in err
        assert gateway.stop() == 0


def test_a_gateway_goes_on_with_the_target(tmp_path: Path) -> None:
    """Its journal knows how far the target is; old and new are there once."""
    old, new = (f"duckdb:{tmp_path / name}" for name in ("old.duckdb", "new.duckdb"))
    tick = json.dumps({"id": "a", "tick": "1"}).encode()
    gateway = RunningGateway(tmp_path / "var", store=old)
    with gateway:
        assert gateway.request("/tick", tick)[0] == 204
        assert gateway.stop() == 0
    assert move(tmp_path, old, new)[0] == 0
    gateway.options["store"] = new
    with gateway:
        assert gateway.request("/tick", tick)[0] == 204, "a duplicate"
        assert gateway.request("/tick", tick.replace(b'"1"', b'"2"'))[0] == 204
        assert list(gateway.get("/tock/a.json")["views"].values()) == [2]
        books = gateway.get("/ledger.json")["days"]
        assert sum(day["stored"] + day["waiting"] for day in books) == 2
        assert gateway.stop() == 0


def test_what_was_refused_can_be_replayed(tmp_path: Path) -> None:
    """From the file that the import left, into the store that is named."""
    file = tmp_path / "import-refused.ndjson"
    DeadLetterFile(tmp_path, name="import-refused").put(
        ".import-1-2", Record(5, Events("main", [happened(7)])), "no", "2026-01-01"
    )
    store = f"duckdb:{tmp_path / 'x.duckdb'}"
    place = ["--letters", str(file), "--store", store, "--data-dir", str(tmp_path)]
    listed = subprocess.run([METRONOME, "replay", "--list", *place], capture_output=True, check=True)
    assert json.loads(listed.stdout)["gateway"] == ".import-1-2"
    done = subprocess.run([METRONOME, "replay", *place], capture_output=True, check=True)
    assert json.loads(done.stdout)["stored"] == 1
    assert not file.exists()
    command = [METRONOME, "replay", "--letters", "x"]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (wrong.returncode, "ends in .ndjson" in wrong.stderr) == (1, True)


def test_progress_is_shown_now_and_then() -> None:
    """A line when the phase changes and every ten seconds; on a terminal one line that changes."""
    clock = [0.0]
    out = io.StringIO()
    meter = Meter(out, lambda: clock[0])
    for now, progress in (
        (0, Progress("reading", 5, 0)),
        (1, Progress("reading", 9, 0)),
        (2, Progress("writing", 5, 20)),
        (11.9, Progress("writing", 6, 20)),
        (12, Progress("writing", 10, 20)),
        (12, Progress("waiting", 0, 0, "gone")),
        (13, Progress("verifying", 0, 0)),
    ):
        clock[0] = now
        meter.tell(progress)
    meter.end()
    assert out.getvalue().splitlines() == [
        "reading 5 rows",
        "writing 5 of 20 (25 %)",
        "writing 10 of 20 (50 %)",
        "waiting: gone",
        "verifying",
    ]

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    meter = Meter(terminal, lambda: clock[0])
    meter.tell(Progress("verifying", 0, 0))
    meter.end()
    assert terminal.getvalue() == f"{'verifying':<60}\r\n"


def test_trouble_is_told_in_sentences() -> None:
    """What was refused, what is missing, what could not be compared."""
    missing = ((Line("main", "2026-01-01", "events"), 3),)
    imported = Imported(9, False, ("main",), 2, missing, ("main",))
    assert shown(imported)["missing"] == [
        {"stream": "main", "day": "2026-01-01", "what": "events", "number": 3}
    ]
    said = trouble(imported, Path("x.ndjson"))
    assert [one.partition(" ")[0] for one in said] == ["2", "the", "the"]
    assert trouble(imported._replace(refused=0, missing=(), unverified=()), Path("x")) == []
