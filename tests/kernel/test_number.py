"""The number grammar."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.kernel.number import read_literal, read_number
from tests.kernel.conftest import twin
from tests.kernel.helpers import UNION

GOOD = ["0", "1", "-1", "+1", "007", "1.5", ".5", "5.", "-.5", "1e3", "1E+3", "1e-3", ".5e1", "5.e1", "-0"]
GOOD += ["0e999", "0.1", "0.3", "1234567.89", "4.6968460083008E-5", "1e22", "1e23", "8.5e22", "4.9e-324"]
GOOD += ["9007199254740992", "9007199254740993", "9007199254740993e-1", "123456789012345678901234567890"]
GOOD += ["2.2250738585072011e-308", "1.7976931348623157e308", "1e-400", "0000000000000000000001.5"]
GOOD += ["0." + "0" * 330 + "1", "1" + "0" * 300]
BAD = [
    "",
    "+",
    "-",
    ".",
    "e5",
    "1e",
    "1e+",
    "1ex",
    "1.2.3",
    "0x10",
    "1_0",
    " 1",
    "1 ",
    "1,5",
    "--1",
    "+-1",
    "١",
    "1f",
    "1\0",
]
NOT_FINITE = ["nan", "NaN", "-nan", "inf", "+INF", "-Infinity", "1e309", "-1e400", "1" + "0" * 400]


def read(kernel: ModuleType, text: str) -> object:
    samples, rejects = kernel.parse_graphite(b"a " + text.encode(), UNION)
    return samples[0].value if samples else rejects[0].reason


@pytest.mark.parametrize("text", GOOD)
def test_a_decimal_is_what_python_reads(kernel: ModuleType, text: str) -> None:
    """Each value is the nearest double, to the bit."""
    assert repr(read(kernel, text)) == repr(float(text))


@pytest.mark.parametrize(
    ("text", "reason"), [(t, "bad_value") for t in BAD] + [(t, "not_finite") for t in NOT_FINITE]
)
def test_what_is_no_number_says_why(text: str, reason: str) -> None:
    """Other texts are told apart as wrong or as not finite."""
    assert read_number(text.encode()) == reason


@pytest.mark.parametrize("text", [t for t in BAD if t.strip() == t and t] + NOT_FINITE)
def test_both_twins_refuse_alike(kernel: ModuleType, text: str) -> None:
    """A line with such a value is refused for the same reason by either twin."""
    assert read(kernel, text) == read_number(text.encode())


@pytest.mark.parametrize(("length", "good"), [(512, True), (513, False)])
def test_a_numeral_has_a_longest(kernel: ModuleType, length: int, good: bool) -> None:
    """``NUMBER_BYTES`` digits are read, one more is not a value."""
    assert read(kernel, "0" * (length - 1) + "7") == (7.0 if good else "bad_value")


DIGITS = st.text("0123456789", max_size=25)


@given(
    sign=st.sampled_from(["", "+", "-"]),
    whole=DIGITS,
    point=st.sampled_from(["", "."]),
    fraction=DIGITS,
    exponent=st.one_of(st.just(""), st.integers(-400, 400).map(lambda power: f"e{power}")),
)
def test_native_reads_every_decimal_as_python_does(
    sign: str, whole: str, point: str, fraction: str, exponent: str
) -> None:
    """Any decimal, short or long, large or small, comes out as the same double or reason."""
    text = sign + whole + point + (fraction if point else "") + exponent
    if text:
        assert repr(read(twin("native"), text)) == repr(read_number(text.encode()))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_its_text(value: float) -> None:
    """What Python prints, both twins read back."""
    for name in ("pure", "native"):
        assert repr(read(twin(name), repr(value))) == repr(value)


def literal(kernel: ModuleType, text: str) -> object:
    samples, rejects = kernel.parse_statsd(b"a:" + text.encode() + b"|ms", UNION)
    return samples[0].value if samples else rejects[0].reason


@given(st.integers(0, 1 << 1030), st.sampled_from(["0x{:x}", "0X{:X}", "0o{:o}", "0b{:b}", "0x0000{:x}"]))
def test_whole_numbers_are_rounded_as_decimals_are(number: int, form: str) -> None:
    """To the nearest double, of two to the even one; what is too large is not finite."""
    text = form.format(number)
    try:
        expected: object = float(number)
    except OverflowError:
        expected = "not_finite"
    if len(text) > 512:
        expected = "bad_value"
    assert repr(read_literal(text.encode())) == repr(literal(twin("native"), text)) == repr(expected)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_as_a_hexadecimal_float(value: float) -> None:
    """What Python writes so, both twins read back."""
    for name in ("pure", "native"):
        assert repr(literal(twin(name), value.hex())) == repr(value)


@given(st.text("0123456789abcdefxXpPeEoObB_+-.", min_size=1, max_size=12))
def test_the_twins_read_the_same_literals(text: str) -> None:
    """Whatever stands there."""
    assert repr(literal(twin("native"), text)) == repr(literal(twin("pure"), text))
