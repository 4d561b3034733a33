"""What series are called on the page of metrics."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel import families
from metronome.kernel.families import (
    SUFFIXES,
    Escaping,
    base_of,
    escaped,
    family_name,
    labels_of,
    sample_name,
)
from metronome.kernel.hash64 import hash64
from metronome.kernel.writing import Texts, joined
from metronome.model import U8
from tests.kernel.conftest import twin


@pytest.fixture(params=["pure", "native"])
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return families if request.param == "pure" else twin("native")


NAMES = [
    ("app.hits", "app_hits", "app_dot_hits", "U__app_2e_hits"),
    ("app_hits", "app_hits", "app__hits", "app_hits"),
    ("9lives", "_9lives", "__9lives", "U___39_lives"),
    ("a:b", "a_b", "a:b", "a:b"),
    ("é€😀.x", "____x", "_______dot_x", "U___e9__20ac__1f600__2e_x"),
    ("U__x", "U__x", "U____x", "U__U____x"),
    ("", "_", "__", "_"),
]


@pytest.mark.parametrize(("name", "underscores", "dots", "values"), NAMES)
def test_escapings(name: str, underscores: str, dots: str, values: str) -> None:
    """As Prometheus has them; as UTF-8 a name is what it is."""
    found = [escaped(name, escaping) for escaping in Escaping]
    assert found == [underscores, dots, values, name or "_"]


def test_labels_have_no_colons() -> None:
    """They stand for recording rules in names of metrics alone."""
    found = [escaped("a:1", escaping, label=True) for escaping in Escaping]
    assert found == ["a_1", "a__1", "U__a_3a_1", "a:1"]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("a.total", "a"),
        ("a_total", "a"),
        ("aétotal", "a"),
        ("total", "total"),
        ("_total", "_total"),
        ("", "_"),
    ],
)
def test_a_counter_ends_in_total_once(name: str, base: str) -> None:
    """Whatever stands for the underscore; of other types it is a part of the name."""
    assert base_of(name, True) == base
    assert base_of(name, False) == (name or "_")


def test_a_counters_suffix_is_escaped_with_it() -> None:
    """So that the escaped name says what the name is; OpenMetrics wants the ending all the same."""
    names = [(sample_name("a.b", 1, True, one), family_name("a.b", True, one, True)) for one in Escaping]
    assert names == [
        ("a_b_total", "a_b"),
        ("a_dot_b__total", "a_dot_b_"),
        ("U__a_2e_b__total", "U__a_2e_b_"),
        ("a.b_total", "a.b"),
    ]
    assert sample_name("a.b", 3, False, Escaping.VALUES) == "U__a_2e_b_sum"


def test_labels() -> None:
    """What is the page's own is said to be somebody else's; of equal names the first stands."""
    pairs = [("__x", "1"), ("a-b", "2"), ("a.b", "3"), ("le", "4"), ("stream", "5")]
    exported = [("exported___x", "1"), ("exported_le", "4"), ("exported_stream", "5")]
    assert labels_of(iter(pairs)) == [("a-b", "2"), *exported]


def ids(kernel: ModuleType, keys: list[bytes], counters: list[int]) -> tuple[list[list[int]], list[int]]:
    found = kernel.page_ids(joined(keys), np.array(counters, np.uint8))
    return found.ids.tolist(), found.endings.tolist()


def test_ids(kernel: ModuleType) -> None:
    """Hashes of what stands on the page, with underscores; labels without a value are none.  The last
    is of the name as it was sent."""
    keys = [b'ca.total\0b.c\0"\0d\0', b"ta_sum", b"g\0x\0y", b"ga.b"]
    (first, second, third, fourth), endings = ids(kernel, keys, [1, 0, 0, 0])
    assert first[:6] == [hash64(b"a" + suffix.encode()) for suffix in SUFFIXES]
    assert first[6:] == [hash64(b"a"), hash64(b'a{b_c="\\"",'), hash64(b"a")]
    assert second[6:] == [hash64(b"a"), hash64(b"a_sum{"), hash64(b"a_sum")]
    assert third[6:] == [hash64(b"_"), hash64(b'_{x="y",'), hash64(b"_")]
    assert fourth[6:] == [hash64(b"a_b"), hash64(b"a_b{"), hash64(b"a.b")]
    assert endings == [0, SUFFIXES.index("_sum"), 0, 0]


def test_no_texts(kernel: ModuleType) -> None:
    """None of them have no ids."""
    assert ids(kernel, [], []) == ([], [])


@pytest.mark.parametrize(
    ("begins", "ends", "counters"), [([0], [4], [0]), ([-1], [1], [0]), ([1], [1], [0]), ([0], [1], [])]
)
def test_wrong_arrays(kernel: ModuleType, begins: list[int], ends: list[int], counters: list[int]) -> None:
    """They are refused, never read."""
    texts = Texts(np.zeros(3, np.uint8), np.array(begins, np.int64), np.array(ends, np.int64))
    wrong: U8 = np.array(counters, np.uint8)
    with pytest.raises(ValueError, match=r"a text is empty|not as many"):
        kernel.page_ids(texts, wrong)


PIECES = [
    "_",
    ".",
    "a",
    "0",
    "U__",
    "total",
    "_sum",
    "le",
    "stream",
    "exported_",
    ":",
    "é",
    "\U0001f600",
    '"',
    "\n",
    "\\",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
SERIES = st.tuples(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=4))


def key(series: tuple[str, list[tuple[str, str]]]) -> bytes:
    name, labels = series
    return "\0".join(["c" + name, *itertools.chain(*labels)]).encode()


@given(
    st.lists(st.tuples(SERIES.map(key) | st.binary(min_size=1, max_size=12), st.integers(0, 1)), max_size=6)
)
def test_both_twins_agree(rows: list[tuple[bytes, int]]) -> None:
    """On any key, also what is none."""
    keys, counters = [row[0] for row in rows], [row[1] for row in rows]
    assert ids(twin("native"), keys, counters) == ids(families, keys, counters)


@given(SERIES, SERIES, st.booleans(), st.booleans())
def test_what_differs_with_underscores_differs_in_every_escaping(
    one: tuple[str, list[tuple[str, str]]], other: tuple[str, list[tuple[str, str]]], a: bool, b: bool
) -> None:
    """So one answer to who has a name holds for every client."""
    shown = []
    for (name, labels), counter in ((one, a), (other, b)):
        base, found = base_of(name, counter), labels_of(iter(labels))
        shown.append(
            [
                (
                    sample_name(base, suffix, counter, escaping),
                    tuple((escaped(label, escaping, True), value) for label, value in found),
                )
                for escaping in Escaping
                for suffix in ((1, 2) if counter else (0, 3, 4))
            ]
        )
    for escaping in range(1, len(Escaping)):
        for at, bt in itertools.product(range(len(shown[0])), range(len(shown[1]))):
            size = (len(shown[0]) // 4, len(shown[1]) // 4)
            if at // size[0] == bt // size[1] == escaping and shown[0][at] == shown[1][bt]:
                assert shown[0][at % size[0]] == shown[1][bt % size[1]]
