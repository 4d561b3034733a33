"""The table: what goes in, what comes out, what is bounded."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from metronome.fold.columns import expanded
from metronome.kernel.interface import Dialect, Mapped, Reject
from metronome.limits import (
    EVENT_BYTES_WAITING,
    EVENTS_WAITING,
    POINTS_KEPT,
    POINTS_PER_PACK,
    REJECTS_KEPT,
)
from metronome.model import Kind, Labels, Series, series_key
from tests.kernel.helpers import UNION, rows


def test_a_block_is_folded_by_series(kernel: ModuleType) -> None:
    """Lines of one name, kind and labels are one row, in the order in which series came."""
    table = kernel.Table()
    assert table.feed_statsd(b"b:1|c\na:2|c|#y:1,x:2\nb:3|c\na:4|c|#x:2,y:1\nb:5|ms\n", UNION) == 5
    assert (table.series, table.waiting, table.points_waiting) == (3, 5, 0)
    columns = table.flush(1700000000000, 10.0)
    found = [(row["series"], row["kinds"], row["n"], row["counts"]) for row in rows(columns)]
    labels = (("x", "2"), ("y", "1"))
    assert found == [(("b", ()), 0, 4.0, 2), (("a", labels), 0, 6.0, 2), (("b", ()), 2, 5.0, 1)]
    assert columns.key(1) == series_key(Series("a", labels, Kind.COUNTER))
    assert columns.ids.tolist() == [kernel.hash64(columns.key(row)) for row in range(3)]
    assert (columns.times.tolist(), columns.periods.tolist()) == ([1700000000000] * 3, [10.0] * 3)
    assert (table.waiting, len(table.flush(0, 10.0)), table.series) == (0, 0, 3)


def test_a_line_is_wholly_in_or_wholly_out(kernel: ModuleType) -> None:
    """One bad value or group refuses all of its line and nothing else."""
    table = kernel.Table()
    assert table.feed_statsd(b"a:1:2:x|c\nb:1|c:2|q\nc:1|c\nd:3|c:nan|g", UNION) == 1
    assert [row["series"][0] for row in rows(table.flush(0, 10.0))] == ["c"]
    assert [reject.reason for reject in table.rejects()] == ["bad_value", "bad_type", "not_finite"]


def test_samples_with_a_time_leave_the_period(kernel: ModuleType) -> None:
    """``|T`` takes counters and gauges out of the open period; timers and sets stay in it."""
    table = kernel.Table()
    table.feed_statsd(b"a:1:2|c|@0.5|T100\ng:-4|g|T100.5\nt:1|ms|T100\na:7|c", UNION)
    assert (table.waiting, table.points_waiting) == (5, 3)
    found = [
        (row["series"][0], row["times"], row["n"], row["d"], row["periods"], row["counts"])
        for row in rows(table.flush_points())
    ]
    assert found == [("a", 100000, 6.0, 4.0, 10.0, 2), ("g", 100000, -4.0, 1.0, 10.0, 1)]
    assert [(row["series"][0], row["n"]) for row in rows(table.flush(0, 10.0))] == [("a", 7.0), ("t", 1.0)]
    assert table.waiting == 0


def test_graphite_lines_are_gauge_points(kernel: ModuleType) -> None:
    """Each keeps its time; those without one get the time given, to the millisecond."""
    table = kernel.Table()
    block = b"a.b 1 100\na.b 2 100\nc;k=v 3\nbad\nc;k=v 4 -1\n"
    assert table.feed_graphite(block, 1700000000.1236, UNION) == 4
    points = expanded(table.flush_points())
    found = [(row["series"], row["kinds"], row["times"], row["n"]) for row in rows(points)]
    labelled = ("c", (("k", "v"),))
    now = 1700000000124
    assert found == [
        (("a.b", ()), 1, 100000, 1.0),
        (("a.b", ()), 1, 100000, 2.0),
        (labelled, 1, now, 3.0),
        (labelled, 1, now, 4.0),
    ]
    assert table.rejects() == [Reject("malformed_line", b"bad")]


def test_points_of_canonical_keys(kernel: ModuleType) -> None:
    """The pickle receiver hands keys over; the series limit holds for them too."""
    table = kernel.Table(series_limit=1)
    key = series_key(Series("a", (("k", "v"),), Kind.GAUGE))
    assert table.add_point(key, 5, 1.5)
    assert not table.add_point(b"gother", 5, 1.5)
    assert table.counts()["rejected:too_many_series"] == 1
    (row,) = rows(table.flush_points())
    assert (row["series"], row["times"], row["n"]) == (("a", (("k", "v"),)), 5, 1.5)
    with pytest.raises(ValueError, match="not"):
        table.add_point(b"xa", 5, 1.0)


def test_statsd_and_graphite_names_are_not_confused(kernel: ModuleType) -> None:
    """The same bytes are another series where the rules for names differ."""
    table = kernel.Table()
    table.feed_statsd(b"a/b:1|g", UNION)
    table.feed_graphite(b"a/b 2 3", 0.0, UNION)
    assert table.series == 2
    table.feed_statsd(b"a,k=v:1|g", Dialect(influx_tags=False))
    table.feed_statsd(b"a,k=v:1|g", UNION)
    table.feed_statsd(b"a,k=v:1|g|c:x", UNION)
    table.feed_statsd(b"a,k=v:1|g|c:x", Dialect(container_labels=True))
    table.feed_statsd(b"a,k=v:1|g|e:x", Dialect(container_labels=True))
    names = [row["series"] for row in rows(table.flush(0, 10.0))]
    expected: list[tuple[str, Labels]] = [("a-b", ()), ("ak=v", ()), ("a", (("k", "v"),))]
    expected.append(("a", (("container_id", "x"), ("k", "v"))))
    expected.append(("a", (("external_data", "x"), ("k", "v"))))
    assert names == expected


def test_idle_series_are_forgotten(kernel: ModuleType) -> None:
    """Those without a sample in the last flushes go; live ones and those with points stay."""
    table = kernel.Table()
    table.feed_statsd(b"old:1|c\ngauge:5|g\nlive:1|c\nset:x|s\ntimer:1|ms", UNION)
    table.flush(0, 10.0)
    assert table.prune(1) == 0
    table.feed_statsd(b"live:2|c", UNION)
    table.flush(0, 10.0)
    table.feed_graphite(b"gauge 7 1", 0.0, UNION)
    assert table.prune(2) == 0
    assert table.prune(1) == 3
    assert table.series == 2
    assert rows(table.flush_points())[0]["series"] == ("gauge", ())
    table.feed_statsd(b"live:3|c\nold:4|c\ngauge:+1|g\nset:y|s", UNION)
    found = [(row["series"][0], row["n"]) for row in rows(table.flush(0, 10.0))]
    assert found == [("gauge", 6.0), ("live", 3.0), ("old", 4.0), ("set", 1.0)]


def test_waiting_samples_are_never_pruned(kernel: ModuleType) -> None:
    """A series with samples of the open period is not idle."""
    table = kernel.Table()
    for _ in range(3):
        table.flush(0, 10.0)
    table.feed_statsd(b"a:1|c", UNION)
    assert table.prune(0) == 0
    table.flush(0, 10.0)
    assert (table.prune(0), table.series) == (1, 0)


def test_rejects_are_kept_once(kernel: ModuleType) -> None:
    """Equal rejects are counted, not kept; taking them out empties the list."""
    table = kernel.Table()
    table.feed_statsd(b"x\n" * 50 + b"y\nx\n" + b"z" * 500, UNION)
    kept = [Reject("malformed_line", text, "", n) for text, n in ((b"x", 51), (b"y", 1), (b"z" * 160, 1))]
    assert table.rejects() == kept
    assert table.rejects() == []
    assert table.counts()["rejected:malformed_line"] == 53


def test_the_oldest_rejects_give_way(kernel: ModuleType) -> None:
    """At most ``REJECTS_KEPT`` distinct ones are kept, newest last."""
    table = kernel.Table()
    table.feed_statsd(b"\n".join(b"bad%d" % number for number in range(REJECTS_KEPT + 500)), UNION)
    table.feed_statsd(b"bad700", UNION)
    excerpts = [reject.excerpt for reject in table.rejects()]
    assert excerpts == [b"bad%d" % number for number in range(500, REJECTS_KEPT + 500)]
    table.feed_statsd(b"again", UNION)
    assert table.rejects() == [Reject("malformed_line", b"again")]


def test_events_are_taken_as_they_came(kernel: ModuleType) -> None:
    """Events and checks are kept raw; malformed ones are refused."""
    table = kernel.Table()
    assert table.feed_statsd(b"_e{1,1}:a|b|#x:y\r\n_sc|up|0\n_e{9,9}:a|b\na:1|c", UNION) == 1
    assert table.take_events() == [b"_e{1,1}:a|b|#x:y", b"_sc|up|0"]
    assert table.take_events() == []
    assert (table.counts()["events"], table.counts()["rejected:bad_event"]) == (2, 1)


def test_events_are_bounded(kernel: ModuleType) -> None:
    """Beyond the bounds they are shed, and there is room again when they were taken."""
    table = kernel.Table()
    table.feed_statsd(b"_e{1,1}:a|b\n" * (EVENTS_WAITING + 7), UNION)
    assert table.counts()["shed:queue_full"] == 7
    assert len(table.take_events()) == EVENTS_WAITING
    long = b"_sc|up|0|m:" + b"x" * 60000
    table.feed_statsd(b"\n".join([long] * (EVENT_BYTES_WAITING // len(long) + 2)), UNION)
    assert len(table.take_events()) == EVENT_BYTES_WAITING // len(long)
    assert table.counts()["shed:queue_full"] == 9


def test_points_are_bounded(native: ModuleType) -> None:
    """Beyond ``POINTS_KEPT`` points are shed and counted."""
    table = native.Table()
    block = b"a 1 2\n" * (POINTS_KEPT // 2 + 1)
    assert table.feed_graphite(block, 0.0, UNION) == POINTS_KEPT // 2 + 1
    assert table.feed_graphite(block, 0.0, UNION) == POINTS_KEPT // 2 - 1
    assert table.counts()["shed:queue_full"] == 2
    assert not table.add_point(b"ga", 1, 1.0)
    assert not table.add_point(b"ca", 1, 1.0)
    columns = table.flush_points()
    assert (int(columns.counts.sum()), int(columns.counts.max())) == (POINTS_KEPT, POINTS_PER_PACK)
    assert table.add_point(b"ga", 1, 1.0)


def test_counts_are_totals(kernel: ModuleType) -> None:
    """Lines that are not empty, bytes, samples; they outlive flushes."""
    table = kernel.Table()
    table.feed_statsd(b"a:1:2|c\n\nb\n", UNION)
    table.flush(0, 10.0)
    table.feed_graphite(b"a 1", 0.0, UNION)
    counts = table.counts()
    assert (counts["lines"], counts["samples"], counts["bytes"], counts["datagrams"]) == (3, 3, 14, 0)
    assert (counts["rejected:malformed_line"], counts["kernel_drops"], counts["events"]) == (1, 0, 0)


def mapper(name: str, kind: int, labels: Labels) -> Mapped | None:
    if name.startswith("drop"):
        return None
    return Mapped(f"m.{name}", (*labels, ("z k", "1"), ("kind", str(int(kind)))))


def test_a_mapper_names_series(kernel: ModuleType) -> None:
    """It is asked once for each raw name, tags and kind; what it does not want is refused."""
    asked: list[tuple[str, int, Labels]] = []

    def counting(name: str, kind: int, labels: Labels) -> Mapped | None:
        asked.append((name, int(kind), labels))
        return mapper(name, kind, labels)

    table = kernel.Table()
    table.feed_statsd(b"a b:1|c", UNION)
    table.set_mapper(counting)
    for _ in range(3):
        table.feed_statsd(b"a b:1|c\na b:1|d\na b:1|h\ndrop me:1|c\na b;z=w:1|c|\n!:1|c", UNION)
        table.feed_statsd(b"a!:1|c|#x:y,b:1\ndrop:1|c|#x:y", UNION)
    told = [("a_b", 0, ()), ("a_b", 2, ()), ("drop_me", 0, ()), ("a b", 0, (("z", "w"),))]
    assert asked == [*told, ("a!", 0, (("b", "1"), ("x", "y"))), ("drop", 0, (("x", "y"),))]
    assert table.counts()["rejected:mapping_drop"] == 6
    found = {row["series"]: row["n"] for row in rows(table.flush(0, 10.0))}
    assert found == {
        ("a_b", ()): 1.0,
        ("m.a_b", (("kind", "0"), ("z_k", "1"))): 3.0,
        ("m.a_b", (("kind", "2"), ("z_k", "1"))): 6.0,
        ("m.a b", (("kind", "0"), ("z", "w"), ("z_k", "1"))): 3.0,
        ("m.a!", (("b", "1"), ("kind", "0"), ("x", "y"), ("z_k", "1"))): 3.0,
    }
    table.set_mapper(None)
    table.feed_statsd(b"a b:1|c\ndrop me:1|c", UNION)
    assert [row["series"][0] for row in rows(table.flush(0, 10.0))] == ["a_b", "drop_me"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("", ()), "bad_name"),
        (("n" * 201, ()), "bad_name"),
        (("ok", (("k", "v" * 1025),)), "bad_label"),
        (("ok", tuple((f"k{number}", "v") for number in range(33))), "too_many_labels"),
    ],
)
def test_a_mapper_is_held_to_the_model(kernel: ModuleType, answer: tuple[str, Labels], reason: str) -> None:
    """What a rule makes is checked like what a client sends."""
    table = kernel.Table()
    table.set_mapper(lambda name, kind, labels: Mapped(*answer))
    table.feed_statsd(b"a:1|c", UNION)
    assert [reject.reason for reject in table.rejects()] == [reason]


def test_the_cache_of_raw_names_is_bounded(kernel: ModuleType) -> None:
    """Many raw names of few series do not pile up: they are forgotten and worked out again."""
    asked = []

    def one(name: str, kind: int, labels: Labels) -> Mapped:
        asked.append(name)
        return Mapped("one")

    table = kernel.Table(series_limit=10)
    table.set_mapper(one)
    for number in range(100):
        table.feed_statsd(b"a%d:1|c" % number, UNION)
    table.feed_statsd(b"a99:1|c\na0:1|c", UNION)
    assert len(asked) == 101
    (row,) = rows(table.flush(0, 10.0))
    assert row["n"] == 102.0


def test_many_series_grow_the_table(kernel: ModuleType) -> None:
    """Growing keeps every series, its key and its value."""
    table = kernel.Table()
    block = b"\n".join(b"name%d:%d|c|#t:%d" % (number, number, number % 7) for number in range(6000))
    for _ in range(2):
        assert table.feed_statsd(block, UNION) == 6000
    columns = table.flush(0, 10.0)
    assert np.array_equal(columns.n, 2.0 * np.arange(6000))
    assert columns.key(5999) == b"cname5999\0t\x00" + b"%d" % (5999 % 7)
    assert len(set(columns.ids.tolist())) == 6000


def test_names_of_every_length_are_told_apart(kernel: ModuleType) -> None:
    """Names that differ in one byte anywhere are different series."""
    names = ["x" * length for length in range(1, 40)]
    names += ["x" * at + "y" + "x" * (length - at - 1) for length in range(1, 40) for at in range(length)]
    table = kernel.Table()
    for _ in range(2):
        table.feed_statsd("\n".join(f"{name}:1|c" for name in names).encode(), UNION)
    assert [row["series"][0] for row in rows(table.flush(0, 10.0))] == names
