"""Reading rules: what is right is taken as it stands, what is wrong is named."""

from __future__ import annotations

import tomllib

import pytest

from metronome.errors import ConfigError
from metronome.fold import rule_tables
from metronome.fold.rules import Rule
from metronome.fold.stat import parse_stat
from metronome.limits import ROLLUP_RULES
from metronome.model import Kind

OUT = 'graphite = "x"\n'


def read(toml: str, period: float = 10.0) -> tuple[Rule, ...]:
    return rule_tables.read(tomllib.loads(toml)["rollup"], period)


def test_the_example_of_the_contract() -> None:
    """Every key of it is read."""
    (rule,) = read(
        """
        [[rollup]]
        match = "http.requests"
        where = { status = "5*" }
        by = ["status", "country"]
        every = 60
        stats = ["count", "rate", "p95"]
        graphite = "web.{status}.{country}"
        prometheus = "http_requests"
        """
    )
    assert rule == Rule(
        1,
        "http.requests",
        where=(("status", "5*"),),
        by=("status", "country"),
        every=60,
        stats=tuple(map(parse_stat, ("count", "rate", "p95"))),
        graphite=("web.{status}.{country}",),
        prometheus="http_requests",
    )


def test_further_keys() -> None:
    """Several paths, renamed labels, gauges' way, tags, a limit, buckets; numbered in order."""
    drop, rule = read(
        """
        [[rollup]]
        match = "debug.*"
        drop = true
        [[rollup]]
        match = "*"
        kind = "timer"
        stream = "shop"
        rename = { http_code = "status" }
        by = ["status"]
        over = "max"
        limit = 50
        graphite = ["web.{status}", "all.{name}"]
        tags = true
        bare = true
        stamp = "start"
        stats = ["p99.9"]
        prometheus = "{name}_ms"
        buckets = [1, 2.5, 10]
        """
    )
    assert (drop.number, drop.drop, drop.every) == (1, True, 10)
    assert (rule.number, rule.kind, rule.stream, rule.rename) == (
        2,
        Kind.TIMER,
        "shop",
        (("http_code", "status"),),
    )
    assert (rule.over, rule.limit, rule.graphite) == ("max", 50, ("web.{status}", "all.{name}"))
    assert (rule.tags, rule.bare, rule.stamp, rule.buckets) == (True, True, "start", (1.0, 2.5, 10.0))
    assert rule.prometheus == "{name}_ms"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (OUT, 'it has no match; match = "http.*" or "*" would be right'),
        ('match = ""\n' + OUT, 'match = "": it is no text; a text in quotes would be right'),
        ('match = "a"', "it has no output; graphite = "),
        ('mach = "a"\n' + OUT, 'mach = "a": there is no such key; match would be right'),
        ('match = "a"\nzzz = 1', "zzz = 1: there is no such key; one of match, where, "),
        ('match = "a"\nwhere = "x"\n' + OUT, 'where = "x": it is no table; { status = "5*" } would be right'),
        ('match = "a"\nwhere = { status = 5 }\n' + OUT, '{ status = "5" } would be right'),
        ('match = "a"\nkind = "tmer"\n' + OUT, 'kind = "tmer": there is no such kind; counter, gauge, timer'),
        ('match = "a"\nby = "host"\n' + OUT, 'by = "host": it is no list; ["host"] would be right'),
        ('match = "a"\nby = ["h", "h"]\n' + OUT, '"h" stands there twice'),
        ('match = "a"\nby = ["*", "h"]\n' + OUT, '["*"] would be right'),
        ('match = "a"\nevery = 15\n' + OUT, "every = 15: it is no multiple of the flush interval; 20 would"),
        ('match = "a"\nevery = 5\n' + OUT, "10 would be right"),
        ('match = "a"\nevery = 7200\n' + OUT, "it is out of bounds; seconds up to 3600 would be right"),
        ('match = "a"\nevery = "60"\n' + OUT, 'every = "60": it is no number; a number without quotes'),
        ('match = "a"\nstats = ["p101"]\n' + OUT, "unknown stat 'p101': use one of"),
        ('match = "a"\nstats = []\n' + OUT, "stats = []: it is empty"),
        ('match = "a"\nkind = "counter"\nstats = ["p95"]\n' + OUT, "a counter has no p95"),
        ('match = "a"\nover = "avg"\n' + OUT, "it is none of the choices; sum, mean, min, max, last would"),
        ('match = "a"\nlimit = 0\n' + OUT, "limit = 0: it is no whole number from 1 to"),
        ('match = "a"\ngraphite = "x.{host}"', '{host} is not in by; by = ["host"] would be right'),
        ('match = "a"\nby = ["h"]\ngraphite = "x"', "x.{h} or tags = true would be right"),
        ('match = "a"\nby = ["*"]\ngraphite = "x"', "tags = true would be right"),
        ('match = "a"\ngraphite = "x.{h"', "a brace stands alone"),
        ('match = "a"\ngraphite = "x y"', "a path holds no blank"),
        ('match = "a"\ngraphite = "x..y"', "an element of the path is empty"),
        ('match = "a"\nby = ["name"]\ngraphite = "{name}"', 'rename = { name = "label" } would be right'),
        ('match = "a"\nrename = { a = "b", c = "b" }\n' + OUT, "the new names are not different ones"),
        ('match = "a"\nprometheus = "http-requests"', "http_requests would be right"),
        ('match = "a"\nprometheus = "9{host}"', "_9 would be right"),
        ('match = "a"\nprometheus = "x"\ntags = true', "it says nothing without graphite"),
        ('match = "a"\nbuckets = [1]\n' + OUT, "it says nothing without prometheus"),
        ('match = "a"\nprometheus = "x"\nbuckets = [2, 1]', "the limits do not ascend"),
        ('match = "a"\nkind = "set"\nprometheus = "x"\nbuckets = [2]', "only timers have any"),
        ('match = "a"\nprometheus = "x"\nnative = true', "says nothing without buckets"),
        ('match = "a"\ndrop = true\n' + OUT, 'graphite = "x": the rule drops'),
        ('match = "a"\nbare = true\n' + OUT, 'stats = ["count"] would be right'),
        ('match = "a"\ndrop = "yes"', 'drop = "yes": it is neither yes nor no'),
        ('match = "a"\nstamp = "middle"\n' + OUT, "start, end would be right"),
    ],
)
def test_what_is_wrong_is_named(keys: str, told: str) -> None:
    """The rule's number, the key, the value and what would be right."""
    with pytest.raises(ConfigError) as caught:
        read('[[rollup]]\nmatch = "first"\ngraphite = "first"\n[[rollup]]\n' + keys)
    assert str(caught.value).startswith("rollup 2: ")
    assert told in str(caught.value)


def test_flush_intervals_with_a_point() -> None:
    """Multiples are multiples, whatever the binary form of the interval is."""
    assert read('[[rollup]]\nmatch = "a"\nevery = 0.3\n' + OUT, 0.1)[0].every == 0.3


@pytest.mark.parametrize("wrong", [{}, "x", [1], [{}] * (ROLLUP_RULES + 1)])
def test_what_is_no_list_of_rules(wrong: object) -> None:
    """``[rollup]`` instead of ``[[rollup]]``, and more rules than may be."""
    with pytest.raises(ConfigError, match="rollup"):
        rule_tables.read(wrong, 10.0)
