"""Neighbours of the known lines: what must change nothing changes nothing, in both twins.

Every line of the two collections is bent a little (another order of its fields, fields that nobody
knows, line ends, blanks, neighbours) and has to mean the same, or to be refused for the same reason.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from metronome.kernel import _pure
from metronome.kernel.interface import Dialect, Sample
from tests.conformance.dialect_rules import View, is_grouped, repeats
from tests.conformance.statsd_systems import input_of
from tests.kernel.conftest import native

__all__ = ["native"]

DATA = Path(__file__).parent / "data"
BENT_MARKS = ((b"|", b"||"), (b":", b"::"), (b":", b":-"), (b":", b": "), (b"#", b"##"), (b"=", b""))
BEHIND = (b"|@1e-1", b"|@.5", b"|T1657100430", b"|#a:b,,c", b"|c:x", b"|card:", b":7|ms", b"\0")
IN_FRONT = (b"x,a=b", b"x#a=b", b"x;a=b", b"[a=b]", "é".encode(), b"\xff", b"_e{1,1}:", b"_sc|", b" ")
ODD_VALUES = (b"1e308", b"1e-400", b"9" * 40, b"0." + b"3" * 30, b"1:" * 300 + b"1", b"=-5", b"1e5:-2E+3")
DIALECTS = (Dialect(), Dialect(gauge_delta=False), Dialect(container_labels=True))


def known_lines() -> list[bytes]:
    """The lines of both collections, each once."""
    found: dict[bytes, None] = {}
    for name in ("statsd-differential.jsonl", "statsd-lines.jsonl"):
        for line in (DATA / name).read_text(encoding="utf-8").splitlines():
            found |= dict.fromkeys(input_of(json.loads(line)).splitlines())
    return [line for line in found if line.strip()]


LINES = known_lines()
SAMPLES = [line for line in LINES if View(line).is_sample and View(line).bar]


def read(line: bytes, dialect: Dialect = DIALECTS[0]) -> tuple[list[Sample], list[str]]:
    """What becomes of bytes: samples, and the reasons of what is refused."""
    samples, rejects = _pure.parse_statsd(line, dialect)
    return samples, [reject.reason for reject in rejects]


def orders(line: bytes) -> Iterator[bytes]:
    """The line with its fields in other orders, where order says nothing."""
    view = View(line)
    if len(view.fields) < 2 or is_grouped(view) or repeats(view):
        return
    if any(b":" in field for field in view.fields if field[:1] in (b"@", b":")):
        return  # behind tags such a colon is the field's, before them it opens a group
    head = line[: len(line) - sum(len(field) + 1 for field in view.fields)]
    for fields in itertools.islice(itertools.permutations(view.fields), 1, 24):
        yield head + b"".join(b"|" + field for field in fields)


def bent(line: bytes) -> Iterator[bytes]:
    """Lines that are not the same and may be anything: only the twins have to agree."""
    for index in range(0, len(line), 3):
        yield line[:index] + line[index + 1 :]
        yield line[: index + 1] + line[index:]
    for change in BENT_MARKS:
        yield line.replace(*change)
    for more in BEHIND:
        yield line + more
    for front in IN_FRONT:
        yield front + line
    for value in ODD_VALUES:
        name, colon, rest = line.partition(b":")
        yield name + colon + value + b"|" + rest.partition(b"|")[2]


def test_line_ends_change_nothing() -> None:
    """CRLF, a line end, empty lines around it, and blanks behind a sample's line."""
    for line in LINES:
        expected = read(line)
        for ends in (b"%b\n", b"%b\r\n", b"\n\n%b\n\r\n"):
            assert read(ends % line) == expected, line
    for line in SAMPLES:
        if not line.endswith((b" ", b"\t")):
            assert read(line + b" \t") == read(line), line


def test_a_line_never_costs_its_neighbours() -> None:
    """Between two good lines, whatever a line is, both count."""
    good = read(b"a:1|c")[0]
    for line in LINES:
        samples, reasons = read(line)
        assert read(b"a:1|c\n" + line + b"\na:1|c") == ([*good, *samples, *good], reasons), line


def test_unknown_fields_change_nothing() -> None:
    """Behind a line, a field that nobody knows and empty ones are skipped."""
    for line in SAMPLES:
        for field in (b"|", b"||", b"|unknown", b"|x:1", b"|z", b"|\xff"):
            assert read(line + field) == read(line), (line, field)


def test_the_order_of_fields_says_nothing() -> None:
    """Every order of a line's fields means the same."""
    number = 0
    for line in SAMPLES:
        for other in orders(line):
            assert read(other) == read(line), (line, other)
            number += 1
    assert number > 100


def test_origins_change_nothing_where_they_are_not_wanted() -> None:
    """Container id, external data and cardinality of a later client do no harm."""
    for line in SAMPLES:
        for origin in (b"|c:ci-1,in-2", b"|e:it-false,cn-x", b"|card:low"):
            assert read(line + origin) == read(line), (line, origin)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_twins_agree_on_neighbours(native: ModuleType, dialect: Dialect) -> None:
    """Whatever a bent line is, it is the same to both twins; and the numbers of the tables are."""
    tables = native.Table(), _pure.Table()
    for line in LINES:
        for other in itertools.chain([line], bent(line)):
            assert native.parse_statsd(other, dialect) == _pure.parse_statsd(other, dialect), other
        folded = {table.feed_statsd(line + b"\n" + line, dialect) for table in tables}
        assert len(folded) == 1, line
    assert tables[0].counts() == tables[1].counts()
