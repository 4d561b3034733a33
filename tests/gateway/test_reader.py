"""Answers join the store with the journal: never behind, never twice."""

from __future__ import annotations

import pytest

from metronome.fold.stat import parse_stat
from metronome.gateway.intake import TickRow
from metronome.kernel import hash64
from metronome.kernel.interface import Dialect
from metronome.model import EventSelection, Kind, Selection, Series, canonical_labels, series_key
from metronome.wire.records import Row
from tests.gateway.kit import START_MS, Kit, counter, view

STEP = 10_000


def send(kit: Kit, *rows: TickRow) -> None:
    kit.wait(kit.intake.ticks("main", [], list(rows), [], "http"))


def gauge(name: str, n: float, **labels: str) -> TickRow:
    key = series_key(Series(name, canonical_labels(labels), Kind.GAUGE))
    return TickRow(Row(key, hash64(key), Kind.GAUGE, START_MS, 0.0, 1, n, 1.0, n, n, 0.0, ()), "")


def fold(kit: Kit, name: str, by: tuple[str, ...] = (), stat: str = "n") -> dict[tuple[str, ...], float]:
    """The only step's n by label values."""
    folded = kit.wait(kit.reader.fetch(Selection("main", name), STEP, by, parse_stat(stat)))
    return {tuple(value for _, value in one.labels): one.n.tolist()[0] for one in folded}


def start_store(kit: Kit) -> None:
    kit.consumer.start()
    kit.settle()


def test_what_waits_is_read_before_the_store_has_it() -> None:
    """With the store's consumer not even started, everything acknowledged is read."""
    kit = Kit()
    send(kit, counter("hits", 2), counter("hits", 3, code="500"))
    assert fold(kit, "hits") == {(): 5}
    assert fold(kit, "hits", ("code",)) == {("",): 2, ("500",): 3}
    assert [one.series.name for one in kit.wait(kit.reader.series(Selection("main", "h*")))] == ["hits"] * 2


def test_stored_and_waiting_parts_add_up_once() -> None:
    """A sum is the same before, between and after the store's writes."""
    kit = Kit()
    send(kit, counter("hits", 2))
    start_store(kit)
    assert fold(kit, "hits") == {(): 2}
    kit.wait(kit.consumer.stop())
    send(kit, counter("hits", 5))
    assert fold(kit, "hits") == {(): 7}


def test_gauges_of_store_and_journal_do_not_add_up_over_time() -> None:
    """The latest value of each series stands, then the series of a group add up."""
    kit = Kit()
    send(kit, gauge("depth", 10, host="a"), gauge("depth", 5, host="b"))
    start_store(kit)
    kit.wait(kit.consumer.stop())
    send(kit, gauge("depth", 7, host="a"))
    assert fold(kit, "depth") == {(): 12}
    assert fold(kit, "depth", ("host",)) == {("a",): 7, ("b",): 5}


@pytest.mark.parametrize(
    ("stat", "kind"), [("last", Kind.GAUGE), ("rate", Kind.COUNTER), ("n", Kind.COUNTER)]
)
def test_the_kind_follows_the_stat(stat: str, kind: Kind) -> None:
    """One name in two kinds: the stat says which is meant."""
    kit = Kit()
    send(kit, gauge("x", 1), counter("x", 2))
    folded = kit.wait(kit.reader.fetch(Selection("main", "x"), STEP, (), parse_stat(stat)))
    assert [one.kind for one in folded] == [kind]


def test_an_unknown_name_is_no_error() -> None:
    """Nothing selected, nothing answered."""
    kit = Kit()
    assert fold(kit, "nothing") == {}


def test_events_and_counts_join() -> None:
    """Events are listed newest first and counted over both sides."""
    kit = Kit()
    kit.wait(kit.intake.ticks("main", [view("a"), view("b", time=START_MS + 5)], [], [], "http"))
    start_store(kit)
    kit.wait(kit.consumer.stop())
    kit.wait(kit.intake.ticks("main", [view("a", time=START_MS + 9)], [], [], "http"))
    kit.wait(kit.intake.ticks("main", [], [], [], "http"))
    everything = EventSelection("main")
    listed = kit.wait(kit.reader.events(everything))
    assert [event["id"] for event in listed] == ["a", "b", "a"]
    assert [event["id"] for event in kit.wait(kit.reader.events(everything._replace(limit=1)))] == ["a"]
    assert kit.wait(kit.reader.count(everything, ("id",))) == {("a",): 2, ("b",): 1}
    assert kit.wait(kit.reader.count(everything._replace(stream="other"), ("id",))) == {}


def test_the_journal_is_kept_while_it_is_read() -> None:
    """Every answer gives its pin back."""
    kit = Kit()
    send(kit, counter("hits", 2))
    fold(kit, "hits")
    kit.wait(kit.reader.count(EventSelection("main"), ("id",)))
    start_store(kit)
    assert kit.journal.cursor("store") == kit.journal.synced_end
    assert fold(kit, "hits") == {(): 2}


def test_series_of_store_and_journal_are_one_list() -> None:
    """A series that both know has the time of both; plain names and globs find the same; by key."""
    kit = Kit()
    send(kit, counter("b", 1), counter("a", 1, code="1", time=START_MS - 20_000))
    start_store(kit)
    kit.wait(kit.consumer.stop())
    late = counter("a", 1, code="1", time=START_MS + 20_000)
    send(kit, late, counter("a", 1, code="1"), counter("aa", 1), gauge("a", 1), counter("c", 1))

    def listed(name: str, **wish: object) -> list[tuple[str, Kind, int, int]]:
        selection = Selection("main", name)._replace(**wish)
        found = kit.wait(kit.reader.series(selection))
        return [
            (one.series.name, one.series.kind, one.first - START_MS, one.last - START_MS) for one in found
        ]

    both = ("a", Kind.COUNTER, -20_000, 20_000)
    assert listed("a", kind=Kind.COUNTER) == listed("[a]", kind=Kind.COUNTER) == [both]
    assert listed("a") == [both, ("a", Kind.GAUGE, 0, 0)]
    assert [name for name, *_ in listed("*")] == ["a", "aa", "b", "c", "a"]
    assert listed("a", where=(("code", "2"),)) == []
    assert listed("a", start=START_MS + 1) == [("a", Kind.COUNTER, 20_000, 20_000)]


def test_packed_points_are_read_while_they_wait_and_when_they_are_stored() -> None:
    """Each at its own time, and only those of the time asked for."""
    kit = Kit()
    kit.flusher.start()
    seconds = START_MS // 1000
    lines = b"".join(b"load %d %d\n" % (n, seconds + n) for n in (0, 3, 3, 12, 25))
    kit.intake.inlet("graphite", "main", Dialect()).graphite(lines)
    kit.clock.advance(1)
    kit.settle()

    def asked() -> tuple[list[tuple[int, float, float]], list[tuple[int, int]]]:
        selection = Selection("main", "load", start=START_MS + 1, end=START_MS + 25_000)
        (one,) = kit.wait(kit.reader.fetch(selection, STEP, (), parse_stat("last")))
        found = kit.wait(kit.reader.series(selection))
        rows = zip(one.times.tolist(), one.n.tolist(), one.counts.tolist(), strict=True)
        return list(rows), [(series.first, series.last) for series in found]

    wanted = [(START_MS, 3.0, 2.0), (START_MS + STEP, 12.0, 1.0)], [(START_MS + 3000, START_MS + 12_000)]
    assert asked() == wanted
    start_store(kit)
    assert kit.journal.cursor("store") == kit.journal.synced_end
    assert asked() == wanted
    assert kit.received() == kit.accounted() == 5
