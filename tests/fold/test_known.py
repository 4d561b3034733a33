"""Series that are known by their id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.known import Known
from metronome.kernel import hash64
from metronome.model import Columns, Kind
from metronome.wire.records import Row, columns_of


def columns(names: list[int]) -> Columns:
    keys = [b"cx%d" % name for name in names]
    return columns_of([Row(key, hash64(key), Kind.COUNTER, 0, 1.0, 1, 1, 1, 1, 1, 0, ()) for key in keys])


@given(st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=6), st.sampled_from([1, 5, 20, 100]))
def test_each_row_has_the_number_of_its_series(batches: list[list[int]], most: int) -> None:
    """Whatever is forgotten on the way; and never more is remembered than may be, or one batch."""
    known = Known(most)
    for batch in batches:
        found = known.find(columns(batch), lambda key: int(key[2:]) * 7)
        assert found.tolist() == [name * 7 for name in batch]
        assert len(known) <= max(most, *(len(set(one)) for one in batches))


def test_a_series_is_asked_for_once() -> None:
    """Until it is forgotten."""
    asked: list[bytes] = []

    def learn(key: bytes) -> int:
        asked.append(key)
        return 0

    known = Known(100)
    for _ in range(3):
        known.find(columns([1, 2, 1]), learn)
    assert sorted(asked) == [b"cx1", b"cx2"]
    known.forget()
    known.find(columns([1]), learn)
    assert len(asked) == 3
