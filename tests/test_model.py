"""Series keys, labels and columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.model import Kind, Ragged, Series, canonical_labels, parse_key, series_key
from metronome.wire.records import Row, columns_of

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=5), st.sampled_from(Kind))
def test_a_key_reads_back(name: str, labels: dict[str, str], kind: Kind) -> None:
    """A series comes back from its key unchanged, whatever its labels hold."""
    series = Series(name, canonical_labels(labels), kind)
    assert parse_key(series_key(series)) == series


def test_label_order_never_matters() -> None:
    """The same labels in another order give the same key; a repeated label's last value stands."""
    one = canonical_labels([("b", "2"), ("a", "1")])
    other = canonical_labels([("a", "0"), ("a", "1"), ("b", "2")])
    assert one == other == (("a", "1"), ("b", "2"))


def test_the_key_is_as_documented() -> None:
    """Kind byte, name, then labels and values, apart by NUL."""
    key = series_key(Series("hits", (("code", "500"),), Kind.TIMER))
    assert key == b"thits\0code\x00500"


@pytest.mark.parametrize("kind", Kind)
def test_the_kind_is_part_of_the_key(kind: Kind) -> None:
    """One name in four kinds is four series; users read the kind as a word."""
    keys = {series_key(Series("a", (), one)) for one in Kind}
    assert len(keys) == 4
    assert kind.word in ("counter", "gauge", "timer", "set")


def test_ragged_rows_and_cuts() -> None:
    """A cut of a ragged array has the same rows as the whole."""
    ragged = Ragged(np.array([2, 2, 5], np.uint32), np.arange(5.0))
    assert [ragged.row(row).tolist() for row in range(3)] == [[0, 1], [], [2, 3, 4]]
    cut = ragged.cut(1, 3)
    assert [cut.row(row).tolist() for row in range(2)] == [[], [2, 3, 4]]
    assert ragged.cut(1, 1).flat.tolist() == []
    empty = Ragged(np.empty(0, np.uint32), np.empty(0))
    assert empty.row(7).tolist() == []
    assert empty.cut(0, 3) is empty


def test_columns_cut_to_rows() -> None:
    """Cutting columns keeps each row's key, values and samples together."""
    rows = [
        Row(series_key(Series(f"s{i}", (), Kind.TIMER)), i, Kind.TIMER, i, 0.0, 1, i, 1, i, i, i * i, [i])
        for i in range(4)
    ]
    cut = columns_of(rows).cut(1, 3)
    assert len(cut) == 2
    assert [parse_key(cut.key(row)).name for row in range(2)] == ["s1", "s2"]
    assert cut.n.tolist() == [1, 2]
    assert cut.samples.row(1).tolist() == [2]
