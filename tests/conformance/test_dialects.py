"""``doc/dialects.md`` says what is: it is up to date, and every line has its decision."""

from __future__ import annotations

from types import ModuleType

import pytest

from metronome.errors import REJECT_REASONS
from metronome.kernel import _pure
from metronome.kernel.interface import Dialect
from tests.conformance import dialects
from tests.conformance.dialect_cells import code, joined, number
from tests.conformance.dialect_rules import RULES, Rule
from tests.conformance.statsd_systems import input_of
from tests.kernel.conftest import native

__all__ = ["native"]

ROWS = dialects.rows()
IDS = [row.case["id"] for row in ROWS]


def test_the_page_is_up_to_date() -> None:
    """Written again, the page has the same bytes."""
    assert dialects.PAGE.read_text(encoding="utf-8") == dialects.page(ROWS), (
        "run: python -m tests.conformance.dialects"
    )


def test_the_other_twin_does_the_same(native: ModuleType) -> None:
    """What the page says of the pure twin is so of the native one."""
    for row in ROWS:
        raw = input_of(row.case)
        assert native.parse_statsd(raw, Dialect()) == _pure.parse_statsd(raw, Dialect())


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_line_has_its_decision(row: dialects.Row) -> None:
    """Each line has a rule; one on which the five disagree has more than that it is plain."""
    assert row.rules
    if not row.case["unanimous"]:
        assert row.rules != [1]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_standing_against_others_is_explained(row: dialects.Row) -> None:
    """A line that we refuse has a rule that names the reason; one that we take against most
    of the five has a rule that says so."""
    spoken = [RULES[rule - 1] for rule in row.rules]
    if row.reason:
        assert any(row.reason in rule.refuses for rule in spoken)
    elif row.is_against_most:
        assert any(rule.accepts for rule in spoken)


def test_nothing_is_accepted_that_no_other_accepts() -> None:
    """We are in the union of the five."""
    assert [row.case["id"] for row in ROWS if not row.reason and not row.takers] == []


@pytest.mark.parametrize(("index", "rule"), list(enumerate(RULES, 1)), ids=[rule.title for rule in RULES])
def test_a_rule_shows_lines_it_speaks_of(index: int, rule: Rule) -> None:
    """The examples under a rule exist and are among its lines; its reasons are in the closed list."""
    rows = {row.case["id"]: row for row in ROWS}
    assert rule.examples
    assert all(index in rows[example].rules for example in rule.examples)
    assert set(rule.refuses) <= set(REJECT_REASONS)


def test_every_deviation_is_on_the_page() -> None:
    """Whatever we do otherwise than another system's own test wants is named with its reason."""
    written = dialects.deviations()
    named = {reason for key in ("lines", "graphite") for reason in dialects.DEVIATIONS[key].values()}
    assert len(named) > 10
    assert all(dialects.DEVIATIONS["reasons"][reason] in written for reason in named)


def test_cells() -> None:
    """Bars, line ends and back-ticks do not break the table; neighbours are counted."""
    assert code("a|b\n") == "`a\\|b\\n`"
    assert code("a`b") == "`` a`b ``"
    assert len(code("x" * 500)) == 92
    assert joined(["a", "a", "b", "a"]) == "a ×2, b, a"
    assert number(None) == "not finite"
    assert number(0.5) == "0.5"
