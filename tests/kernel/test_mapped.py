"""What mapping rules do to samples: factors, seconds, and the lines that no rule takes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect, Mapped, Reject
from metronome.limits import REJECTS_KEPT
from metronome.model import Labels
from tests.kernel.helpers import UNION, rows


def doubled(name: str, kind: int, labels: Labels) -> Mapped | None:
    """A rule for names that begin with m; none for others."""
    return Mapped(f"r.{name}", labels, 2.0) if name.startswith("m") else Mapped(name, labels, 9.0, False)


def table_with(kernel: ModuleType, mapper: Any, **bounds: int) -> Any:
    table = kernel.Table(**bounds)
    table.set_mapper(mapper)
    return table


def test_values_are_multiplied(kernel: ModuleType) -> None:
    """Each kind that has values; what was sent as ms becomes seconds first, h and d stay what they are."""
    table = table_with(kernel, doubled)
    for _ in range(2):
        table.feed_statsd(
            b"ma:3|c|@0.5\nma:-1|m\nma:=-7|g\nma:+2|g\nma:1500:500|ms\nma:5|h|@0.25\nma:7|d\nma:x|s", UNION
        )
    found = {row["kinds"]: row for row in rows(table.flush(0, 10.0))}
    assert all(row["series"][0] == "r.ma" for row in found.values())
    assert (found[0]["n"], found[0]["d"], found[0]["counts"]) == (20.0, 6.0, 4)
    assert (found[1]["n"], found[1]["low"], found[1]["high"]) == (-10.0, -14.0, -10.0)
    assert found[2]["samples"] == [3.0, 1.0, 10.0, 14.0] * 2
    assert found[2]["weights"] == [1.0, 1.0, 4.0, 1.0] * 2
    assert (found[2]["n"], found[2]["d"], found[2]["squares"]) == (116.0, 14.0, 1212.0)
    assert (found[3]["n"], found[3]["counts"]) == (1.0, 2)


def test_running_totals_and_their_own_times_are_scaled(kernel: ModuleType) -> None:
    """So are changes of gauges, and samples of another period."""
    table = table_with(kernel, doubled)
    table.begin(1_000_000)
    table.feed_statsd(b"mt:10|C\nmt:13|C\nml:4|c|T995\nml:4|g|T996", UNION)
    assert [row["n"] for row in rows(table.flush(1_000_000, 10.0))] == [6.0]
    assert [(row["times"], row["n"]) for row in rows(table.flush_points())] == [(990_000, 8.0)] * 2


def test_a_factor_belongs_to_the_name_as_sent(kernel: ModuleType) -> None:
    """Two names of one series may come in different units."""

    def units(name: str, kind: int, labels: Labels) -> Mapped:
        return Mapped("size", labels, 1024.0 if name == "kb" else 1.0)

    table = table_with(kernel, units)
    for _ in range(2):
        table.feed_statsd(b"kb:2|c\nbytes:5|c", UNION)
    (row,) = rows(table.flush(0, 10.0))
    assert (row["series"][0], row["n"]) == ("size", 4106.0)


@pytest.mark.parametrize("line", [b"m:1.7e308|c", b"m:2:1.7e308|g", b"m:1e308|ms|@1e-4", b"m:-1.7e308|h"])
def test_what_overflows_by_its_factor_is_refused(kernel: ModuleType, line: bytes) -> None:
    """All of the line is, also when the name is known."""
    table = table_with(kernel, doubled)
    table.feed_statsd(line + b"\nm:1|c\nm:1|g\nm:1|ms\n" + line, UNION)
    assert table.rejects() == [Reject("not_finite", line, "", 2)]
    assert table.counts()["samples"] == 3


def test_container_labels_come_behind_the_rules(kernel: ModuleType) -> None:
    """They are no tags of the sender's, and no rule sees them."""
    seen: list[Labels] = []

    def watching(name: str, kind: int, labels: Labels) -> Mapped:
        seen.append(labels)
        return Mapped("n", (("k", "v"),))

    table = table_with(kernel, watching)
    table.feed_statsd(b"a:1|c|#x:y|c:abc", Dialect(container_labels=True))
    assert seen == [(("x", "y"),)]
    assert [row["series"] for row in rows(table.flush(0, 10.0))] == [
        ("n", (("container_id", "abc"), ("k", "v")))
    ]


def test_lines_without_a_rule_are_noted_by_name(kernel: ModuleType) -> None:
    """They are no rejects: their samples count; the first line of each name is kept, and how many came."""
    table = table_with(kernel, doubled)
    table.feed_statsd(
        b"x:1|c\nx:2|c\nx:3|ms\ny;k=v:1|c\nm:1|c\nx:4|c|#t:u\nz:1|c:2|ms\nbad\nm:|c\nx:|c", UNION
    )
    assert table.rejects() == [
        Reject("unmapped", b"x:1|c", "", 4),
        Reject("unmapped", b"y;k=v:1|c", "", 1),
        Reject("unmapped", b"z:1|c:2|ms", "", 1),
        Reject("malformed_line", b"bad", "", 1),
    ]
    counts = table.counts()
    assert (counts["unmapped"], counts["samples"], counts["rejected:malformed_line"]) == (6, 8, 1)
    assert "rejected:unmapped" not in counts
    assert rows(table.flush(0, 10.0))[0]["n"] == 3.0


def test_without_rules_nothing_is_unmapped(kernel: ModuleType) -> None:
    """Nobody wants to know then."""
    table = table_with(kernel, doubled)
    table.set_mapper(None)
    table.feed_statsd(b"x:1|c\nm:1000|ms", UNION)
    assert table.rejects() == []
    assert "unmapped" not in table.counts()
    assert rows(table.flush(0, 10.0))[1]["n"] == 1000.0


def test_the_last_distinct_lines_are_kept(kernel: ModuleType) -> None:
    """The oldest gives way, and may come back; long names are told apart as far as they are kept."""
    table = table_with(kernel, doubled)
    names = [b"n%d" % number for number in range(REJECTS_KEPT + 10)]
    table.feed_statsd(b"\n".join(name + b":1|c" for name in [*names, b"n0", b"n900", b"n9"]), UNION)
    kept = table.rejects()
    assert [one.excerpt for one in kept] == [
        *(name + b":1|c" for name in names[12:]),
        b"n0:1|c",
        b"n9:1|c",
    ]
    assert {one.number for one in kept if one.excerpt == b"n900:1|c"} == {2}
    table.feed_statsd(b"x" * 170 + b"a:1|c\n" + b"x" * 170 + b"b:1|c", UNION)
    assert table.rejects() == [Reject("unmapped", b"x" * 160, "", 2)]


def test_names_without_end_are_mapped_all_the_same(kernel: ModuleType) -> None:
    """What a limit keeps from being remembered is worked out again, factor and all."""
    table = table_with(kernel, doubled, series_limit=2)
    for number in range(6000):
        table.feed_statsd(b"m%d:1|c" % number, UNION)
    assert sum(row["n"] for row in rows(table.flush(0, 10.0))) == 12000.0
