"""Names of indices and documents."""

from __future__ import annotations

import numpy as np
import pytest

from metronome.store.elastic_names import DAY_MS, Names, days_of, ends_at, id_prefix, pair, split_pair

NAMES = Names("m")


def test_days_and_steps_have_indices() -> None:
    """Parts by day, coarse ones by month; events and ids by day."""
    day = 20_484  # 2026-01-31
    assert NAMES.of_points(day) == "m-points-2026.01.31"
    assert NAMES.of_points(day, 60) == "m-points-60s-2026.01.31"
    assert NAMES.of_points(day, 600) == "m-points-600s-2026.01"
    assert NAMES.of_ticks(day) == "m-ticks-2026.01.31"
    assert NAMES.of_ids(0) == "m-ids-1970.01.01"
    assert NAMES.of_points(2_932_896) == "m-points-9999.12.31"


@pytest.mark.parametrize(
    ("index", "end"),
    [
        ("m-points-1970.01.01", DAY_MS),
        ("m-points-60s-1970.01.31", 31 * DAY_MS),
        ("m-points-600s-1970.01", 31 * DAY_MS),
        ("m-points-600s-1971.12", 730 * DAY_MS),
        ("m-meta", 1 << 62),
    ],
)
def test_an_index_says_when_it_is_over(index: str, end: int) -> None:
    """Its day or month; what has none is never over."""
    assert ends_at(index) == end


@pytest.mark.parametrize(("name", "value"), [("a", "b"), ("a=b", "c=d"), ("a%3D", ""), ("", "x"), ("%", "=")])
def test_pairs_come_apart_again(name: str, value: str) -> None:
    """Whatever is in a label's name."""
    assert split_pair(pair(name, value)) == (name, value)
    assert pair("status", "200") == "status=200"


def test_ids_and_days() -> None:
    """Ids begin with the gateway and the position; days are told once each."""
    assert id_prefix("g", 255) == "g.ff."
    assert days_of(np.array([0, 5, DAY_MS, 3 * DAY_MS - 1])) == [0, 1, 2]
