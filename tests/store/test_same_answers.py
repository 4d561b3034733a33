"""Whatever is written, replayed, merged and forgotten, in whatever order: every store answers as the
one in memory does.  (Real clusters are asked in ``tests/live/test_elastic_answers.py``.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from metronome.model import Batch, EventSelection, Kind, Parts, Selection, Tally
from metronome.store import open_store
from metronome.store.elastic_read import Bounds
from metronome.store.interface import Retention, Rung, Store
from metronome.threads.memory import ImmediateWorker
from metronome.wire.records import Row
from tests.store.build import batch, counter, events, gauge, happened, members, packed, parts, plain, timer
from tests.store.child import finish
from tests.store.cluster import FakeCluster
from tests.store.contract_export import answers, copy
from tests.store.test_elastic import opened

HOUR = 3_600_000
RETENTION = Retention((Rung(10, 7200), Rung(60, 6 * 3600), Rung(600, 200 * 3600)), 100 * 3600)
LADDER_TIMES = [2 * HOUR, 6 * HOUR, 14 * HOUR, 130 * HOUR, 203 * HOUR]

times = st.sampled_from([0, 1, 7000, 10_000, 61_000]) | st.integers(0, 4 * HOUR)
# Sums of these are exact, so that the order of adding cannot show.
values = st.integers(-4096, 4096).map(lambda number: number / 8)
# Few series, so that parts meet.
labels = st.sampled_from([{}, {"a": "x"}, {"a": "y/z", "b.c": "[1]"}, {"b.c": "", "ü": "ß"}])
names = st.sampled_from(["n", "n", "n.m", "o*", "ünï"])
words = st.sets(st.sampled_from("abcdefg"), min_size=1)
samples = st.lists(values, min_size=1, max_size=5)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A part of any kind."""
    name, time, own = draw(names), draw(times), draw(labels)
    match draw(st.sampled_from(Kind)):
        case Kind.COUNTER:
            return counter(name, time, draw(values), d=draw(st.integers(1, 9)), **own)
        case Kind.GAUGE:
            return gauge(name, time, draw(values), **own)
        case Kind.TIMER:
            return timer(name, time, draw(samples), **own)
        case _:
            return members(name, time, draw(words), **own)


@st.composite
def happenings(draw: st.DrawFn) -> Any:
    """An event with any of its fields."""
    further = {
        "received": times,
        "eid": st.sampled_from(["", "e1", "e2"]),
        "referer": st.sampled_from(["", "site/page"]),
        "format": st.sampled_from(["", "csv"]),
        "message": st.text(st.characters(codec="utf-8"), max_size=5),
        "labels": st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
            st.text(st.characters(codec="utf-8"), max_size=3),
            max_size=2,
        )
        | labels,
        "fields": st.dictionaries(st.sampled_from("pq"), values),
    }
    type_, id_ = draw(st.sampled_from(["view", "download"])), draw(st.sampled_from(["", "a", "b"]))
    return happened(draw(times), type_, id_, **draw(st.fixed_dictionaries({}, optional=further)))


@st.composite
def series(draw: st.DrawFn) -> Parts:
    """Points that came together."""
    name, own = draw(names), draw(labels)
    points = draw(st.lists(st.tuples(times | st.integers(0, 40_000), values), min_size=1, max_size=12))
    further = draw(st.lists(rows(), max_size=3))
    return packed(parts(*(gauge(name, time, value, **own) for time, value in points), *further))


contents = st.one_of(
    st.lists(rows(), max_size=12).map(lambda some: parts(*some)),
    series(),
    st.lists(rows(), max_size=4).map(lambda some: parts(*some, stream="other", ids=((5, "p"),))),
    st.lists(happenings(), max_size=5).map(lambda some: events(*some)),
    st.just([Tally("main", "1970-01-01", "udp", "rejected", "bad_value", 3)]),
)
steps = st.one_of(
    st.tuples(
        st.just("write"), st.sampled_from(["g1", "g10", "g2"]), st.lists(contents, min_size=1, max_size=3)
    ),
    st.tuples(st.just("replay"), st.integers(0, 5)),
    st.tuples(st.just("expire"), st.sampled_from(LADDER_TIMES)),
    st.tuples(st.just("forget"), st.sampled_from(["other", "none"])),
)
globs = st.sampled_from(["*", "n*", "n.m", "{n,ünï}", "o\\*", "?", "[!n]*", "n[.]m"])
globbed = st.sampled_from(["*", "", "x", "{x,ß}", "?*"])
wheres = st.lists(st.tuples(st.sampled_from(["a", "b.c", "none"]), globbed))
questions = st.tuples(
    st.builds(
        Selection,
        st.sampled_from(["main", "other"]),
        globs,
        wheres.map(lambda some: tuple(dict(some).items())),
        st.none() | st.sampled_from(Kind),
        st.just(0) | times,
        st.just(1 << 62) | times,
    ),
    st.sampled_from([0, 10_000, 60_000, HOUR]),
    st.sampled_from([None, (), ("a",), ("b.c", "a"), ("none",)]),
)


def apply(store: Store, script: list[Any]) -> list[Any]:
    """Do what the script says; what the store answered."""
    written: list[Batch] = []
    ends: dict[str, int] = {}
    answers = []
    now = 0  # never goes back, or stores would know more of what was merged than the rule does
    for what, *how in script:
        if what == "write":
            gateway, inside = how
            written.append(batch(gateway, *inside, begin=ends.get(gateway, 0)))
            ends[gateway] = written[-1].end
            finish(store.write(written[-1]))
        elif what == "replay" and how[0] < len(written):
            finish(store.write(written[how[0]]))
        elif what == "expire":
            now = max(now, how[0])
            answers.append(finish(store.expire(now, {"main": RETENTION, "other": RETENTION})))
        elif what == "forget":
            finish(store.forget(how[0]))
    return answers


def ask(store: Store, question: tuple[Selection, int, tuple[str, ...] | None]) -> list[Any]:
    """Everything that can be asked."""
    selection, step, by = question
    fetched = finish(store.fetch(selection, step, by, sketches=True, members=True))
    chosen = EventSelection(selection.stream, start=selection.start, end=selection.end, where=selection.where)
    return [
        plain(fetched.groups),
        fetched.applied,
        finish(store.find(selection)),
        finish(store.events(chosen)),
        finish(store.count(chosen, ("slot", "type", "id", "format", "referer"))),
        finish(store.count(chosen, ("type", "slot", "id"), 1)),
        finish(store.tallies(selection.stream)),
        finish(store.recent_ids(4)),
        counted(store),
    ]


def counted(store: Store) -> dict[str, float]:
    """How many series and parts it has; one that asks a server does so with its health."""
    finish(store.health())
    return {name: store.statistics()[name] for name in ("series", "parts")}


scripts = st.lists(steps, min_size=1, max_size=12)
several_questions = st.lists(questions, min_size=1, max_size=2)


def check(store: Store, script: list[Any], asked: list[Any]) -> None:
    """The script leaves the store, which is new, with the oracle's answers to any question."""
    oracle = open_store("memory:")
    finish(store.start())
    try:
        assert apply(store, script) == apply(oracle, script)
        for question in [(Selection("main", "*"), 0, None), (Selection("main", "*"), 60_000, ()), *asked]:
            assert ask(store, question) == ask(oracle, question)
    finally:
        finish(store.stop())


@settings(max_examples=settings().max_examples // 3)
@given(scripts, several_questions)
def test_duckdb_answers_as_memory(script: list[Any], asked: list[Any]) -> None:
    """Any script leaves both stores with the same answers to any question."""
    check(open_store("duckdb::memory:", data_dir=Path("."), worker=ImmediateWorker()), script, asked)


@given(scripts, several_questions, st.sampled_from([2, 10_000]), st.sampled_from([0, 10_000]))
def test_a_cluster_answers_as_memory(script: list[Any], asked: list[Any], page: int, gauges: int) -> None:
    """Any script, whatever fits on a page, and whether gauges are many."""
    check(opened(FakeCluster(), bounds=Bounds(page=page, gauges=gauges)), script, asked)


@settings(max_examples=settings().max_examples // 5)
@given(st.lists(steps, min_size=1, max_size=8), st.integers(1, 9))
def test_copies_answer_as_the_originals(script: list[Any], most: int) -> None:
    """Any script, and everything of it handed out to the other kind of store."""
    oracle = open_store("memory:")
    store = open_store("duckdb::memory:", data_dir=Path("."), worker=ImmediateWorker())
    target = open_store("duckdb::memory:", data_dir=Path("."), worker=ImmediateWorker())
    for one in (store, target):
        finish(one.start())
    try:
        for one in (store, oracle):
            apply(one, script)
        copies = copy(store, open_store("memory:"), most), copy(oracle, target, most)
        for stream in ("main", "other"):
            for copied in copies:
                assert answers(copied, stream) == answers(oracle, stream)
    finally:
        for one in (store, target):
            finish(one.stop())
