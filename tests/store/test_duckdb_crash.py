"""A DuckDB store that is killed at any instant, or finds the disk full, holds exactly what it
says it has applied."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from metronome.model import EventSelection, Selection
from metronome.store.interface import Store
from tests.store.build import RECORD
from tests.store.child import PAIRS, ROWS, batch_at, finish, opened, position_of

ROUNDS = 10


def child(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.store.child", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check(store: Store) -> int:
    """What the store holds is what it has applied; the position."""
    position = position_of(store)
    assert position % (2 * PAIRS * RECORD) == 0, "a batch is written wholly or not at all"
    pairs = position // RECORD // 2
    groups = finish(store.fetch(Selection("main", "*"), 1 << 50, ())).groups
    assert sum(float(group.n.sum()) for group in groups) == pairs * ROWS
    assert finish(store.count(EventSelection("main"), ())).counts == ({(): pairs} if pairs else {})
    stored = [number for _, _, outcome, _, number in finish(store.tallies("main")) if outcome == "stored"]
    assert sum(stored) == pairs * (ROWS + 1)
    return position


def test_kill_at_any_instant(tmp_path: Path) -> None:
    """After kill -9 the file opens with whole batches only, and replaying them changes nothing."""
    chance = random.Random(7)
    before = 0
    for _ in range(ROUNDS):
        process = child(tmp_path)
        assert process.stdout is not None
        assert int(process.stdout.readline()) == before
        time.sleep(chance.uniform(0.0, 0.4))
        process.kill()
        process.wait()
        process.stdout.close()
        store = opened(tmp_path)
        before = check(store)
        for position in range(0, before, 2 * PAIRS * RECORD):
            finish(store.write(batch_at(position)))
        assert check(store) == before
        finish(store.stop())
    assert before > 0


def test_a_full_disk_is_later_not_never(tmp_path: Path) -> None:
    """When the file may not grow the store is unavailable and keeps what it had; when there is
    room it goes on."""
    process = child(tmp_path, "3000000")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "unavailable away" in output
    store = opened(tmp_path)
    assert check(store) > 10 * PAIRS * RECORD
    finish(store.stop())
