"""Lines and pickles from arrays: one suite over both twins, and the twins beside each other."""

from __future__ import annotations

import math
import pickle
import struct
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metronome.kernel.paths import Spelling
from metronome.kernel.writing import (
    POINTS_PER_FRAME,
    Form,
    Texts,
    Written,
    joined,
    number_text,
    texts_of,
)
from metronome.model import Ragged
from tests.kernel import written
from tests.kernel.conftest import twin

NAMES = ("pure", "native")
BARE = Form(Spelling.READY, (b"",), (b"",))
COUNTER = Form(Spelling.STATSD, (b"stats.", b"n."), (b".rate", b".count.h1"))


@pytest.fixture(params=NAMES)
def writer(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin in turn."""
    return of(request.param)


def of(name: str) -> ModuleType:
    if name == "pure":
        twin("pure")
        from metronome.kernel import writing

        return writing
    return twin("native")


def numbers(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float64).reshape(len(rows), -1)


def at(*times: int) -> np.ndarray:
    return np.array(times, np.int64)


def frames(data: bytes) -> list[list[tuple[str, tuple[int, float]]]]:
    """Read frames back the way carbon's receiver does."""
    found = []
    while data:
        (length,) = struct.unpack("!L", data[:4])
        found.append(pickle.loads(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


def test_lines(writer: ModuleType) -> None:
    """A line for each number of each row, with what is around its path."""
    texts = joined([b"chits", b"ca b\0k\0v/1"])
    written = writer.write_lines(texts, COUNTER, numbers((0.5, 5), (1e-5, -3)), at(7))
    assert written == Written(
        b"stats.hits.rate 0.5 7\nn.hits.count.h1 5 7\n"
        b"stats.a_b.rate;k=v-1 1e-05 7\nn.a_b.count.h1;k=v-1 -3 7\n",
        4,
        0,
    )


def test_pickles(writer: ModuleType) -> None:
    """The same as points, times on either side of what 32 bits hold."""
    texts = joined([b"a\0;b=c", "größe".encode()])
    form = Form(Spelling.READY, (b"x.",), (b".y",))
    written = writer.write_lines(texts, form, numbers((1.5,), (2,)), at(-1, 1 << 40), True)
    assert frames(written.data) == [[("x.a.y;b=c", (-1, 1.5)), ("x.größe.y", (1 << 40, 2.0))]]
    assert written.lines == 2


def test_many_frames(writer: ModuleType) -> None:
    """No frame is larger than carbon takes, and none is lost at the border."""
    number = POINTS_PER_FRAME * 2 + 1
    texts = joined([b"p" * 1500] * number)
    values = np.arange(number, dtype=np.float64).reshape(-1, 1)
    for rows in (number, POINTS_PER_FRAME):
        data = writer.write_lines(texts.cut(0, rows), BARE, values[:rows], at(5), True).data
        found = frames(data)
        assert [row[1][1] for frame in found for row in frame] == list(range(rows))
        assert max(map(len, found)) == POINTS_PER_FRAME
    assert len(data) < 1 << 20


def test_what_makes_no_line(writer: ModuleType) -> None:
    """Numbers that are none are counted, names of which nothing is left are not."""
    texts = joined([b"ca", b"c\xc3\xa9", b"cb", b""])
    values = numbers((math.nan, 1), (1, 2), (math.inf, -math.inf), (1, 1))
    assert writer.write_lines(texts, COUNTER, values, at(7)) == Written(b"n.a.count.h1 1 7\n", 1, 3)
    for pickled in (False, True):
        nothing = writer.write_lines(joined([]), COUNTER, np.empty((0, 2)), at(), pickled)
        assert nothing == Written(b"", 0, 0)


def test_texts_may_be_anywhere(writer: ModuleType) -> None:
    """Rows may overlap, repeat and come in any order; those of columns follow each other."""
    texts = Texts(np.frombuffer(b"abcd", np.uint8), at(1, 0, 2), at(3, 4, 2))
    assert writer.write_lines(texts, BARE, numbers((1,), (2,), (3,)), at(0)).data == b"bc 1 0\nabcd 2 0\n"
    ragged = Ragged(np.array([2, 4], np.uint32), np.frombuffer(b"abcd", np.uint8))
    texts = texts_of(ragged)
    assert writer.write_lines(texts, BARE, numbers((1,), (2,)), at(0)).data == b"ab 1 0\ncd 2 0\n"
    assert writer.write_lines(texts.take(at(1)), BARE, numbers((2,)), at(0)).data == b"cd 2 0\n"


@pytest.mark.parametrize(
    ("texts", "values", "seconds"),
    [
        (joined([b"a"]), numbers((1, 2)), at(0)),
        (joined([b"a"]), numbers((1,), (2,)), at(0)),
        (joined([b"a", b"b"]), numbers((1,), (2,)), at(0, 1, 2)),
        (Texts(np.empty(0, np.uint8), at(0), at(1)), numbers((1,)), at(0)),
        (Texts(np.zeros(9, np.uint8), at(-1), at(1)), numbers((1,)), at(0)),
        (Texts(np.zeros(9, np.uint8), at(2), at(1)), numbers((1,)), at(0)),
        (Texts(np.zeros(9, np.uint8), at(2), at()), numbers((1,)), at(0)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    writer: ModuleType, texts: Texts, values: np.ndarray, seconds: np.ndarray
) -> None:
    """Whatever the arrays say, nothing outside of them is read."""
    with pytest.raises(ValueError, match=r"row|text|ends|times"):
        writer.write_lines(texts, BARE, values, seconds)


def test_how_numbers_are_written(writer: ModuleType) -> None:
    """Whole ones without a point, others as short as they can be."""
    told = {
        0.0: "0",
        -12.5: "-12.5",
        0.1: "0.1",
        0.0001: "0.0001",
        0.00001234: "1.234e-05",
        1e15: "1000000000000000.0",
        -1e16: "-1e+16",
        123456789012345678.0: "1.2345678901234568e+17",
        1e300: "1e+300",
        5e-324: "5e-324",
        1 / 3: "0.3333333333333333",
        9007199254740993.0: "9007199254740992.0",
    }
    values = numbers(*((value,) for value in told))
    lines = writer.write_lines(joined([b"a"] * len(told)), BARE, values, at(1)).data.decode().splitlines()
    assert [line.split()[1] for line in lines] == list(told.values())
    assert writer.write_lines(joined([b"a"]), BARE, numbers((-0.0,)), at(1)).data == b"a 0 1\n"


EDGES = [
    *(math.ldexp(1.0, power) for power in range(-1074, 1024)),
    *(math.nextafter(math.ldexp(1.0, power), to) for power in range(-1073, 1024) for to in (0, math.inf)),
    *(float(f"{digit}e{power}") for digit in (1, 2, 5, 9, 9.5) for power in range(-323, 308)),
    *(9007199254740991.0 * 2**power for power in range(-60, 60)),
]


def test_numbers_at_every_edge(native: ModuleType) -> None:
    """Powers of two and of ten, and their neighbours, are written as Python writes them."""
    values = numbers(*((value,) for value in EDGES))
    lines = native.write_lines(joined([b"a"] * len(EDGES)), BARE, values, at(1)).data.decode().splitlines()
    assert [line.split()[1] for line in lines] == list(map(number_text, EDGES))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=100))
def test_any_number(values: list[float]) -> None:
    """Any finite double, by both twins."""
    texts = joined([b"a"] * len(values))
    rows = numbers(*((value,) for value in values))
    pure, native = (of(name).write_lines(texts, BARE, rows, at(1)).data for name in NAMES)
    assert native == pure
    assert [float(line.split()[1]) for line in native.splitlines()] == values


def test_wild_rows_are_written_the_same(native: ModuleType) -> None:
    """What the fuzzer makes, a little of it."""
    assert not [found for seed in range(20) if (found := written.difference(native, seed, 60))]


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
BLANKS = st.text(st.sampled_from(" ;/\t=!^~a.\u00a0\u2003\u3000\u1680\u205f\u2080\u00e9"), max_size=12)
BYTES = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b""))
KEYS = st.lists(
    st.one_of(WORDS.map(str.encode), BLANKS.map(str.encode), BYTES), min_size=1, max_size=5
).map(lambda words: b"c" + b"\0".join(words))


@given(
    st.lists(st.tuples(KEYS, st.floats(), st.integers(-(1 << 62), 1 << 62)), min_size=1, max_size=8),
    st.sampled_from(list(Spelling)),
    st.tuples(BYTES, BYTES),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=500)
def test_the_twins_agree(
    rows: list[tuple[bytes, float, int]],
    spelling: Spelling,
    around: tuple[bytes, bytes],
    one_time: bool,
    pickled: bool,
) -> None:
    """Whatever keys, numbers and times are, they are written bit by bit the same."""
    keys, values, times = zip(*rows, strict=True)
    form = Form(spelling, (b"", around[0]), (around[1], b""))
    given = (
        joined(keys),
        form,
        numbers(*((value, 1.0) for value in values)),
        at(*(times[:1] if one_time else times)),
        pickled,
    )
    pure, native = (of(name).write_lines(*given) for name in NAMES)
    assert native == pure
