"""Lines of the page of metrics."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import samples as pure
from metronome.kernel.families import Escaping
from metronome.kernel.samples import NONE, TYPES, Samples, value_text
from metronome.kernel.writing import joined
from metronome.model import Kind, Series, canonical_labels, series_key
from tests.kernel.conftest import twin
from tests.kernel.test_families import SERIES, key


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return pure if request.param == "pure" else twin("native")


Line = tuple[int, int, int, float, int, int, int]
"""Text, suffix, label, value, tail, head, help."""


def samples(keys: list[bytes], counters: list[int], lines: list[Line]) -> Samples:
    columns = list(zip(*lines, strict=True)) if lines else [()] * 7
    types = (np.int64, np.uint8, np.int64, np.float64, np.int64, np.uint8, np.int64)
    arrays = [np.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return Samples(joined(keys), np.array(counters, np.uint8), *arrays)


HITS = series_key(Series("app.hits", canonical_labels({"http.code": "200", "q": 'a"b\\c\nd'}), Kind.COUNTER))
WAIT = series_key(Series("wait_seconds", (), Kind.TIMER))
WORDS = (b'quantile="0.5"', b" # {} 1", b'own "help"\\')
LINES: list[Line] = [
    (0, 1, NONE, 3.0, 1, 1, NONE),
    (0, 2, NONE, 1.5e9, NONE, 0, NONE),
    (1, 0, 0, math.nan, NONE, 3, 2),
    (1, 3, NONE, 0.1, NONE, 0, NONE),
]


def written(kernel: ModuleType, escaping: Escaping, open_metrics: bool) -> str:
    found = kernel.write_samples(samples([HITS, WAIT], [1, 0], LINES), WORDS, escaping, open_metrics)
    assert isinstance(found, bytes)
    return found.decode()


def test_text(kernel: ModuleType) -> None:
    """HELP and TYPE, then the samples; a counter's family is called as its sample."""
    assert written(kernel, Escaping.UNDERSCORES, False) == (
        "# HELP app_hits_total app.hits (counter)\n"
        "# TYPE app_hits_total counter\n"
        'app_hits_total{http_code="200",q="a\\"b\\\\c\\nd"} 3 # {} 1\n'
        'app_hits_created{http_code="200",q="a\\"b\\\\c\\nd"} 1500000000\n'
        '# HELP wait_seconds own "help"\\\\\n'
        "# TYPE wait_seconds summary\n"
        'wait_seconds{quantile="0.5"} NaN\n'
        "wait_seconds_sum 0.1\n"
    )


def test_open_metrics(kernel: ModuleType) -> None:
    """The family is without the suffix; HELP escapes quotes; a unit is named."""
    text = written(kernel, Escaping.UNDERSCORES, True)
    assert "# HELP app_hits app.hits (counter)\n# TYPE app_hits counter\napp_hits_total{" in text
    head = '# HELP wait_seconds own \\"help\\"\\\\\n# TYPE wait_seconds summary\n'
    assert head + "# UNIT wait_seconds seconds\nwait_seconds{" in text


def test_names_in_quotes(kernel: ModuleType) -> None:
    """As UTF-8 they stand in the braces; what the old syntax knows stays in front of them."""
    text = written(kernel, Escaping.UTF8, True)
    assert '# TYPE "app.hits" counter\n{"app.hits_total","http.code"="200",q="a' in text
    assert 'wait_seconds{quantile="0.5"} NaN\n' in text
    assert '# TYPE "app.hits_total" counter\n' in written(kernel, Escaping.UTF8, False)


def test_no_lines(kernel: ModuleType) -> None:
    """Nothing is written of nothing."""
    assert kernel.write_samples(samples([HITS], [1], []), (), Escaping.DOTS, False) == b""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e15, "1000000000000000.0"),
        (0.1, "0.1"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    """As short as can be, whole ones without a point."""
    assert value_text(value) == text


@pytest.mark.parametrize(
    "line",
    [
        (1, 0, NONE, 1.0, NONE, 0, NONE),
        (-1, 0, NONE, 1.0, NONE, 0, NONE),
        (0, 6, NONE, 1.0, NONE, 0, NONE),
        (0, 0, 1, 1.0, NONE, 0, NONE),
        (0, 0, NONE, 1.0, 1, 0, NONE),
        (0, 0, NONE, 1.0, -2, 0, NONE),
        (0, 0, NONE, 1.0, NONE, 5, NONE),
        (0, 0, NONE, 1.0, NONE, 1, 1),
    ],
)
def test_what_is_not_there(kernel: ModuleType, line: Line) -> None:
    """A number of a text, suffix, type or word that there is not is refused."""
    with pytest.raises(ValueError, match="not there"):
        kernel.write_samples(samples([WAIT], [0], [line]), (b"word",), Escaping.UTF8, False)


def test_columns_of_one_length(kernel: ModuleType) -> None:
    """Others are refused."""
    wrong = samples([WAIT], [0], LINES[:1])._replace(values=np.zeros(2))
    with pytest.raises(ValueError, match="different lengths"):
        kernel.write_samples(wrong, WORDS, Escaping.UTF8, False)


NUMBERS = st.tuples(
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(-1, 1),
    st.floats() | st.integers(-100, 100).map(float),
    st.integers(-1, 1),
    st.integers(0, len(TYPES)),
    st.integers(-1, 1),
)


@given(
    st.lists(SERIES.map(key) | st.binary(min_size=1, max_size=9), min_size=4, max_size=4),
    st.lists(st.integers(0, 1), min_size=4, max_size=4),
    st.lists(NUMBERS, max_size=6),
    st.sampled_from(Escaping),
    st.booleans(),
)
def test_both_twins_agree(
    keys: list[bytes], counters: list[int], lines: list[Line], escaping: Escaping, open_metrics: bool
) -> None:
    """On any key, also what is none, in every form."""
    rows = samples(keys, counters, sorted(lines, key=lambda line: line[0]))
    words = (b'le="+Inf"', 'é \\ "\n'.encode())
    found = [one.write_samples(rows, words, escaping, open_metrics) for one in (pure, twin("native"))]
    assert found[0] == found[1]
