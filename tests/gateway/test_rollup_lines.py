"""Rules on their way to carbon: paths, amendments, restarts, and what stays of the default sets."""

from __future__ import annotations

import pytest

from metronome.fold.cells import Header
from metronome.fold.rules import Book
from metronome.gateway.rollup_lines import element, stems_of
from metronome.limits import CARBON_RESEND, CURSOR_SECONDS
from metronome.model import Kind
from tests.gateway.kit import PERIOD, START, START_MS, Kit, counter
from tests.gateway.rule_kit import book, rules
from tests.gateway.test_graphite_out import NAME, World, values

STAMP = int(START + PERIOD)
WEB = """
[[rollup]]
match = "http.*"
by = ["status"]
stats = ["count", "p50"]
graphite = "web.{status}"
"""


def world(found: Book, kit: Kit | None = None) -> World:
    made = World(kit, found)
    made.accept()
    return made


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5xx", "5xx"),
        ("a.b", "a_b"),
        ("/x y/", "_x_y_"),
        ("", "_"),
        ("ü:1", "ü:1"),
        ("a;b=c", "a_b_c"),
        ("{*}", "_"),
    ],
)
def test_elements(value: str, text: str) -> None:
    """What would end an element or mean something in an expression becomes ``_``."""
    assert element(value) == text


def test_templates_and_tags() -> None:
    """Labels that are not in the template follow as tags; two templates are two paths."""
    (rule,) = rules(
        '[[rollup]]\nmatch = "*"\nby = ["a", "b"]\ntags = true\ngraphite = ["x.{a}.{name}", "y"]\n'
    )
    header = Header((("a", "1"), ("b", "2")), Kind.COUNTER, "some name")
    assert [head + tail for head, tail in stems_of(rule, header)] == ["x.1.some_name;b=2", "y;a=1;b=2"]


def test_values_stand_under_the_rules_paths() -> None:
    """Every kind with its stats; hosts are folded away; nothing else is sent."""
    found = world(
        book(
            """
            [[rollup]]
            match = "*"
            by = ["status"]
            stats = ["count", "rate", "mean", "p95", "last", "distinct"]
            over = "max"
            graphite = "{name}.{status}"
            """
        )
    )
    for host in "ab":
        found.inlet.statsd(
            f"hits:3|c|#status:5/x,host:{host}\nload:{ord(host)}|g|#host:{host}\nwho:u{host}|s\n"
            f"wait:10|ms|#host:{host}\nwait:10|ms|#host:{host}".encode()
        )
    assert sorted(found.next_flush()) == [
        f"hits.5_x.count 6 {STAMP}",
        f"hits.5_x.mean 3 {STAMP}",
        f"hits.5_x.rate 0.6 {STAMP}",
        f"load._.last 98 {STAMP}",
        f"load._.mean 97.5 {STAMP}",
        f"wait._.count 4 {STAMP}",
        f"wait._.mean 10 {STAMP}",
        f"wait._.p95 10 {STAMP}",
        f"wait._.rate 0.4 {STAMP}",
        f"who._.count 2 {STAMP}",
        f"who._.distinct 2 {STAMP}",
    ]


def test_longer_periods_and_their_stamp() -> None:
    """A rule's period ends with the flush that fills it; its stamp is its end or its start."""
    text = WEB + 'every = 20\n[[rollup]]\nmatch = "http.*"\nevery = 20\nbare = true\nstats = ["count"]\n'
    found = world(book(text + 'stamp = "start"\ngraphite = "all"\n'))
    found.inlet.statsd(b"http.a:1|c|#status:200")
    assert found.next_flush() == []
    found.inlet.statsd(b"http.b:2|c|#status:200")
    assert sorted(found.next_flush()) == [f"all 3 {STAMP - 10}", f"web.200.count 3 {STAMP + 10}"]


def test_a_late_part_has_the_corrected_value_sent_again() -> None:
    """Under the same path and time, with all that the period has."""
    found = world(book(WEB))
    found.inlet.statsd(b"http.a:1|c|#status:200\nhttp.a:1|c|#status:404")
    assert sorted(found.next_flush()) == [f"web.200.count 1 {STAMP}", f"web.404.count 1 {STAMP}"]
    found.kit.intake.ticks("main", [], [counter("http.a", 4.0, time=START_MS, status="200")], [], "tick")
    assert found.next_flush() == [f"web.200.count 5 {STAMP}"]
    assert found.next_flush() == []


def test_values_that_look_the_same_add_up() -> None:
    """``a.b`` and ``a/b`` are one element of a path, so they are one group."""
    found = world(book(WEB))
    found.inlet.statsd(b"http.a:1|c|#status:a.b\nhttp.a:2|c|#status:a/b")
    assert found.next_flush() == [f"web.a_b.count 3 {STAMP}"]


def test_of_two_with_one_path_the_first_stays() -> None:
    """A counter and a timer both have a count; the later is left out and counted."""
    found = world(book(WEB))
    found.inlet.statsd(b"http.a:1|c|#status:1")
    found.next_flush()
    found.inlet.statsd(b"http.a:1|c|#status:1\nhttp.t:5|ms|#status:1")
    assert found.next_flush() == [f"web.1.count 1 {STAMP + 10}"]
    left = found.kit.telemetry.value(
        "metronome_rollup_left_out_total", output=f"graphite:{NAME}", reason="clash"
    )
    assert left == 1


def test_a_path_that_is_free_again() -> None:
    """When the rule that had it is gone, the one that it was in the way of has it at once, also where its
    periods are others."""
    other = '[[rollup]]\nmatch = "jobs"\nevery = {}\ngraphite = "web.1"\nstats = ["count"]\n'
    found = world(book(WEB + other.format(20)))
    found.inlet.statsd(b"http.a:1|c|#status:1\njobs:7|c")
    found.next_flush()
    found.inlet.statsd(b"http.a:1|c|#status:1\njobs:7|c")
    assert "web.1.count 14" not in " ".join(found.next_flush())
    found.out.use(book(other.format(20)))
    found.inlet.statsd(b"http.a:1|c|#status:1\njobs:7|c")
    lines = found.next_flush() + found.next_flush()
    assert lines == [f"web.1.count 7 {STAMP + 30}"]


def test_sets_behind_rules() -> None:
    """Named sets go on beside the rules; a rule that drops takes a series from them."""
    found = world(book(WEB + '[[rollup]]\nmatch = "http.*"\ndrop = true\n', "statsd", "tags"))
    found.inlet.statsd(b"http.a:1|c|#status:1\nother:2|c|#x:1")
    assert values(found.next_flush()) == {
        "web.1.count": "1",
        "stats.counters.other.count;x=1": "2",
        "stats.counters.other.rate;x=1": "0.2",
        "other.count;x=1": "2",
        "other.rate;x=1": "0.2",
    }


def test_rules_that_only_drop_leave_the_default() -> None:
    """statsd's names are sent for all that is not dropped, points with their own time too."""
    found = world(book('[[rollup]]\nmatch = "debug.*"\ndrop = true\n'))
    found.inlet.graphite(b"debug.x 1 %d\ncpu 2 %d\n" % (START_MS // 1000, START_MS // 1000))
    found.inlet.statsd(b"debug.y:1|c\nhits:2|c")
    assert values(found.next_flush()) == {
        "cpu": "2",
        "stats.counters.hits.count": "2",
        "stats.counters.hits.rate": "0.2",
    }


def test_a_killed_gateway_sends_the_whole_period() -> None:
    """The cursor waits where the open and the amendable periods begin; nothing is counted twice,
    and no part of a period is sent for the whole."""
    found = world(book(WEB + "every = 30\n"))
    kit = found.kit
    sent = []
    for number in range(31):
        found.inlet.statsd(b"http.a:%d|c|#status:1" % (number + 1))
        sent += found.next_flush()
    kit.clock.advance(CARBON_RESEND + CURSOR_SECONDS)
    kit.settle()
    assert 0 < kit.journal.cursor(f"graphite:{NAME}") < kit.journal.synced_end
    second = world(book(WEB + "every = 30\n"), Kit(kit.disk, kit.store, now=kit.clock.seconds()))
    repeated = second.received()
    assert repeated
    assert set(repeated) < set(sent)
    second.inlet.statsd(b"http.a:100|c|#status:1")
    more = second.next_flush() + second.next_flush() + second.next_flush()
    totals = {line.split()[2]: float(line.split()[1]) for line in [*sent, *repeated, *more]}
    assert sum(totals.values()) == sum(range(1, 32)) + 100


def test_new_rules_begin_with_a_whole_period() -> None:
    """Read again, rules that stay go on with what they have; those that are new start clean."""
    found = world(book(WEB + "every = 20\n"))
    found.inlet.statsd(b"http.a:1|c|#status:1")
    found.next_flush()
    found.out.use(book(WEB + 'every = 20\n[[rollup]]\nmatch = "http.*"\nevery = 20\ngraphite = "new"\n'))
    found.inlet.statsd(b"http.a:2|c|#status:1")
    assert values(found.next_flush()) == {"web.1.count": "3"}
    found.inlet.statsd(b"http.a:4|c|#status:1")
    found.next_flush()
    assert values(found.next_flush()) == {"web.1.count": "4", "new.count": "4", "new.rate": "0.2"}
    found.out.use(Book())
    found.inlet.statsd(b"http.a:4|c")
    assert "stats.counters.http.a.count" in values(found.next_flush())
