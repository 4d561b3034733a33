"""Which rule a name goes by, and what it makes of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.mapping_rules import Mapping, Rule
from metronome.kernel.interface import Mapped
from metronome.model import Kind, Labels


def rules(*matches: str, **options: object) -> list[Rule]:
    return [Rule(match=match, name=f"r{place}", **options) for place, match in enumerate(matches)]


def regex(match: str, name: str = "x", labels: Labels = (), **options: object) -> Rule:
    return Rule(match=match, name=name, labels=labels, is_regex=True, pattern=re.compile(match), **options)


def name_of(mapping: Mapping, name: str, kind: Kind = Kind.COUNTER) -> str | None:
    found = mapping.find(name, kind)
    return found and found.name


@pytest.mark.parametrize(
    ("matches", "ordered", "name", "wins"),
    [
        (["a.b"], True, "a.b", "r0"),
        (["a.b"], True, "a.b.c", None),
        (["a.*"], True, "a", None),
        (["a.*"], True, "a.", "r0"),
        (["*"], True, "a.b", None),
        (["a.*", "a.b"], True, "a.b", "r0"),
        (["a.*", "a.b"], False, "a.b", "r1"),
        (["*.b", "a.*"], True, "a.b", "r0"),
        (["*.b", "a.*"], False, "a.b", "r1"),
        (["a.b.*", "a.*.c"], False, "a.b.d", "r0"),
        (["a.b.x", "a.*.c"], False, "a.b.c", "r1"),
        (["a.b.c", "a.b"], True, "a.b", "r1"),
        (["a.*", "a.*"], True, "a.b", "r0"),
        (["*.*.c", "*.b.*", "a.*.*"], False, "a.b.c", "r2"),
    ],
)
def test_which_glob(matches: list[str], ordered: bool, name: str, wins: str | None) -> None:
    """The first in the file, or the most specific read from the left."""
    assert name_of(Mapping(rules(*matches), ordered=ordered), name) == wins


PART = st.sampled_from(["a", "b", "*"])


@given(
    st.lists(st.lists(PART, min_size=1, max_size=3).map(".".join), max_size=8),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join),
)
def test_globs_as_regular_expressions(matches: list[str], name: str) -> None:
    """The tree finds what trying every rule would find, in either order."""
    hits = [
        (place, match)
        for place, match in enumerate(matches)
        if re.fullmatch(match.replace(".", r"\.").replace("*", "([^.]*)"), name)
    ]
    ordered = min(hits, default=None)
    specific = min(hits, key=lambda hit: ([part == "*" for part in hit[1].split(".")], hit[0]), default=None)
    for expected, order in ((ordered, True), (specific, False)):
        found = name_of(Mapping(rules(*matches), ordered=order), name)
        assert found == (expected and f"r{expected[0]}")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$1", "web"),
        ("${1}_x", "web_x"),
        ("$1_x", ""),
        ("$2-$1", "7-web"),
        ("$3", ""),
        ("$0", ""),
        ("${word}", ""),
        ("a$$b", "a$b"),
        ("100%", "100%"),
        ("cost in $", "cost in $"),
    ],
)
def test_references_to_stars(template: str, text: str) -> None:
    """Stars are numbered from 1; what is not there is empty."""
    mapping = Mapping([Rule(match="*.x.*", name="n", labels=(("label", template),))])
    found = mapping.find("web.x.7", Kind.GAUGE)
    assert found is not None
    assert found.labels == (("label", text),)


def test_references_to_groups() -> None:
    """A regex has the whole match as 0, its groups by number and by name."""
    mapping = Mapping(
        [regex(r"(?P<host>\w+)\.(cpu|mem)(\.extra)?", "${host}_$2", (("all", "$0"), ("no", "<$3>")))]
    )
    found = mapping.find("prefix.web.cpu", Kind.GAUGE)
    assert found is not None
    assert found.name == "web_cpu"
    assert found.labels == (("all", "web.cpu"), ("no", "<>"))


def test_regexes_come_after_all_globs() -> None:
    """A glob rule stands before every regex rule, wherever it is in the file."""
    mapping = Mapping([regex(r"^a\.", "first"), regex("a", "second"), Rule(match="a.*", name="glob")])
    assert name_of(mapping, "a.b") == "glob"
    assert name_of(mapping, "a.b.c") == "first"
    assert name_of(mapping, "xa") == "second"
    assert name_of(mapping, "b") is None


@pytest.mark.parametrize("is_regex", [False, True])
def test_a_rule_for_one_kind(is_regex: bool) -> None:
    """A rule narrowed to a kind lets other kinds pass on to the next rule."""
    make = regex if is_regex else lambda match, name, **options: Rule(match=match, name=name, **options)
    mapping = Mapping([make("a", "counters", kind=Kind.COUNTER), make("a", "timers", kind=Kind.TIMER)])
    assert name_of(mapping, "a", Kind.COUNTER) == "counters"
    assert name_of(mapping, "a", Kind.TIMER) == "timers"
    assert name_of(mapping, "a", Kind.GAUGE) is None


def test_a_more_general_rule_of_the_right_kind() -> None:
    """Unordered, the most specific rule of the sample's kind stands."""
    mapping = Mapping([*rules("a.b", kind=Kind.GAUGE), Rule(match="a.*", name="general")], ordered=False)
    assert name_of(mapping, "a.b", Kind.COUNTER) == "general"


def test_apply() -> None:
    """Unmatched names stay, dropped ones give None, labels of rule and sample are put together."""
    mapping = Mapping(
        [
            Rule(match="drop.*", name="x", drop=True),
            Rule(match="mine.*", name="mine", labels=(("app", "$1"), ("env", "rule"))),
            Rule(match="theirs.*", name="theirs", labels=(("app", "$1"), ("env", "rule")), honor_labels=True),
            Rule(match="scaled.*", name="scaled", scale=0.5),
        ]
    )
    sent = (("env", "sent"), ("zone", "z"))
    assert mapping.apply("other", Kind.GAUGE, sent) == Mapped("other", sent, ruled=False)
    assert mapping.apply("drop.it", Kind.GAUGE) is None
    assert mapping.apply("drop.it", Kind.GAUGE, sent) is None
    assert mapping.apply("mine.shop", Kind.GAUGE) == Mapped("mine", (("app", "shop"), ("env", "rule")))
    assert mapping.apply("mine.shop", Kind.GAUGE, sent) == Mapped(
        "mine", (("app", "shop"), ("env", "rule"), ("zone", "z"))
    )
    assert mapping.apply("theirs.shop", Kind.GAUGE, sent) == Mapped(
        "theirs", (("app", "shop"), ("env", "sent"), ("zone", "z"))
    )
    assert mapping.apply("scaled.a", Kind.COUNTER) == Mapped("scaled", (), 0.5)


def test_mapper() -> None:
    """The function for a folding table takes the kind as the kernel's number."""
    ask = Mapping([Rule(match="web.*", name="web", labels=(("site", "$1"),), kind=Kind.TIMER)]).mapper()
    assert ask("web.shop", 2, ()) == Mapped("web", (("site", "shop"),))
    assert ask("web.shop", 0, (("k", "v"),)) == Mapped("web.shop", (("k", "v"),), ruled=False)
