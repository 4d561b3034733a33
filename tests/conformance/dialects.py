"""Writes ``doc/dialects.md``: ``python -m tests.conformance.dialects``.

Everything that is said there about other parsers is read from
``data/statsd-differential.jsonl``, what is said about ours is what it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from metronome.kernel import _pure
from metronome.kernel.interface import Dialect
from tests.conformance.dialect_cells import PARSERS, code, of_us
from tests.conformance.dialect_rules import RULES, View
from tests.conformance.statsd_systems import Case, input_of

DATA = Path(__file__).parent / "data"
CASES = DATA / "statsd-differential.jsonl"
DEVIATIONS = json.loads((DATA / "statsd-deviations.json").read_text(encoding="utf-8"))
PAGE = Path(__file__).parents[2] / "doc" / "dialects.md"

TITLE = """\
# What is understood, and why

<!-- Written by `python -m tests.conformance.dialects`; change that, not this. -->

statsd never had a specification, so its followers read the same bytes differently. This page holds each
decision of ours, numbered, and then every line of `tests/conformance/data/statsd-differential.jsonl`: what
five parsers did with it (gostatsd e5cc67e, statsd_exporter ac592b1 with all tag styles, veneur 0db558ae,
telegraf b272631466 with its DogStatsD extensions, statsd f7157b8), what ours does, and which decisions speak
of it. Both twins of the kernel do the same, and a test writes this page again.

**The rule for disagreements**: accept the union; refuse NaN, infinities and rates outside (0, 1] with a
counted reason; weight samples by exactly 1/rate; never fail a line for a field that is not known.

How to read a cell: kind, value, `@rate`, `{tags}`; the name in front where it is not the one sent; `±` a
change of a gauge; `×` so many times; `✗` refused, and why. Values are those before they are divided by the
rate for gostatsd, veneur and us, behind that for the other three; statsd_exporter has `ms` in seconds and
telegraf tells a set by its size.
"""

SUMMARY = """\
| lines | number |
|---|---|
| in all | {cases} |
| on which the five agree whether to accept | {unanimous} |
| accepted by us | {accepted} |
| refused by us and by all five | {refused} |
| accepted by us, refused by most of them | {lenient} |
| refused by us, accepted by some of them | {strict} |
| refused by us, accepted by most of them | {strictest} |
| accepted by us and by none of them | {alone} |
"""

OWN = """\
One form is ours alone: `=` in front of a gauge's value (rule {gauges}). What a receiver can switch:
`gauge_sign`, each of the five tag styles, container labels ([configuration.md](configuration.md)).

What is no line is not taken: statsite's binary messages, veneur's SSF, gostatsd's and veneur's forwarding
over HTTP and gRPC, carbon's protobuf and AMQP. Those are how these servers, or tools made for one of them,
talk to each other; what clients send that everybody reads is lines, and carbon's pickles.
"""

OTHERS = """\
## Other systems' own tests

`tests/conformance/data/statsd-lines.jsonl` holds what nine systems' own tests expect of a line, each with
the switches it asks for, and `graphite-lines.jsonl` the same of two that read Graphite. We do what they want
but for these, and each has its reason:
"""


class Row(NamedTuple):
    """One case: what stands in its row."""

    case: Case
    cells: list[str]
    reason: str
    rules: list[int]

    @property
    def takers(self) -> int:
        """How many of the five accept it."""
        return len(self.case["accepted_by"])

    @property
    def is_against_most(self) -> bool:
        """Whether we do what most of the five do not."""
        return (self.takers < 3) is not bool(self.reason)


def name_of(raw: bytes) -> str:
    """The name as sent."""
    return raw.partition(b":")[0].decode("utf-8", "replace")


def rules_of(raw: bytes) -> list[int]:
    """The numbers of the rules that speak of a line."""
    view = View(raw)
    found = [number for number, rule in enumerate(RULES, 1) if rule.speaks_of(view)]
    return found[1:] if len(found) > 1 and found[0] == 1 else found


def row_of(case: Case) -> Row:
    """Run our parser over a case and write its cells."""
    raw = input_of(case)
    samples, rejects = _pure.parse_statsd(raw, Dialect())
    sent = name_of(raw)
    cells = [write(case["observed"][parser], sent) for parser, write in PARSERS.items()]
    reason = rejects[0].reason if rejects else ""
    return Row(case, [*cells, of_us(samples, rejects, raw, sent)], reason, rules_of(raw))


def rows() -> list[Row]:
    """All of them, in the order of the file."""
    return [row_of(json.loads(line)) for line in CASES.read_text(encoding="utf-8").splitlines()]


def table(found: Iterable[Row]) -> str:
    """Rows as a table."""
    head = ["", "line", *PARSERS, "Metronome", "rules"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in found:
        line = input_of(row.case).decode("utf-8", "backslashreplace")
        number = row.case["id"].removeprefix("diff-")
        rules = ", ".join(f"[{rule}](#rule-{rule})" for rule in row.rules)
        cells = [number, code(line), *(code(cell) for cell in row.cells), rules]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def summary(found: list[Row]) -> str:
    """The figures."""
    return SUMMARY.format(
        cases=len(found),
        unanimous=sum(row.case["unanimous"] for row in found),
        accepted=sum(not row.reason for row in found),
        refused=sum(bool(row.reason) and not row.takers for row in found),
        lenient=sum(not row.reason and row.takers < 3 for row in found),
        strict=sum(bool(row.reason) and bool(row.takers) for row in found),
        strictest=sum(bool(row.reason) and row.takers >= 3 for row in found),
        alone=sum(not row.reason and not row.takers for row in found),
    )


def deviations() -> str:
    """Where we do not do what another system's own test wants, and why."""
    tables = (("statsd-lines.jsonl", "lines"), ("graphite-lines.jsonl", "graphite"))
    lines = ["| line | from | its test wants | why |", "|---|---|---|---|"]
    for file, key in tables:
        for text in (DATA / file).read_text(encoding="utf-8").splitlines():
            case = json.loads(text)
            reason = DEVIATIONS[key].get(case["id"])
            if reason:
                given = case["input"] or input_of(case).decode("utf-8", "backslashreplace")
                origin = case.get("system") or case["source"]["repo"]
                wanted = "another reading" if case["accept"] else "a refusal"
                lines.append(f"| {code(given)} | {origin} | {wanted} | {DEVIATIONS['reasons'][reason]} |")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def page(found: list[Row]) -> str:
    """The whole page."""
    by_id = {row.case["id"]: row for row in found}
    parts = [TITLE, summary(found), "## Decisions\n"]
    for number, rule in enumerate(RULES, 1):
        spoken = sum(number in row.rules for row in found)
        head = f'### <a id="rule-{number}"></a>{number}. {rule.title}'
        parts.append(
            f"{head}\n\n{rule.decision}\n\n*Why:* {rule.why}\n\n"
            + table(by_id[example] for example in rule.examples if example in by_id)
            + f"\n{spoken} lines below.\n"
        )
    gauges = next(number for number, rule in enumerate(RULES, 1) if "`=`" in rule.title)
    parts.append(OWN.format(gauges=gauges))
    strict = [row for row in found if row.reason and row.takers]
    parts.append("## Refused by us, accepted by some\n\n" + table(strict))
    parts.append(OTHERS + "\n" + deviations())
    parts.append("## All lines\n\n" + table(found))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(rows()), encoding="utf-8")
