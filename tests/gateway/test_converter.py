"""The converter's lines."""

from __future__ import annotations

import math
import pickle
import struct

from metronome.fold.mapping import load
from metronome.fold.rules import Book
from metronome.fold.shapes import Shapes
from metronome.fold.statsd import Naming
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.rollup_lines import RuleLines
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import Table, hash64
from metronome.kernel.interface import Dialect
from metronome.limits import IDLE_SECONDS
from metronome.model import Batch, Flushed, Kind, Parts, Record, Series, series_key
from metronome.wire.records import Row, columns_of
from tests.gateway.kit import PERIOD, START, START_MS

STAMP = int(START + PERIOD)


def batch_of(*contents: Parts | Flushed) -> Batch:
    return Batch(
        "g", [Record(place * 10, content) for place, content in enumerate(contents)], len(contents) * 10
    )


def row(name: str, kind: Kind, n: float, period: float = PERIOD, time: int = START_MS) -> Row:
    key = series_key(Series(name, (), kind))
    return Row(key, hash64(key), kind, time, period, 1, n, 1.0, n, n, 0.0, ())


def lines(encode: str = "tcp", skipped: list[str] | None = None, idle_series: int = 100) -> Lines:
    told = [] if skipped is None else skipped
    rules = RuleLines("graphite:x", Telemetry())
    return Lines("main", Naming(), ENCODINGS[encode], rules, idle_series=idle_series, skipped=told.append)


def text(chunks: list) -> str:
    return b"".join(chunk.data for chunk in chunks).decode()


def test_values_that_carbon_cannot_take_are_counted() -> None:
    """A point that is no finite number is left out and counted."""
    skipped: list[str] = []
    parts = Parts("main", columns_of([row("a", Kind.GAUGE, math.inf, 0.0), row("b", Kind.GAUGE, 1.0, 0.0)]))
    assert text(list(lines(skipped=skipped).chunks(batch_of(parts)))) == f"b 1 {START_MS // 1000}\n"
    assert skipped == ["not_finite"]


def test_pickle() -> None:
    """A pickle destination gets the same points as frames."""
    parts = Parts("main", columns_of([row("a", Kind.GAUGE, 2.5, 0.0)]))
    (data,) = [chunk.data for chunk in lines("pickle").chunks(batch_of(parts)) if chunk.data]
    assert struct.unpack("!L", data[:4])[0] == len(data) - 4
    assert pickle.loads(data[4:]) == [("a", (START_MS // 1000, 2.5))]


def test_packed_points_are_sent_one_by_one() -> None:
    """Those of a series by their times, of equal times as they came."""
    table = Table()
    table.feed_graphite(b"a.b;k=v 1 30\nc 5 7\na.b;k=v 2 10\na.b;k=v 3 30\n", 1.0, Dialect())
    sent = text(list(lines().chunks(batch_of(Parts("main", table.flush_points())))))
    assert sent == "a.b;k=v 2 10\na.b;k=v 1 30\na.b;k=v 3 30\nc 5 7\n"


def test_a_batch_asked_for_again_is_not_folded_twice() -> None:
    """After a failure in the middle, the rest of the batch comes and nothing counts double."""
    one = lines()
    parts = Parts("main", columns_of([row("hits", Kind.COUNTER, 5.0)]))
    batch = batch_of(
        parts, Flushed("main", START_MS, PERIOD), parts, Flushed("main", START_MS + 10_000, PERIOD)
    )
    begun = one.chunks(batch)
    next(begun)
    assert text([next(begun)]).startswith("stats.counters.hits.rate 0.5")
    begun.close()
    again = text(list(one.chunks(batch)))
    assert again.splitlines()[:2] == [
        f"stats.counters.hits.rate 0.5 {STAMP}",
        f"stats.counters.hits.count 5 {STAMP}",
    ]
    assert list(one.chunks(batch)) == []


def test_each_flush_completes_its_records() -> None:
    """The end of a flush carries the journal position behind its mark, parts carry none."""
    parts = Parts("main", columns_of([row("hits", Kind.COUNTER, 5.0)]))
    mark = Flushed("main", START_MS, PERIOD)
    ends = [chunk.end for chunk in lines().chunks(batch_of(parts, mark, parts))]
    assert [end for end in ends if end] == [20]


def test_a_mapping_rule_says_when_silent_series_are_forgotten() -> None:
    """Its ttl stands before a day; others are repeated as usual."""
    one = lines()
    one.use(Book(shapes=Shapes(load("mappings: [{match: x, name: hits, ttl: 20s}]"))))
    parts = Parts("main", columns_of([row("hits", Kind.COUNTER, 5.0), row("misses", Kind.COUNTER, 1.0)]))
    marks = [Flushed("main", START_MS + number * 10_000, PERIOD) for number in range(3)]
    told = text(list(one.chunks(batch_of(parts, *marks))))
    assert [f"{name}.count 0" in told for name in ("hits", "misses")] == [True, True]
    assert (told.count("stats.counters.hits.count"), told.count("stats.counters.misses.count")) == (2, 3)


def test_silent_series_are_forgotten() -> None:
    """After a day of silence, and beyond a bound the longest silent first."""
    one = lines()
    parts = Parts("main", columns_of([row("hits", Kind.COUNTER, 5.0)]))
    list(one.chunks(batch_of(parts, Flushed("main", START_MS, PERIOD))))
    for after, known in ((IDLE_SECONDS - 10, True), (IDLE_SECONDS, False)):
        mark = Flushed("main", START_MS + after * 1000, PERIOD)
        chunks = list(one.chunks(Batch("g", [Record(100 + after, mark)], 200 + after)))
        assert ("hits.count 0" in text(chunks)) is known
    one = lines(idle_series=2)
    for number in range(4):
        at = START_MS + number * 10_000
        parts = Parts("main", columns_of([row(f"c{number}", Kind.COUNTER, 1.0, time=at)]))
        batch = Batch(
            "g",
            [Record(number * 20, parts), Record(number * 20 + 10, Flushed("main", at, PERIOD))],
            number * 20 + 20,
        )
        sent = text(list(one.chunks(batch)))
    assert [name in sent for name in ("c0.count 0", "c1.count 0", "c2.count 0", "c3.count 1")] == [
        False,
        True,
        True,
        True,
    ]


def test_many_ticks_stay_small() -> None:
    """A hundred thousand ticks of one counter in one period are one value."""
    one = lines()
    many = [Parts("main", columns_of([row("hits", Kind.COUNTER, 1.0)])) for _ in range(2000)]
    sent = text(list(one.chunks(batch_of(*many, Flushed("main", START_MS, PERIOD)))))
    assert f"stats.counters.hits.count 2000 {STAMP}" in sent
