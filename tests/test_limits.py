"""Every limit is a positive number, and those that depend on each other agree."""

from __future__ import annotations

from metronome import limits


def test_limits_are_positive_numbers() -> None:
    """A limit of nothing, or of less, would refuse everything."""
    for name, value in vars(limits).items():
        if name.isupper():
            assert isinstance(value, (int, float)), name
            assert value >= 0, name


def test_limits_fit_each_other() -> None:
    """A record fits a segment, a segment the budget, a line a datagram."""
    assert limits.RECORD_BYTES < limits.SEGMENT_BYTES < limits.JOURNAL_BYTES
    assert limits.BODY_BYTES <= limits.INFLATED_BYTES <= limits.RECORD_BYTES
    assert limits.LINE_BYTES < limits.DATAGRAM_BYTES
    assert limits.NAME_BYTES < limits.LABEL_VALUE_BYTES < limits.LINE_BYTES
