"""Graphite lines: what becomes of each."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Dialect
from tests.kernel.helpers import UNION

GOOD: list[tuple[str, tuple[str, dict[str, str], float, float | None]]] = [
    ("foo 1 2", ("foo", {}, 1.0, 2.0)),
    ("foo 1", ("foo", {}, 1.0, None)),
    ("foo 1 -1", ("foo", {}, 1.0, None)),
    ("foo 1 -1.0", ("foo", {}, 1.0, None)),
    ("foo 1 N", ("foo", {}, 1.0, None)),
    ("foo 1 n", ("foo", {}, 1.0, None)),
    ("foo 1 0", ("foo", {}, 1.0, 0.0)),
    ("foo -1.5e3 1700000000.1236", ("foo", {}, -1500.0, 1700000000.124)),
    (" \t foo \t  1\t 2 ", ("foo", {}, 1.0, 2.0)),
    ("foo 1 2\r", ("foo", {}, 1.0, 2.0)),
    ("f oo 1 2", ("f oo", {}, 1.0, 2.0)),
    ("a/b@c..d 1 2", ("a/b@c..d", {}, 1.0, 2.0)),
    ("größe 1 2", ("größe", {}, 1.0, 2.0)),
    ("foo;k=v;a=b 1 2", ("foo", {"a": "b", "k": "v"}, 1.0, 2.0)),
    ("foo; 1 2", ("foo", {}, 1.0, 2.0)),
    ("foo;bar 1 2", ("foo", {}, 1.0, 2.0)),
    ("foo;bar=baz;aa=;x=y;=z 1 2", ("foo", {"bar": "baz", "x": "y"}, 1.0, 2.0)),
    ("foo;bar= baz 1 2", ("foo", {"bar": " baz"}, 1.0, 2.0)),
    ("foo;b ar=baz 1 2", ("foo", {"b_ar": "baz"}, 1.0, 2.0)),
    ("foo ;bar=baz 1 2", ("foo ", {"bar": "baz"}, 1.0, 2.0)),
    ("foo;k=v;k=w 1", ("foo", {"k": "w"}, 1.0, None)),
    ("foo;k=~v,#w 1", ("foo", {"k": "~v,#w"}, 1.0, None)),
    ('foo{k="v"} 1 2', ("foo", {"k": "v"}, 1.0, 2.0)),
    ('foo{k="v w", k2="x",} 1', ("foo", {"k": "v w", "k2": "x"}, 1.0, None)),
    ('foo{k="a b c d"} 1', ("foo", {"k": "a b c d"}, 1.0, None)),
    ('foo{k="a\\"b\\\\c\\nd\\e",x=""} 1', ("foo", {"k": 'a"b\\c\nd\\e'}, 1.0, None)),
    ('foo{k="},{"} 1 2', ("foo", {"k": "},{"}, 1.0, 2.0)),
    ("foo{} 1 2", ("foo", {}, 1.0, 2.0)),
    ("foo} 1 2", ("foo}", {}, 1.0, 2.0)),
    ("foo{x 1 2", ("foo{x", {}, 1.0, 2.0)),
]

BAD: list[tuple[str, str]] = [
    ("foo", "malformed_line"),
    (" \t ", "malformed_line"),
    ("aa bb", "bad_value"),
    ("foo 1x 2", "bad_value"),
    ("foo nan 2", "not_finite"),
    ("foo -Inf 2", "not_finite"),
    ("foo 1e400 2", "not_finite"),
    ("foo 1 x", "bad_time"),
    ("foo 1 -2", "bad_time"),
    ("foo 1 nan", "bad_time"),
    ("foo 1 253402300800", "bad_time"),
    ("foo 1 253402300799", ""),
    (";k=v 1 2", "bad_name"),
    ('{k="v"} 1 2', "bad_name"),
    ("f\x01oo 1 2", "bad_name"),
    ("f\0oo 1 2", "bad_name"),
    ("f\too 1 2", "bad_name"),
    ("x" * 201 + " 1 2", "bad_name"),
    ('foo{k="v} 1 2', "bad_label"),
    ('foo{k="v\\"} 1 2', "bad_label"),
    ("foo{k=v} 1 2", "bad_label"),
    ('foo{k = "v"} 1 2', "bad_label"),
    ('foo{k="v"x} 1 2', "bad_label"),
    ("foo;" + ";".join(f"t{number}=1" for number in range(33)) + " 1 2", "too_many_labels"),
]


@pytest.mark.parametrize(("line", "expected"), GOOD, ids=[line[:40] for line, _ in GOOD])
def test_a_good_line_is_a_point(kernel: ModuleType, line: str, expected: Any) -> None:
    """Path, tags, value and time come out as sent."""
    samples, rejects = kernel.parse_graphite(line.encode(), UNION)
    assert not rejects
    name, labels, value, time = expected
    assert samples == [(name, tuple(sorted(labels.items())), 1, value, 1.0, time, False, False)]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[line[:40] for line, _ in BAD])
def test_a_bad_line_is_one_reason(kernel: ModuleType, line: str, reason: str) -> None:
    """A line that is refused says why; the last second of 9999 is still good."""
    samples, rejects = kernel.parse_graphite(line.encode(), UNION)
    assert [reject.reason for reject in rejects] == ([reason] if reason else [])
    assert bool(samples) is not bool(reason)


def test_tags_can_be_off(kernel: ModuleType) -> None:
    """Without tags the path is all of it."""
    samples, _ = kernel.parse_graphite(b'foo;k=v 1\nfoo{k="v"} 2', Dialect(graphite_tags=False))
    assert [sample.name for sample in samples] == ["foo;k=v", 'foo{k="v"}']


def test_invalid_utf8_is_replaced(kernel: ModuleType) -> None:
    """Bytes that are not UTF-8 do not cost the point."""
    samples, _ = kernel.parse_graphite(b"f\xff;k=\xc3( 1", UNION)
    assert samples[0][:2] == ("f\ufffd", (("k", "\ufffd("),))
