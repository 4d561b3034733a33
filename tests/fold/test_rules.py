"""Which series a rule takes, and the groups that it makes of them."""

from __future__ import annotations

import pytest

from metronome.fold.cells import Header
from metronome.fold.rules import (
    Book,
    Rule,
    filled,
    graphite_slots,
    has_stat,
    naming_of,
    placed,
    prometheus_slots,
)
from metronome.fold.stat import parse_stat
from metronome.fold.statsd import Namer, Naming
from metronome.kernel import hash64
from metronome.model import Kind, Series, canonical_labels, series_key
from metronome.wire.records import Row, columns_of


def series(name: str = "http.requests", kind: Kind = Kind.COUNTER, **labels: str) -> Series:
    return Series(name, canonical_labels(labels), kind)


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        (Rule(1, "http.*"), True),
        (Rule(1, "http.*", kind=Kind.COUNTER), True),
        (Rule(1, "http.*", kind=Kind.TIMER), False),
        (Rule(1, "http"), False),
        (Rule(1, "*", where=(("status", "5*"),)), True),
        (Rule(1, "*", where=(("status", "5*"), ("host", "*"))), False),
        (Rule(1, "*", where=(("status", "{200,503}"),)), True),
    ],
)
def test_conditions(rule: Rule, taken: bool) -> None:
    """Name, kind and labels all have to fit; a condition on a label wants it present."""
    assert rule.takes(series(status="503")) is taken


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        (Rule(1, "*"), {}),
        (Rule(1, "*", by=("status", "country")), {"country": "", "status": "503"}),
        (Rule(1, "*", by=("*",)), {"status": "503", "host": "a"}),
        (Rule(1, "*", by=("code",), rename=(("status", "code"),)), {"code": "503"}),
        (Rule(1, "*", by=("*",), rename=(("status", "host"),)), {"host": "503"}),
        (Rule(1, "*", by=("*",), rename=(("missing", "host"),)), {"status": "503", "host": "a"}),
    ],
)
def test_labels_that_survive(rule: Rule, labels: dict[str, str]) -> None:
    """Those in ``by``, by their new names; one that is missing counts as empty."""
    assert dict(rule.kept(series(status="503", host="a"))) == labels


def test_every_rule_is_asked_until_one_drops() -> None:
    """All that match take a series; one that drops takes it from those behind and the sets."""
    first, drop, last = Rule(1, "http.*"), Rule(2, "*", where=(("host", "a"),), drop=True), Rule(3, "*")
    book = Book((first, drop, last, Rule(4, "*", stream="shop")))
    assert book.taking(series(host="a"), "main") == ([first, drop], False)
    assert book.taking(series(host="b"), "main") == ([first, last], True)
    assert book.taking(series(host="a"), "shop") == ([book.rules[3]], True)


@pytest.mark.parametrize(
    ("book", "sets", "everything"),
    [
        (Book(), ("statsd",), True),
        (Book((Rule(1, "*", drop=True),)), ("statsd",), True),
        (Book((Rule(1, "*", graphite=("a",)),)), (), True),
        (Book((Rule(1, "*", prometheus="a"),)), ("statsd",), False),
        (Book((Rule(1, "*", prometheus="a"),), ("prometheus", "tags")), ("tags",), True),
        (Book((), ("tags", "statsd-legacy", "statsd")), ("statsd", "statsd-legacy", "tags"), True),
    ],
)
def test_default_sets(book: Book, sets: tuple[str, ...], everything: bool) -> None:
    """Each output has its default until something else is said for it."""
    assert (book.graphite_sets, book.shows_every_series) == (sets, everything)


def test_stats_that_a_kind_has() -> None:
    """Stats without a meaning for the kind are left out; without any, the usual ones."""
    rule = Rule(1, "*", stats=tuple(map(parse_stat, ("count", "p95", "last", "distinct"))))
    assert [[stat.name for stat in rule.stats_of(kind)] for kind in Kind] == [
        ["count"],
        ["last"],
        ["count", "p95"],
        ["count", "distinct"],
    ]
    assert [stat.name for stat in Rule(1, "*").stats_of(Kind.SET)] == ["distinct"]
    assert not has_stat(Kind.GAUGE, parse_stat("p99"))


def test_templates() -> None:
    """Places stand in braces; a brace alone is an error."""
    assert placed("web.{status}.{name}") == ["status", "name"]
    assert filled("web.{status}.x", {"status": "5xx"}.__getitem__) == "web.5xx.x"
    for wrong in ("web.{status", "web.status}", "web.{{status}}"):
        with pytest.raises(ValueError, match="brace"):
            placed(wrong)


def test_slots_for_graphite() -> None:
    """Names are kept apart where a path has them; text is cleaned before groups are made."""
    rules = [
        Rule(1, "*", by=("host",), graphite=("{name}.{host}",), every=60),
        Rule(2, "*", prometheus="x"),
        Rule(3, "*", graphite=("all",), stats=(parse_stat("count"),)),
    ]
    first, second = graphite_slots(rules, lambda rule: lambda name, value: value.upper())
    assert (first.every, first.named, first.sketches) == (60_000, True, True)
    assert first.header(series(host="a")) == Header((("host", "A"),), Kind.COUNTER, "http.requests")
    assert (second.named, second.sketches, second.header(series()).name) == (False, False, "")


def test_slots_for_prometheus() -> None:
    """What adds up goes on with every flush, the rest with the rule's period."""
    adding, lasting = prometheus_slots([Rule(1, "*", prometheus="x_{name}", every=60, buckets=(1, 2))])
    assert (adding.every, adding.kinds, adding.buckets) == (0, {Kind.COUNTER, Kind.TIMER}, (1, 2))
    assert (lasting.every, lasting.kinds, lasting.buckets) == (60_000, {Kind.GAUGE, Kind.SET}, ())
    assert adding.named


def test_the_other_group() -> None:
    """Beyond the limit every label is ``_other_``, the name too where it is kept."""
    slot, everything = graphite_slots(
        [Rule(1, "*", by=("host",), graphite=("{name}",)), Rule(2, "*", by=("*",), graphite=("x",))],
        lambda rule: lambda name, value: value,
    )
    header = slot.header(series(host="a"))
    assert slot.other(header) == Header((("host", "_other_"),), Kind.COUNTER, "_other_")
    assert everything.other(header) == Header((("labels", "_other_"),), Kind.COUNTER, "")


def test_rules_are_equal_wherever_they_stand() -> None:
    """The number in the file is no part of what a rule is."""
    assert Rule(1, "a", by=("x",)) == Rule(7, "a", by=("x",))
    assert len({Rule(1, "a"), Rule(2, "a"), Rule(1, "b")}) == 2


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("statsd", "stats.counters.hits.rate;host=a"),
        ("statsd-legacy", "stats.hits;host=a"),
        ("tags", "hits.rate;host=a"),
    ],
)
def test_names_of_the_sets(name: str, path: str) -> None:
    """statsd's names, its old ones, and the series' own with tags."""
    namer = Namer(naming_of(name, Naming()))
    key = series_key(series("hits", host="a"))
    columns = columns_of([Row(key, hash64(key), Kind.COUNTER, 0, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 0.0, ())])
    assert next(namer.lines(columns))[0] == path
