"""Dead letters are stored once each, or stay letters, whatever interrupts the replay."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from metronome.errors import ClientError, StoreRejected, StoreUnavailable
from metronome.gateway.dead_letters import DeadLetterFile, read_letter
from metronome.gateway.replay import Replay, Replayed
from metronome.gateway.writer import diverted_line
from metronome.limits import REPLAY_LETTERS
from metronome.model import Batch, Events, EventSelection, Parts, Record
from metronome.store import open_store
from metronome.store.interface import Store
from metronome.store.memory import MemoryStore
from metronome.threads.memory import ImmediateWorker
from metronome.wire.records import columns_of
from tests.gateway.kit import START_MS, counter, view
from tests.store.child import finish
from tests.store.cluster import FakeCluster
from tests.store.test_elastic import opened

DAY = "2023-11-14"
GATEWAY = "g"


class Choosy(MemoryStore):
    """Refuses what is about item ``bad`` while it is strict; may be away, or lose its answer."""

    strict = True
    away = False
    lost = False

    def write(self, batch: Batch) -> Deferred[None]:
        if self.away:
            return fail(StoreUnavailable("away"))
        bad = [(record, "bad item") for record in batch.records if self.strict and is_bad(record)]
        if bad:
            return fail(StoreRejected(list(bad)))
        written = super().write(batch)
        return fail(StoreUnavailable("the answer was lost")) if self.lost else written


class ChoosyCluster(FakeCluster):
    """The same as a cluster, which takes all other documents of a batch."""

    def _bulk_item(self, verb: str, name: str, action: dict[str, Any], source: Any) -> dict[str, Any]:
        if source and source.get("id") == "bad":
            return {"status": 400, "error": {"type": "document_parsing_exception", "reason": "bad item"}}
        return super()._bulk_item(verb, name, action, source)


def is_bad(record: Record) -> bool:
    return isinstance(record.content, Events) and record.content.events[0]["id"] == "bad"


class Killed(Exception):
    """The process ends here."""


class World:
    """A store that has passed some letters, and the files; a new run has new objects."""

    def __init__(self, folder: Path, store: Store | None = None, end: int = 10**6):
        self.folder = folder
        self.store = store or Choosy()
        self.told: list[tuple[str, int]] = []
        self.deleted: set[str] = set()
        finish(self.store.start())
        finish(self.store.write(Batch(GATEWAY, [], end)))

    def divert(self, *items: str, begin: int = 0) -> None:
        """As the writer does: a letter each and its line of the books."""
        letters = DeadLetterFile(self.folder)
        lines = []
        for number, item in enumerate(items):
            record = Record(begin + number, Events("main", [view(item), view("x")]))
            kept = letters.put(GATEWAY, record, "no", DAY)
            lines += diverted_line(record, kept)
        finish(self.store.write(Batch("books", [Record(begin, lines)], begin + 1)))

    def replay(self, kill: Callable[[], None] = lambda: None) -> Replay:
        letters = MortalLetters(self.folder, kill)
        return MortalReplay(letters, self.store, GATEWAY, self.owns, self.stored, kill)

    def owns(self, gateway: str, stream: str, position: int) -> bool:
        return stream not in self.deleted

    def stored(self, stream: str, number: int) -> None:
        self.told.append((stream, number))

    def all(self) -> Replayed:
        """Replay until there is no more."""
        replay, told = self.replay(), Replayed(more=True)
        while told.more:
            told = told.plus(finish(replay.step()))
        return told

    def items(self) -> list[str]:
        events = finish(self.store.events(EventSelection("main")))
        return sorted(event["id"] for event in events if event["id"] != "x")

    def letters(self) -> list[str]:
        path = self.folder / "dead-letters.ndjson"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [f"{letter.position} {letter.reason}" for letter in map(read_letter, lines)]

    def books(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for _, _, outcome, _, number in finish(self.store.tallies("main")):
            found[outcome] = found.get(outcome, 0) + number
        return found


class MortalLetters(DeadLetterFile):
    """Dead letters of a process that may be killed before or after it touches the disk."""

    def __init__(self, folder: Path, kill: Callable[[], None]):
        super().__init__(folder)
        self._kill = kill

    def _append(self, line: bytes) -> None:
        self._kill()
        super()._append(line)
        self._kill()

    def hand_over(self) -> bool:
        self._kill()
        return super().hand_over()


class MortalReplay(Replay):
    """A replay in such a process."""

    def __init__(self, *arguments: Any):
        *others, self._kill = arguments
        super().__init__(*others)

    def _write_note(self, note: Any) -> None:
        self._kill()
        super()._write_note(note)
        self._kill()

    def _end(self) -> None:
        self._kill()
        self._letters.replaying.unlink(missing_ok=True)
        self._kill()
        super()._end()
        self._kill()


def test_letters_become_stored(tmp_path: Path) -> None:
    """What was refused is taken now: the books move from diverted to stored, the files go."""
    world = World(tmp_path)
    world.divert("a", "bad", "b")
    assert world.books() == {"diverted": 6}
    world.store.strict = False  # type: ignore[attr-defined]
    assert world.all() == Replayed(stored=3, inputs=6)
    assert world.items() == ["a", "b", "bad"]
    assert world.books() == {"diverted": 0, "stored": 6}
    assert world.told == [("main", 2)] * 3
    assert list(tmp_path.iterdir()) == []
    assert world.all() == Replayed()


def test_what_is_refused_again_stays(tmp_path: Path) -> None:
    """With what the store says now; its neighbours are stored, and it can be replayed later."""
    world = World(tmp_path)
    world.divert("a", "bad", "b")
    assert world.all() == Replayed(stored=2, inputs=4, refused=1, reasons=(("bad item", 1),))
    assert world.letters() == ["1 bad item"]
    assert world.books() == {"diverted": 2, "stored": 4}
    assert world.all() == Replayed(refused=1, reasons=(("bad item", 1),))
    world.store.strict = False  # type: ignore[attr-defined]
    assert world.all() == Replayed(stored=1, inputs=2)
    assert world.items() == ["a", "b", "bad"]


def test_a_replay_that_is_killed_anywhere_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """At each place where it touches the disk or the store, with letters that are taken and refused,
    and while new ones come: every letter is stored once or still a letter."""
    for place in itertools.count(1):
        folder = tmp_path / str(place)
        folder.mkdir()
        world = World(folder)
        world.divert("a", "bad", "b")
        left = [place]

        def kill(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        try:
            replay, told = world.replay(kill), Replayed(more=True)
            while told.more:
                told = finish(replay.step())
        except Killed:
            world.divert("c", "bad", begin=10)
        ended = left[0] > 0
        for _ in range(2):  # what came meanwhile has its turn with the second
            world.all()
        new = [] if ended else ["c"]
        assert world.items() == sorted(["a", "b", *new]), place
        assert sorted(world.letters()) == sorted(["1 bad item", *([] if ended else ["11 bad item"])]), place
        world.store.strict = False  # type: ignore[attr-defined]
        world.all()
        items = ["a", "b", "bad", *([] if ended else ["bad", "c"])]
        assert world.items() == sorted(items), place
        assert world.books() == {"diverted": 0, "stored": 2 * len(items)}
        assert list(folder.iterdir()) == []
        if ended:
            break
    assert place > 12


@pytest.mark.parametrize("lost", [False, True], ids=["away", "answer lost"])
def test_a_store_that_is_away_is_waited_for(tmp_path: Path, lost: bool) -> None:
    """The piece fails, with or without having been applied, and is done by the next attempt, once."""
    world = World(tmp_path)
    world.divert("a", "b")
    store: Any = world.store
    setattr(store, "lost" if lost else "away", True)
    replay = world.replay()
    with pytest.raises(StoreUnavailable):
        finish(replay.step())
    store.lost = store.away = False
    finish(replay.step())
    world.all()
    assert world.items() == ["a", "b"]
    assert world.books() == {"diverted": 0, "stored": 4}


def test_letters_that_the_writer_is_still_at_stay(tmp_path: Path) -> None:
    """Their batch may be refused and put aside again; those of another journal nobody is at."""
    world = World(tmp_path, end=1)
    world.divert("a", "b")
    DeadLetterFile(tmp_path).put("old", Record(7, Events("main", [view("c")])), "no", DAY)
    assert world.all() == Replayed(stored=2, inputs=3, early=1)
    assert world.items() == ["a", "c"]
    assert world.letters() == ["1 no"]
    world.divert("a", "b")
    assert world.letters() == ["1 no", "0 no"]


def test_letters_of_deleted_streams_are_dropped(tmp_path: Path) -> None:
    """As what waits in the journal is."""
    world = World(tmp_path)
    world.divert("a")
    world.deleted.add("main")
    assert world.all() == Replayed(ownerless=1)
    assert list(tmp_path.iterdir()) == []


def test_lines_that_cannot_be_read_stay(tmp_path: Path) -> None:
    """They are nobody's letter, and stop none."""
    world = World(tmp_path)
    (tmp_path / "dead-letters.ndjson").write_bytes(b"what?\n")
    world.divert("a")
    assert world.all() == Replayed(stored=1, inputs=2, unread=1)
    assert (tmp_path / "dead-letters.ndjson").read_bytes() == b"what?\n"
    assert world.all() == Replayed(unread=1)


def test_many_letters_come_in_pieces(tmp_path: Path) -> None:
    """So many at once, and of one gateway; others have their turn in between."""
    world = World(tmp_path)
    world.divert(*(f"i{number}" for number in range(REPLAY_LETTERS + 5)))
    DeadLetterFile(tmp_path).put("old", Record(7, Events("main", [view("c")])), "no", DAY)
    replay = world.replay()
    steps = [finish(replay.step()) for _ in range(4)]
    assert [step.stored for step in steps] == [REPLAY_LETTERS, 5, 1, 0]
    assert [step.more for step in steps] == [True, True, True, False]
    assert len(world.items()) == REPLAY_LETTERS + 6
    assert finish(world.store.applied()).keys() == {"g", "books", "g.letters", "old.letters"}


def test_what_a_cluster_refuses_again_leaves_the_others_once(tmp_path: Path) -> None:
    """It has taken them before it refuses, and then gets them in other places."""
    cluster = ChoosyCluster()
    world = World(tmp_path, opened(cluster))
    world.divert("bad", "a", "b")
    assert finish(world.replay().step()).refused == 1
    cluster.call("POST", "/metronome-*/_refresh")
    documents = [doc for name, index in cluster.indices.items() if "-ticks-" in name for doc in index.docs]
    assert len(documents) == 4
    assert world.items() == ["a", "b"]


def test_a_second_replay_beside_the_first_is_refused(tmp_path: Path) -> None:
    """Two would have the same piece in hand."""
    waiting: Deferred[dict[str, int]] = Deferred()

    class Slow(Choosy):
        def applied(self) -> Deferred[dict[str, int]]:
            return waiting

    store = Slow()
    replay = Replay(DeadLetterFile(tmp_path), store, GATEWAY, lambda *_: True)
    first = replay.step()
    with pytest.raises(ClientError, match="under way"):
        replay.step()
    waiting.callback({})
    assert finish(first) == Replayed()


def test_points_in_a_real_store(tmp_path: Path) -> None:
    """Rows of several letters have places of their own; nothing is added twice."""
    store = open_store("duckdb::memory:", data_dir=tmp_path, worker=ImmediateWorker())
    world = World(tmp_path, store)
    letters = DeadLetterFile(tmp_path)
    rows = [counter(f"c{number}", 1, time=START_MS).row for number in range(50)]
    for position in (100, 200):
        letters.put(GATEWAY, Record(position, Parts("main", columns_of(rows))), "no", DAY)
    note = letters.note.exists
    assert not note()
    assert finish(world.replay().step()) == Replayed(stored=2, inputs=100, more=True)
    assert note()
    world.all()
    assert world.books() == {"diverted": -100, "stored": 100}
    assert store.statistics()["parts"] == 100
    assert finish(store.applied())["g.letters"] > 100
    finish(store.stop())
