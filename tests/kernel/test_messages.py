"""Messages of the page of metrics."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import messages as pure
from metronome.kernel.families import Escaping
from metronome.kernel.messages import Metrics, varint
from metronome.kernel.samples import NONE, TYPES
from metronome.kernel.writing import joined
from metronome.model import Kind, Series, canonical_labels, series_key
from tests.kernel.conftest import twin
from tests.kernel.test_families import SERIES, key

Row = tuple[int, int, bytes, int, int]
"""Counter, label, body, head, help."""


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return pure if request.param == "pure" else twin("native")


def metrics(keys: list[bytes], rows: list[Row]) -> Metrics:
    counters, labels, bodies, heads, helps = zip(*rows, strict=True) if rows else [()] * 5
    return Metrics(
        joined(keys),
        np.array(counters, np.uint8),
        np.array(labels, np.int64),
        joined(list(bodies)),
        np.array(heads, np.uint8),
        np.array(helps, np.int64),
    )


def field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2, len(data))) + data


HITS = series_key(Series("app.hits", canonical_labels({"le": "5", "a.b": "é"}), Kind.COUNTER))
WAIT = series_key(Series("wait_seconds", (), Kind.TIMER))


@pytest.mark.parametrize(
    ("escaping", "name", "label"),
    [(Escaping.UNDERSCORES, b"app_hits_total", b"a_b"), (Escaping.UTF8, b"app.hits_total", b"a.b")],
)
def test_a_family(kernel: ModuleType, escaping: Escaping, name: bytes, label: bytes) -> None:
    """Name, help, type and unit, then its metrics, byte by byte; names are not quoted."""
    rows: list[Row] = [(1, 0, b"body", 1, NONE), (0, NONE, b"", 4, 1), (0, NONE, b"more", 0, NONE)]
    found = kernel.write_messages(metrics([HITS, WAIT, WAIT], rows), (field(1, b"word"), b"told"), escaping)
    labels = [field(1, field(1, label) + field(2, "é".encode()))]
    labels.append(field(1, field(1, b"exported_le") + field(2, b"5")))
    pieces = [
        field(1, name) + field(2, b"app.hits (counter)") + b"\x18\x00"
        + field(4, b"".join(labels) + field(1, b"word") + b"body"),
        field(1, b"wait_seconds") + field(2, b"told") + b"\x18\x04" + field(5, b"seconds") + field(4, b""),
        field(4, b"more"),
    ]  # fmt: skip
    assert found.data == b"".join(pieces)
    assert found.ends.tolist() == np.cumsum([len(piece) for piece in pieces]).tolist()


def test_no_rows(kernel: ModuleType) -> None:
    """Nothing is written of nothing."""
    found = kernel.write_messages(metrics([], []), (), Escaping.DOTS)
    assert (found.data, found.ends.tolist()) == (b"", [])


@pytest.mark.parametrize("row", [(0, 1, b"", 0, NONE), (0, NONE, b"", 5, NONE), (0, NONE, b"", 1, 1)])
def test_what_is_not_there(kernel: ModuleType, row: Row) -> None:
    """A number of a word or type that there is not is refused, and so are too few."""
    with pytest.raises(ValueError, match="not there"):
        kernel.write_messages(metrics([WAIT], [row]), (b"word",), Escaping.UTF8)
    wrong = metrics([WAIT], [(0, NONE, b"", 0, NONE)])._replace(helps=np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="different lengths"):
        kernel.write_messages(wrong, (b"word",), Escaping.UTF8)


def test_varints() -> None:
    """Seven bits a byte, the lowest first."""
    assert [varint(value) for value in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]


ROWS = st.tuples(
    st.integers(0, 1),
    st.integers(-1, 1),
    st.binary(max_size=4) | st.just(b"x" * 200),
    st.integers(0, len(TYPES)),
    st.integers(-1, 1),
)


@given(
    st.lists(st.tuples(SERIES.map(key) | st.binary(min_size=1, max_size=9), ROWS), max_size=5),
    st.sampled_from(Escaping),
)
def test_both_twins_agree(rows: list[tuple[bytes, Row]], escaping: Escaping) -> None:
    """On any key, also what is none, in every escaping."""
    wanted = metrics([one for one, _ in rows], [row for _, row in rows])
    words = (b"\x0a\0", "é".encode() * 100)
    found = [one.write_messages(wanted, words, escaping) for one in (pure, twin("native"))]
    assert found[0].data == found[1].data
    assert found[0].ends.tolist() == found[1].ends.tolist()
