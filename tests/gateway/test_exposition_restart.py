"""The page of metrics over restarts: nothing counts twice, nothing is missed, nothing goes down."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from metronome.fold.rules import Book
from metronome.gateway.exposition import Exposition
from metronome.gateway.shown_file import ShownFile
from metronome.journal.memory_disk import MemoryDisk
from metronome.kernel.interface import Dialect
from metronome.limits import TOTALS_INTERVAL
from metronome.threads.memory import ImmediateWorker
from tests.gateway.kit import PERIOD, START, Kit, counter
from tests.gateway.rule_kit import book

TTL = 300.0
RULES = """
[[rollup]]
match = "hits"
by = ["host"]
prometheus = "rolled_hits"
[[rollup]]
match = "wait"
prometheus = "rolled_wait"
buckets = [5, 50]
native = true
[[rollup]]
match = "load"
prometheus = "rolled_load"
every = 20
"""


class Runs:
    """Runs of a gateway's core with the page, one after another over the same disk."""

    def __init__(self, folder: Path, rules: Book) -> None:
        self.path = folder / "metrics"
        self.rules = rules
        self.disk = MemoryDisk()
        self.now = START
        self.seen: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        self.kit = Kit(self.disk, now=self.now)
        self.file = ShownFile(self.path, ImmediateWorker())
        kit = self.kit
        self.exposition = Exposition(kit.journal, kit.clock, kit.telemetry, TTL, None, self.file)
        self.exposition.use(self.rules)
        self.kit.intake.table("main")
        self.kit.intake.table("shop")
        self.exposition.start()

    def kill(self) -> None:
        """This run ends where it is, and another one begins."""
        self.now = self.kit.clock.seconds()
        self.file._close()  # as the end of a process does
        self.begin()

    def end(self) -> None:
        """This run ends in good order, and another one begins."""
        self.kit.wait(self.exposition.stop())
        self.kit.wait(self.kit.journal.stop())
        self.kill()

    def send(self, lines: str, stream: str = "main") -> None:
        self.kit.intake.inlet("statsd", stream, Dialect()).statsd(lines.encode())

    def flush(self, steps: int = 50) -> None:
        """A period ends and is in the journal; so many steps of what comes of it."""
        self.kit.clock.advance(PERIOD)
        self.kit.flusher.flush()
        self.kit.wait(self.kit.flusher._settled())  # type: ignore[arg-type]
        for _ in range(steps):
            self.kit.clock.advance(0.001)

    def samples(self) -> dict[str, float]:
        """Those of the page that are not our own; counters among them never go down."""
        page = b"".join(self.exposition.page("")[1]).decode()
        found = {
            f"{sample.name}{sample.labels or ''}": sample.value
            for family in parse_text(page)
            for sample in family.samples
            if not sample.name.startswith("metronome_")
        }
        for name, value in found.items():
            if "_total" in name or "_count" in name or "_bucket" in name:
                assert value >= self.seen.get(name, 0), name
                self.seen[name] = value
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("way", ["kill", "end"])
def test_everything_goes_on(folder: Path, way: str) -> None:
    """Counters, sums and buckets; gauges have the values that they had."""
    runs = Runs(folder, book(RULES, "prometheus"))
    for turn in range(6):
        runs.send("hits:2|c|#host:a\nwait:7|ms\nwait:70|ms\nload:3|g\nwho:x|s")
        runs.send("hits:1|c", "shop")
        runs.flush()
        before = runs.samples()
        getattr(runs, way)()
        if way == "kill" and turn < 2:
            assert runs.samples() == {}, "not before it has caught up"
        for _ in range(50):
            runs.kit.clock.advance(0.001)
        assert runs.samples() == before
    assert before["hits_total{'host': 'a'}"] == before["rolled_hits_total{'host': 'a'}"] == 12
    assert before["hits_total{'stream': 'shop'}"] == 6
    assert before["rolled_wait_bucket{'le': '50.0'}"] == before["wait_count"] / 2 == 6
    assert (before["load"], before["rolled_load"], before["who"]) == (3, 3, 1)


def test_what_began_while_nothing_was_kept_yet(folder: Path) -> None:
    """A run that is killed before its first image has said where it began."""
    runs = Runs(folder, Book())
    runs.send("a:1|c")
    runs.flush()
    runs.kill()
    runs.flush()
    assert runs.samples() == {"a_total": 1}


def test_the_first_run_begins_at_the_end(folder: Path) -> None:
    """Nothing says what was shown of what is in the journal."""
    runs = Runs(folder, Book())
    runs.send("a:1|c")
    runs.flush()
    runs.path.unlink()
    runs.kill()
    runs.send("a:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 1}


def test_a_damaged_file(folder: Path) -> None:
    """Is as good as none."""
    runs = Runs(folder, Book())
    runs.send("a:1|c")
    runs.flush()
    runs.path.write_bytes(runs.path.read_bytes()[:-3])
    runs.kill()
    runs.send("a:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 1}


def test_another_journal(folder: Path) -> None:
    """Values go on, and all of it is new."""
    runs = Runs(folder, Book())
    runs.send("a:1|c")
    runs.flush()
    runs.end()
    runs.disk = MemoryDisk()
    runs.kill()
    runs.send("a:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 2}


def test_a_disk_that_refuses(folder: Path) -> None:
    """The page goes on, and the cursor stays where the file is."""
    runs = Runs(folder / "missing", Book())
    begin = runs.kit.journal.cursor("metrics")
    for _ in range(int(TOTALS_INTERVAL / PERIOD) + 1):
        runs.send("a:1|c")
        runs.flush()
    assert runs.samples()["a_total"] == 4
    assert runs.kit.journal.cursor("metrics") == begin
    (folder / "missing").mkdir()
    for _ in range(int(TOTALS_INTERVAL / PERIOD) + 1):
        runs.flush()
    assert runs.kit.journal.cursor("metrics") > begin


def test_silence_while_nothing_ran(folder: Path) -> None:
    """It is not that of the series: they have their time to live from the restart on."""
    runs = Runs(folder, Book())
    runs.send("a:1|c\nb:1|c")
    runs.flush()
    runs.end()
    runs.now += 10 * TTL
    runs.begin()
    runs.send("a:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 2, "b_total": 1}
    runs.kit.clock.advance(TTL)
    runs.send("a:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 3}


def test_the_first_stays_the_first(folder: Path) -> None:
    """Who waited for a name still waits."""
    runs = Runs(folder, Book())
    runs.send("a:1|c")
    runs.flush()
    runs.send("a:7|g")
    runs.flush()
    runs.end()
    runs.send("a:8|g\na:1|c")
    runs.flush()
    assert runs.samples() == {"a_total": 2}


def test_other_rules_after_a_restart(folder: Path) -> None:
    """Groups of rules that are gone do not come back; the others go on."""
    runs = Runs(folder, book(RULES))
    runs.send("hits:1|c|#host:a\nwait:7|ms")
    runs.flush()
    runs.rules = book(RULES.replace('"wait"', '"other"'))
    runs.end()
    runs.send("hits:1|c|#host:a")
    runs.flush()
    assert runs.samples() == {"rolled_hits_total{'host': 'a'}": 2}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["main", "shop"]), st.integers(1, 9)),
        st.tuples(st.just("tick"), st.sampled_from(["main", "shop", "ticks"]), st.integers(1, 9)),
        st.tuples(st.just("flush"), st.just(""), st.integers(0, 12)),
        st.tuples(st.sampled_from(["kill", "end"]), st.just(""), st.just(0)),
    ),
    max_size=25,
)


def test_the_cursor_follows_though_nothing_comes(folder: Path) -> None:
    """A full journal takes no mark, and gets room only if the cursor goes on without one."""
    runs = Runs(folder, Book())
    begin = runs.kit.journal.cursor("metrics")
    runs.send("a:1|c")
    runs.flush()
    assert runs.kit.journal.cursor("metrics") == begin
    for _ in range(2):
        runs.kit.clock.advance(TOTALS_INTERVAL)
    for _ in range(50):
        runs.kit.clock.advance(0.001)
    assert runs.kit.journal.cursor("metrics") > begin
    runs.kill()
    runs.flush()
    assert runs.samples() == {"a_total": 1}


@settings(max_examples=40)
@given(STEPS)
def test_nothing_twice_and_nothing_missed(steps: list[tuple[str, str, int]]) -> None:
    """Whenever runs end, and however: what was flushed is counted once, by series and groups."""
    with tempfile.TemporaryDirectory() as name:
        rules = book(RULES + RULES.replace("[[rollup]]", "[[rollup]]\nstream = 'shop'"), "prometheus")
        runs = Runs(Path(name), rules)
        waiting = dict.fromkeys(("main", "shop"), 0)
        sums = dict.fromkeys(("main", "shop", "ticks"), 0)
        for what, stream, number in [*steps, ("flush", "", 50), ("flush", "", 50)]:
            if what == "send":
                runs.send(f"hits:{number}|c|#host:a", stream)
                waiting[stream] += number
            elif what == "tick":
                row = counter("hits", float(number), host="a", time=int(runs.kit.clock.seconds() * 1000))
                runs.kit.wait(runs.kit.intake.ticks(stream, [], [row], [], "tick"))
                sums[stream] += number
            elif what == "flush":
                runs.flush(number)
                sums = {name: total + waiting.get(name, 0) for name, total in sums.items()}
                waiting = dict.fromkeys(waiting, 0)
                runs.samples()
            else:
                getattr(runs, what)()
                waiting = dict.fromkeys(waiting, 0)
        found = runs.samples()
        for stream, total in sums.items():
            labels = "{'host': 'a'" + (f", 'stream': '{stream}'}}" if stream != "main" else "}")
            assert found.get(f"hits_total{labels}", 0) == total
            if stream != "ticks":
                assert found.get(f"rolled_hits_total{labels}", 0) == total
