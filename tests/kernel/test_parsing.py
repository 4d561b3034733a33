"""Parsing without a table."""

from __future__ import annotations

from types import ModuleType

from metronome.kernel.interface import Reject
from metronome.kernel.parsing import lines_of
from tests.kernel.helpers import UNION


def test_a_block_is_cut_at_line_feeds() -> None:
    """One carriage return at the end is not part of a line, and empty lines are none."""
    assert lines_of(b"a\r\n\n\r\nb\r\r\nc\rd\n") == [b"a", b"b\r", b"c\rd"]


def test_good_and_bad_lines_are_told_apart(kernel: ModuleType) -> None:
    """A line with a bad value is refused whole; events say nothing."""
    samples, rejects = kernel.parse_statsd(b"a:1:x|c\nb:2|c\n_sc|up|0\n_e{9,9}:a|b\na,k=v:3|g|#x:y", UNION)
    assert [(sample.name, sample.value) for sample in samples] == [("b", 2.0)]
    assert rejects == [
        Reject("bad_value", b"a:1:x|c"),
        Reject("bad_event", b"_e{9,9}:a|b"),
        Reject("mixed_tag_styles", b"a,k=v:3|g|#x:y"),
    ]


def test_graphite_lines_are_gauges(kernel: ModuleType) -> None:
    """A time that means now is none."""
    samples, rejects = kernel.parse_graphite(b"a;k=v 1 60\nb 2 -1\nc", UNION)
    assert [(one.name, one.labels, one.kind, one.value, one.time) for one in samples] == [
        ("a", (("k", "v"),), 1, 1.0, 60.0),
        ("b", (), 1, 2.0, None),
    ]
    assert rejects == [Reject("malformed_line", b"c")]
