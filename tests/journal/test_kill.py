"""Real processes, killed with signal 9 at random instants, over one real folder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from metronome.journal.disk import FolderDisk
from metronome.journal.format import HEADER_BYTES
from metronome.journal.opening import open_folder
from metronome.journal.reading import read_entries
from metronome.journal.segments import Segments

ROUNDS = 50
ROOT = Path(__file__).parent.parent.parent


def run_and_kill(folder: Path, turn: int, random: Random) -> None:
    """One round: a process that appends, and dies within its first third of a second of work."""
    output = folder / f"acknowledged.{turn}"
    command = [sys.executable, "-m", "tests.journal.kill_child", str(folder / "journal"), str(turn)]
    with output.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, cwd=ROOT)
        try:
            if turn % 5:  # the others are killed while they start, or shortly after
                deadline = time.monotonic() + 20
                while not output.stat().st_size and time.monotonic() < deadline:
                    time.sleep(0.002)
            time.sleep(random.uniform(0, 0.3))
            assert process.poll() is None, "it ended by itself"
        finally:
            process.kill()
            process.wait()


def acknowledged(folder: Path) -> list[str]:
    """What all rounds have said; a last line without its end was cut by the kill."""
    said = []
    for turn in range(ROUNDS):
        said += (folder / f"acknowledged.{turn}").read_text().split("\n")[:-1]
    return said


def test_whatever_was_acknowledged_is_read_back_exactly_once(tmp_path: Path) -> None:
    """Fifty kills: no acknowledged number is missing, none is there twice, no append is half there,
    each appender's numbers are in order, and nothing is damaged."""
    random = Random(9)
    for turn in range(ROUNDS):
        run_and_kill(tmp_path, turn, random)
    said = acknowledged(tmp_path)
    disk = FolderDisk(tmp_path / "journal")
    opened = open_folder(disk, lambda: "1" * 32)
    assert opened.identity == "0" * 32
    found = read_entries(disk, Segments(opened.sizes).extents(opened.tail.end), 0, 1 << 40)
    disk.close()
    assert found.damages == []
    texts = [entry.payload.decode().rstrip() for entry in found.entries]
    times = Counter(texts)
    assert [text for text in said if times[text] != 1] == []
    assert max(times.values()) == 1
    ends = [0, *(entry.end for entry in found.entries)]
    assert ends[:-1] == [entry.position for entry in found.entries]
    assert all(entry.end - entry.position == HEADER_BYTES + len(entry.payload) for entry in found.entries)
    last: dict[tuple[str, str], int] = {}
    for text in texts:
        turn, name, number = text.split(".")
        assert int(number) == last.get((turn, name), -1) + 1
        last[turn, name] = int(number)
    # An appender writes 1, 2, 1, 2 … numbers at a time: whole appends end at these sums only.
    whole = {0}
    number = 0
    while number <= max(last.values()):
        number += 1 + number % 3
        whole.add(number)
    assert {each + 1 for each in last.values()} <= whole
    assert len({text.split(".")[0] for text in said}) >= ROUNDS * 4 // 5
    assert len(said) > 10_000
