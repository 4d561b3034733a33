"""Events as columns, and globs and filters as SQL."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.glob import matches
from metronome.store.duckdb_events import columns_of_events, matching, received
from tests.store.build import happened

ALPHABET = "ab.*?[]{},!\\^$|()-~& \n/'éß"


@given(st.text(ALPHABET, max_size=8), st.lists(st.text(ALPHABET, max_size=5), min_size=1, max_size=5))
def test_globs_match_in_sql_as_in_python(glob: str, names: list[str]) -> None:
    """DuckDB's regular expressions read every glob as Python's do."""
    values: dict[str, Any] = {"texts": [*names, glob]}
    term = matching("text", glob, values)
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT text, {term} FROM (SELECT unnest($texts) AS text)", values
        ).fetchall()
    assert rows == [(text, matches(glob, text)) for text in [*names, glob]]


def test_plain_globs_are_compared() -> None:
    """A glob without anything special needs no regular expression, and each has its own name."""
    values: dict[str, Any] = {}
    assert matching("type", "view", values) == "type = $glob0"
    assert matching("type", "v*", values) == "regexp_full_match(type, $glob1, 's')"
    assert values == {"glob0": "view", "glob1": "v.*"}


@pytest.mark.parametrize(
    ("event", "column", "expected"),
    [
        (happened(5), "received", -1),
        (happened(5, received=7), "received", 7),
        (happened(5), "labels", ""),
        (happened(5, labels={}), "labels", "{}"),
        (happened(5, labels={"a": "ß"}), "labels", '{"a":"ß"}'),
        (happened(5), "rest", ""),
        (happened(5, eid="x", fields={"p": 1.5}), "rest", '{"eid":"x","fields":{"p":1.5}}'),
        (happened(5, format="csv"), "format", "csv"),
        (happened(5, format=""), "rest", '{"format":""}'),
        (happened(5), "message", ""),
    ],
)
def test_what_an_event_lacks_can_be_told(event: Any, column: str, expected: Any) -> None:
    """Absent and empty are different, in columns that have no nulls."""
    assert columns_of_events([event])[column].tolist() == [expected]


def test_arrival() -> None:
    """An event that does not say when it was received arrived when it happened."""
    assert (received(happened(5)), received(happened(5, received=9))) == (5, 9)
