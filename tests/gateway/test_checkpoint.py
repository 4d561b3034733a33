"""What was folded a second ago survives kill -9, once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from metronome.gateway.checkpoint import GAUGES, OPEN, Checkpoint, Checkpoints, decode, encode
from metronome.kernel.interface import Dialect
from metronome.limits import CHECKPOINT_INTERVAL, JOURNAL_BYTES
from metronome.model import Flushed, Kind, Parts, Record, parse_key
from metronome.threads.memory import ImmediateWorker
from metronome.wire.records import Row, columns_of
from tests.gateway.kit import PERIOD, START_MS, Kit, view


class Run:
    """One run of a gateway with checkpoints; ``killed`` is the next one after kill -9."""

    def __init__(
        self, folder: Path, before: Run | None = None, later: float = 0.0, budget: int = JOURNAL_BYTES
    ):
        if before is None:
            self.kit = Kit(budget=budget)
        else:
            self.kit = Kit(before.kit.disk, before.kit.store, now=before.kit.clock.seconds() + later)
        kit = self.kit
        self.folder = folder
        self.checkpoints = Checkpoints(
            folder, kit.intake, kit.flusher, kit.journal, kit.ledger, ImmediateWorker(), kit.clock
        )
        kit.wait(self.checkpoints.restore())
        self.checkpoints.start()
        kit.flusher.start()
        self.inlet = kit.intake.inlet("udp", "main", Dialect())

    def killed(self, later: float = 0.0) -> Run:
        self.kit.disk.crash(Random(1))
        return Run(self.folder, self, later)

    def second(self) -> None:
        self.kit.clock.advance(CHECKPOINT_INTERVAL)
        self.kit.settle()

    def journal(self) -> list[Record]:
        found: list[Record] = []
        self.kit.wait(self.kit.reader.waiting(found.extend))
        return found

    def parts(self) -> list[tuple[str, int, float]]:
        """Name, time and n of every part in the journal."""
        return [
            (parse_key(record.content.columns.key(row)).name, int(record.content.columns.times[row]), n)
            for record in self.journal()
            if isinstance(record.content, Parts)
            for row, n in enumerate(record.content.columns.n.tolist())
        ]

    def marks(self) -> list[int]:
        return [record.content.time for record in self.journal() if isinstance(record.content, Flushed)]


def test_the_open_period_survives_a_kill(tmp_path: Path) -> None:
    """What was folded by the last checkpoint is journalled by the next run, with its kinds."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c\nwait:5:7|ms\ndepth:4|g\nusers:a|s")
    run.second()
    run.inlet.statsd(b"hits:100|c")
    again = run.killed()
    assert sorted(again.parts()) == [
        ("depth", START_MS, 4.0),
        ("hits", START_MS, 3.0),
        ("users", START_MS, 1.0),
        ("wait", START_MS, 12.0),
    ]
    assert again.marks() == []
    assert again.kit.received() == again.kit.accounted() == 5


def test_the_next_run_ends_the_period(tmp_path: Path) -> None:
    """Both parts of the period stand before its one mark."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c")
    run.second()
    again = run.killed()
    again.inlet.statsd(b"hits:4|c")
    again.kit.clock.advance(PERIOD)
    again.kit.settle()
    assert again.parts() == [("hits", START_MS, 3.0), ("hits", START_MS, 4.0)]
    assert again.marks() == [START_MS]


def test_a_period_that_is_over_by_then_is_ended_at_once(tmp_path: Path) -> None:
    """A gateway that was down for a while tells what it had, and that this was all."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c")
    run.second()
    again = run.killed(later=60)
    assert again.parts() == [("hits", START_MS, 3.0)]
    assert again.marks() == [START_MS]


def test_what_was_flushed_is_not_counted_again(tmp_path: Path) -> None:
    """A kill between a flush and the next checkpoint leaves a spent checkpoint."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c")
    run.second()
    run.kit.flusher.flush()
    run.kit.settle()
    again = run.killed()
    assert again.parts() == [("hits", START_MS, 3.0)]
    assert again.marks() == [START_MS]
    assert again.killed().parts() == [("hits", START_MS, 3.0)]


def test_two_kills_in_one_period(tmp_path: Path) -> None:
    """A run that was itself killed hands on what it had journalled, once."""
    first = Run(tmp_path)
    first.inlet.statsd(b"hits:1|c")
    first.second()
    second = first.killed()
    second.inlet.statsd(b"hits:2|c")
    second.second()
    third = second.killed()
    assert third.parts() == [("hits", START_MS, 1.0), ("hits", START_MS, 2.0)]
    fourth = third.killed()
    assert fourth.parts() == third.parts()


def test_gauges_go_on_from_where_they_were(tmp_path: Path) -> None:
    """A signed change after a kill, and after a stop in good order, finds its base."""
    run = Run(tmp_path)
    run.inlet.statsd(b"depth:10|g\nidle:7|g")
    run.kit.clock.advance(PERIOD)
    run.second()
    run.inlet.statsd(b"depth:+5|g")
    run.second()
    again = run.killed()
    again.inlet.statsd(b"depth:+1|g\nidle:-2|g")
    again.kit.wait(again.kit.flusher.stop())
    again.kit.wait(again.checkpoints.stop())
    last = {name: n for name, _, n in again.parts()}
    assert last == {"depth": 16.0, "idle": 5.0}
    third = Run(tmp_path, again)
    third.inlet.statsd(b"depth:+1|g")
    third.kit.wait(third.kit.flusher.stop())
    assert third.parts()[-1][2] == 17.0


@pytest.mark.parametrize("kept", ["stopped", "killed", "killed behind a flush"])
def test_running_totals_go_on_from_where_they_were(tmp_path: Path, kept: str) -> None:
    """The next total counts from the last one that was taken in and is not lost: nothing is missing and
    nothing is there twice, idle or not."""
    run = Run(tmp_path)
    run.inlet.statsd(b"idle:100|C\nbytes:1000|C\nbytes:1010|C")
    run.second()
    run.inlet.statsd(b"bytes:1025|C")
    if kept == "stopped":
        run.kit.wait(run.kit.flusher.stop())
        run.kit.wait(run.checkpoints.stop())
    elif kept == "killed behind a flush":
        run.kit.flusher.flush()
        run.kit.settle()
    again = run.killed()
    again.inlet.statsd(b"bytes:1040|C\nidle:101|C\nfresh:7|C")
    again.kit.flusher.flush()
    again.kit.settle()
    counted: Counter[str] = Counter()
    for name, _, n in again.parts():
        counted[name] += n
    assert counted == {"bytes": 40.0, "idle": 1.0, "fresh": 0.0}


def test_nothing_is_written_while_nothing_comes_in(tmp_path: Path) -> None:
    """An idle gateway leaves its disk alone."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c")
    run.second()
    written = (tmp_path / OPEN).stat().st_mtime_ns
    for _ in range(3):
        run.second()
    assert (tmp_path / OPEN).stat().st_mtime_ns == written


@pytest.mark.parametrize("name", [OPEN, GAUGES])
@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"{}"])
def test_a_damaged_file_costs_the_checkpoint_and_no_more(tmp_path: Path, name: str, damage: bytes) -> None:
    """The run starts without it."""
    run = Run(tmp_path)
    run.inlet.statsd(b"hits:3|c")
    run.second()
    (tmp_path / name).write_bytes(damage)
    again = run.killed()
    assert again.parts() == ([] if name == OPEN else [("hits", START_MS, 3.0)])


def test_a_file_reads_back_and_every_flip_is_found() -> None:
    """What is written is what is read; a flipped bit anywhere is damage."""
    row = Row(b"chits", 7, Kind.COUNTER, START_MS, PERIOD, 2, 3.0, 2.0, 1.0, 2.0, 0.0, ())
    parts = Parts("main", columns_of([row]), (), START_MS)
    totals = Parts("main", columns_of([row._replace(n=40.0)]), (), START_MS)
    data = encode(Checkpoint(12, START_MS, PERIOD, [parts], [totals]))
    read = decode(data)
    assert (read.position, read.start, read.period) == (12, START_MS, PERIOD)
    assert [one.columns.n.tolist() for one in (*read.parts, *read.totals)] == [[3.0], [40.0]]
    for place in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[place] ^= 4
        with pytest.raises(ValueError, match="checksum"):
            decode(bytes(flipped))


def test_what_was_flushed_and_stored_is_not_counted_again(tmp_path: Path) -> None:
    """The flush is in the store, and its segment is one that a start deletes, but the checkpoint was
    not replaced before the kill: the start still finds the flush."""
    run = Run(tmp_path)
    run.kit.consumer.start()
    run.inlet.statsd(b"a:2|c")
    run.second()
    stale = (tmp_path / OPEN).read_bytes()
    run.kit.clock.advance(PERIOD)
    run.kit.settle()
    run.second()
    run.second()
    (tmp_path / OPEN).write_bytes(stale)
    again = run.killed()
    again.kit.consumer.start()
    again.second()
    assert again.kit.wait(again.kit.store.tallies("main"))[0][2:] == ("stored", "", 1)


def test_the_journal_is_held_until_the_file_is_replaced(tmp_path: Path) -> None:
    """While no checkpoint can be written the journal is kept from the last one on."""
    run = Run(tmp_path, budget=40_000)
    run.kit.consumer.start()
    run.inlet.statsd(b"a:2|c")
    run.second()
    held = decode((tmp_path / OPEN).read_bytes()).position
    (tmp_path / f"{OPEN}.new").mkdir()
    for _ in range(3):
        run.kit.wait(run.kit.intake.ticks("main", [view("item")] * 60, [], [], "http"))
        run.inlet.statsd(b"a:2|c")
        run.second()
    assert run.kit.consumer.lag == 0
    assert run.kit.journal.oldest <= held
    (tmp_path / f"{OPEN}.new").rmdir()
    run.inlet.statsd(b"a:2|c")
    run.second()
    assert decode((tmp_path / OPEN).read_bytes()).parts[0].columns.n.tolist() == [10.0]
    assert run.kit.journal.oldest > held


def test_what_a_deleted_stream_had_folded_is_not_restored(tmp_path: Path) -> None:
    """Neither its samples nor its gauges, when another stream of its name began since."""
    run = Run(tmp_path)
    run.kit.intake.inlet("udp", "shop", Dialect()).statsd(b"hits:3|c\ndepth:4|g")
    run.inlet.statsd(b"hits:5|c")
    run.second()
    run.kit.disk.crash(Random(1))
    kit = Kit(run.kit.disk, run.kit.store)
    kit.intake.owns = lambda stream, position: stream != "shop"
    checkpoints = Checkpoints(
        tmp_path, kit.intake, kit.flusher, kit.journal, kit.ledger, ImmediateWorker(), kit.clock
    )
    kit.wait(checkpoints.restore())
    found: list[Record] = []
    kit.wait(kit.reader.waiting(found.extend))
    assert [record.content.stream for record in found if isinstance(record.content, Parts)] == ["main"]
    assert "shop" not in kit.intake.tables
