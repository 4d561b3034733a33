"""statsd lines: what becomes of each."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect, Reject
from tests.kernel.helpers import UNION, parsed

C, G, T, S = 0, 1, 2, 3


def sample(
    kind: int, value: float | str, rate: float = 1.0, time: float | None = None, delta: bool = False
) -> Any:
    return ("a", (), kind, value, rate, time, delta)


GOOD: list[tuple[str, list[Any]]] = [
    ("a:1|c", [sample(C, 1.0)]),
    ("a:1|m", [sample(C, 1.0)]),
    ("a:1|C", [(*sample(C, 1.0), True)]),
    ("a:5:7|C|@0.5", [(*sample(C, 5.0, 0.5), True), (*sample(C, 7.0, 0.5), True)]),
    ("a:-2.5|c", [sample(C, -2.5)]),
    ("a:320|ms", [sample(T, 320.0)]),
    ("a:320|h", [sample(T, 320.0)]),
    ("a:3.5|d", [sample(T, 3.5)]),
    ("a:-1|ms", [sample(T, -1.0)]),
    ("a:+10|ms", [sample(T, 10.0)]),
    ("a:7|g", [sample(G, 7.0)]),
    ("a:7|kv", [sample(G, 7.0)]),
    ("a:-7|kv", [sample(G, -7.0)]),
    ("a:=-7|kv", [sample(G, -7.0)]),
    ("a:x|s", [sample(S, "x")]),
    ("a:x:y:z|s", [sample(S, "x:y:z")]),
    ("a:+1|s", [sample(S, "+1")]),
    ("a:♬|s", [sample(S, "♬")]),
    # rates
    ("a:5|c|@0.1", [sample(C, 5.0, 0.1)]),
    ("a:5|c|@1", [sample(C, 5.0)]),
    ("a:5|c|@.2", [sample(C, 5.0, 0.2)]),
    ("a:5|c|@1e-3", [sample(C, 5.0, 0.001)]),
    ("a:5|c|@0.5|@0.25", [sample(C, 5.0, 0.25)]),
    ("a:5|g|@0.1", [sample(G, 5.0, 0.1)]),
    ("a:5|s|@0.1", [sample(S, "5", 0.1)]),
    # packed values, as DogStatsD
    ("a:1:2:3|ms", [sample(T, 1.0), sample(T, 2.0), sample(T, 3.0)]),
    ("a:1:2|c|@0.5", [sample(C, 1.0, 0.5), sample(C, 2.0, 0.5)]),
    ("a:1::2:|g", [sample(G, 1.0), sample(G, 2.0)]),
    ("a:::|g", []),
    ("a:|c", []),
    ("a:|s", []),
    # blanks around numbers and at the end of a line
    ("a:   5|c", [sample(C, 5.0)]),
    ("a:5\t|ms", [sample(T, 5.0)]),
    ("a: -5 : =7|g", [sample(G, -5.0, delta=True), sample(G, 7.0)]),
    ("a:5|c ", [sample(C, 5.0)]),
    ("a:5|c|@0.5 \t", [sample(C, 5.0, 0.5)]),
    ("a: x |s ", [sample(S, " x ")]),
    ("a:5|c|T10 ", [sample(C, 5.0, time=10.0)]),
    ("a:5| c", [sample(C, 5.0)]),
    ("a:5|\tms |@0.5", [sample(T, 5.0, 0.5)]),
    ("a:5|c |@ 0.5 |T 10 ", [sample(C, 5.0, 0.5, 10.0)]),
    ("a:1| c :2| ms ", [sample(C, 1.0), sample(T, 2.0)]),
    # hexadecimal, as statsd
    ("a:0x10|c", [sample(C, 16.0)]),
    ("a: 0XfF :0x1|ms", [sample(T, 255.0), sample(T, 1.0)]),
    ("a:=0x10|g", [sample(G, 16.0)]),
    ("a:0x20000000000001|c", [sample(C, float(1 << 53))]),
    (
        "a:0x20000000000003:0x40000000000003|c",
        [sample(C, 9007199254740996.0), sample(C, float((1 << 54) + 4))],
    ),
    ("a:0b101:0B11:0o17:0O7|ms", [sample(T, 5.0), sample(T, 3.0), sample(T, 15.0), sample(T, 7.0)]),
    # as Go reads them
    ("a:1_000:-1_0.5_0e0_1|ms", [sample(T, 1000.0), sample(T, -105.0)]),
    ("a:0x1p3:-0X_1.8P-1:0x.8p0:+0x1.p+1_0|ms", [sample(T, v) for v in (8.0, -0.75, 0.5, 1024.0)]),
    ("a:=0x1p-1074|g", [sample(G, 5e-324)]),
    ("a:+1_0|g", [sample(G, 10.0, delta=True)]),
    ("a:1|c|@0x1p-1", [sample(C, 1.0, 0.5)]),
    # groups, as old statsd
    ("a:1|c:2|ms", [sample(C, 1.0), sample(T, 2.0)]),
    ("a:1|c:1|ms:2|s:1|g", [sample(C, 1.0), sample(T, 1.0), sample(S, "2"), sample(G, 1.0)]),
    ("a:0|ms|@0.1:0|ms|:1|ms", [sample(T, 0.0, 0.1), sample(T, 0.0), sample(T, 1.0)]),
    ("a:1:2|c:3:4|ms", [sample(C, 1.0), sample(C, 2.0), sample(T, 3.0), sample(T, 4.0)]),
    # gauges
    ("a:+3|g", [sample(G, 3.0, delta=True)]),
    ("a:-3|g", [sample(G, -3.0, delta=True)]),
    ("a:-0|g", [sample(G, -0.0, delta=True)]),
    ("a:=-3|g", [sample(G, -3.0)]),
    ("a:=+3|g", [sample(G, 3.0)]),
    ("a:=3|g", [sample(G, 3.0)]),
    ("a:1:-2|g", [sample(G, 1.0), sample(G, -2.0, delta=True)]),
    # times
    ("a:1|c|T1657100430", [sample(C, 1.0, time=1657100430.0)]),
    ("a:1|g|T1657100430.25", [sample(G, 1.0, time=1657100430.25)]),
    ("a:-1|g|T12", [sample(G, -1.0, time=12.0)]),
    ("a:-1|kv|T12", [sample(G, -1.0, time=12.0)]),
    ("a:1|C|T12", [(*sample(C, 1.0), True)]),
    ("a:1|g|T5|T6", [sample(G, 1.0, time=6.0)]),
    ("a:1|ms|T1657100430", [sample(T, 1.0)]),
    ("a:1|s|Tnever", [sample(S, "1")]),
    ("a:1|ms:2|c|T7", [sample(T, 1.0), sample(C, 2.0, time=7.0)]),
    # other fields
    ("a:1|c|", [sample(C, 1.0)]),
    ("a:1|c||@0.5", [sample(C, 1.0, 0.5)]),
    ("a:1|c|c:in-4026531836|e:it-false,cn-x|card:low", [sample(C, 1.0)]),
    ("a:1|c|wow|0.1|x:y", [sample(C, 1.0)]),
    ("a:1|c|:", [sample(C, 1.0)]),
    ("a:1|c|#|:|c:xyz", [sample(C, 1.0)]),
    ("a:1|c|#|:1|c", [sample(C, 1.0)]),
    ("a:1|c\r", [sample(C, 1.0)]),
    # events say nothing here
    ("_e{1,1}:a|b", []),
    ("_e{6,18}:ab|| c|hello,\\nmy friend!", []),
    ("_e{10,0}:test title||t:warning", []),
    ("_e{1,1}:é|b", "bad_event"),
    ("_e{2,1}:é|b", []),
    ("_sc|agent.up|0", []),
    ("_sc|agent.up|3|d:21|m:this is fine", []),
]

BAD: list[tuple[str, str]] = [
    ("a", "malformed_line"),
    ("a1|c", "malformed_line"),
    ("a:1", "malformed_line"),
    ("a:1c", "malformed_line"),
    ("a:1|", "malformed_line"),
    ("a:1| |@1", "malformed_line"),
    ("a:1|c:2", "malformed_line"),
    ("a|b:1|c", "malformed_line"),
    ("|h|#a:b", "malformed_line"),
    (":1|c", "bad_name"),
    ("@!:1|c", "bad_name"),
    ("x" * 201 + ":1|c", "bad_name"),
    ("a:1|q", "bad_type"),
    ("a:1|msdos", "bad_type"),
    ("a:1|c c", "bad_type"),
    ("a:x|kv", "bad_value"),
    ("a:1|c:2|q", "bad_type"),
    ("a:1o|c", "bad_value"),
    ("a:0x|c", "bad_value"),
    ("a:-0x10|c", "bad_value"),
    ("a:0x1.8|c", "bad_value"),
    ("a:0x" + "f" * 511 + "|c", "bad_value"),
    ("a:0x" + "f" * 256 + "|c", "not_finite"),
    ("a:1__0|c", "bad_value"),
    ("a:_1|c", "bad_value"),
    ("a:1_|c", "bad_value"),
    ("a:1_.5|c", "bad_value"),
    ("a:1._5|c", "bad_value"),
    ("a:1e_5|c", "bad_value"),
    ("a:1_e5|c", "bad_value"),
    ("a:-_1|c", "bad_value"),
    ("a:0_x1p1|c", "bad_value"),
    ("a:0x_.8p1|c", "bad_value"),
    ("a:0x1_p1|c", "bad_value"),
    ("a:0x1p_1|c", "bad_value"),
    ("a:0x_10|c", "bad_value"),
    ("a:0xp1|c", "bad_value"),
    ("a:0x1p|c", "bad_value"),
    ("a:0x1p+|c", "bad_value"),
    ("a:1p3|c", "bad_value"),
    ("a:0b1p3|c", "bad_value"),
    ("a:+0b1|c", "bad_value"),
    ("a:0b|c", "bad_value"),
    ("a:0b12|c", "bad_value"),
    ("a:0o8|c", "bad_value"),
    ("a:1_0e999|c", "not_finite"),
    ("a:0x1p1024|c", "not_finite"),
    ("a:0o" + "7" * 400 + "|c", "not_finite"),
    ("a:1|c|T1_0", "bad_time"),
    ("a:1,5|c", "bad_value"),
    ("a:12.89.23|g", "bad_value"),
    ("a:é|g", "bad_value"),
    ("a:=|g", "bad_value"),
    ("a:=1|c", "bad_value"),
    ("a:==1|g", "bad_value"),
    ("a:1:x|c", "bad_value"),
    ("a:--1|g", "bad_value"),
    ("a:NaN|g", "not_finite"),
    ("a:-inf|c", "not_finite"),
    ("a:+Infinity|ms", "not_finite"),
    ("a:1e999|ms", "not_finite"),
    ("a:1e300|c|@1e-300", "not_finite"),
    ("a:1|c|@", "bad_rate"),
    ("a:1|c|@0", "bad_rate"),
    ("a:1|c|@1.1", "bad_rate"),
    ("a:1|c|@-0.1", "bad_rate"),
    ("a:1|c|@foo", "bad_rate"),
    ("a:1|c|@nan", "bad_rate"),
    ("a:1|c|@1e-320", "bad_rate"),
    ("a:1|g|@2", "bad_rate"),
    ("a:1|c|#x|@0.5:1|c", "bad_rate"),
    ("a:1|c|T", "bad_time"),
    ("a:1|c|T0", "bad_time"),
    ("a:1|c|T-5", "bad_time"),
    ("a:1|g|Tnow", "bad_time"),
    ("a:1|g|T253402300800", "bad_time"),
    ("_e{2,1}:a|b", "bad_event"),
    ("_e{0,1}:|b", "bad_event"),
    ("_e{,1}:a|b", "bad_event"),
    ("_e{1,1}a:b", "bad_event"),
    ("_e{1,1}:a:b", "bad_event"),
    ("_e{1,1}:a|bc", "bad_event"),
    ("_e{1,999999999999}:a|b", "bad_event"),
    ("_e{-1,1}:a|b", "bad_event"),
    ("_e{", "bad_event"),
    ("_e:title|text", "bad_type"),
    ("_sc||0", "bad_event"),
    ("_sc|", "bad_event"),
    ("_sc|a|4", "bad_event"),
    ("_sc|a|-1", "bad_event"),
    ("_sc|a|0m", "bad_event"),
    ("_sc|a", "bad_event"),
]


@pytest.mark.parametrize(("line", "expected"), GOOD, ids=[line for line, _ in GOOD])
def test_a_good_line_is_its_samples(kernel: ModuleType, line: str, expected: list[Any]) -> None:
    """Every form of the grammar gives the samples that its sender meant."""
    assert repr(parsed(kernel, line)) == repr(expected)


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[line[:40] for line, _ in BAD])
def test_a_bad_line_is_one_reason(kernel: ModuleType, line: str, reason: str) -> None:
    """A line that is refused gives no sample and says why."""
    assert parsed(kernel, line) == reason


def test_a_bad_line_costs_no_neighbour(kernel: ModuleType) -> None:
    """Lines around a refused one are read, whatever ends them."""
    samples, rejects = kernel.parse_statsd(b"\n\na:1|c\r\nb\nc:2|c\n\r\n", UNION)
    assert [sample.name for sample in samples] == ["a", "c"]
    assert rejects == [Reject("malformed_line", b"b")]


def test_the_sign_is_a_sign_where_deltas_are_off(kernel: ModuleType) -> None:
    """With ``gauge_delta`` off a negative gauge is set."""
    absolute = Dialect(gauge_delta=False)
    assert parsed(kernel, "a:-3|g", absolute) == [sample(G, -3.0)]
    assert parsed(kernel, "a:=-3|g", absolute) == [sample(G, -3.0)]


def test_container_fields_are_labels_where_wanted(kernel: ModuleType) -> None:
    """``c:``, ``e:`` and ``card:`` become labels only when switched on; empty ones never."""
    line = "a b:1|c|c:ci-1|e:it-false|card:low|#x:y"
    assert parsed(kernel, line)[0][1] == (("x", "y"),)
    origin = Dialect(container_labels=True)
    labels = (("cardinality", "low"), ("container_id", "ci-1"), ("external_data", "it-false"), ("x", "y"))
    assert parsed(kernel, line, origin)[0][:2] == ("a b", labels)
    assert parsed(kernel, "a b:1|c|c:ci-1|e:", origin)[0][:2] == ("a_b", (("container_id", "ci-1"),))


def test_an_excerpt_is_bounded(kernel: ModuleType) -> None:
    """Of a long refused line only its beginning is kept."""
    assert kernel.parse_statsd(b"a" * 5000, UNION)[1] == [Reject("malformed_line", b"a" * 160)]


def test_many_values_and_groups(kernel: ModuleType) -> None:
    """A datagram may be one long list."""
    values = [float(value) for value in range(3000)]
    line = "a:" + ":".join(str(value) for value in values) + "|ms" + ":1|c" * 500
    found = parsed(kernel, line)
    assert [each[3] for each in found] == values + [1.0] * 500
