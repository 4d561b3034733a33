"""The closed lists of reasons and what errors carry."""

from __future__ import annotations

import re

import pytest

from metronome.errors import (
    DIVERT_REASONS,
    REJECT_REASONS,
    REQUEST_REASONS,
    SHED_REASONS,
    ClientError,
    JournalUnavailable,
    StoreRejected,
)

ALL = [*REJECT_REASONS, *SHED_REASONS, *DIVERT_REASONS, *REQUEST_REASONS]


@pytest.mark.parametrize("reason", ALL)
def test_a_reason_is_a_short_plain_word(reason: str) -> None:
    """Reasons are label values and JSON strings that people type."""
    assert re.fullmatch("[a-z_]{2,32}", reason)


def test_no_reason_stands_in_two_lists() -> None:
    """A reason says by itself what kind of refusal it is."""
    assert len(ALL) == len(set(ALL))


def test_errors_say_what_they_carry() -> None:
    """The text of an error has its reason and its detail."""
    error = ClientError("too_large", 413, "the body has more than 1 MiB", retry_after=3)
    assert str(error) == "too_large: the body has more than 1 MiB"
    assert (error.reason, error.status, error.retry_after) == ("too_large", 413, 3)
    assert str(JournalUnavailable("journal_full")) == "journal_full"
    assert "2 records refused, the first: why" in str(StoreRejected([(1, "why"), (2, "also")]))
