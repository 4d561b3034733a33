"""Buckets of native histograms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.native import (
    COARSEST,
    FINEST,
    OFFSET,
    ZERO,
    coarser,
    codes_of,
    limits_of,
    reduced,
    schema_of,
)


@pytest.mark.parametrize(
    ("factor", "schema"), [(1.1, 3), (2.0, 0), (1.5, 1), (4.0, -1), (65536.0, -4), (1e30, -4), (1.001, 5)]
)
def test_schemas(factor: float, schema: int) -> None:
    """As client libraries pick them from a factor; not finer than a sketch."""
    assert schema_of(factor) == schema
    assert 2 ** (2**-schema) <= factor or schema in (COARSEST, FINEST)


@pytest.mark.parametrize("schema", range(COARSEST, FINEST + 1))
@given(size=st.floats(ZERO, 1e21), negative=st.booleans())
def test_a_value_is_within_its_bucket(schema: int, size: float, negative: bool) -> None:
    """Above the limit of the one before, at most at its own; rounding of logarithms apart."""
    code = codes_of(np.array([-size if negative else size]), schema)
    assert (code[0] < 0) == negative
    limit = limits_of(code, schema)[0]
    assert size <= limit * (1 + 1e-12)
    assert size > limit / 2 ** (2**-schema) * (1 - 1e-12)


def test_powers_of_two() -> None:
    """Are limits of every schema, and belong to the bucket below."""
    for schema in range(FINEST + 1):
        assert codes_of(np.array([8.0, 8.1]), schema).tolist() == [
            OFFSET + 3 * 2**schema,
            OFFSET + 3 * 2**schema + 1,
        ]


def test_zero() -> None:
    """What cannot be told from it is in its bucket; what is too large in the outermost."""
    assert codes_of(np.array([0.0, 1e-10, -1e-10]), 3).tolist() == [0, 0, 0]
    assert codes_of(np.array([1e300, -1e21]), 3).tolist() == [OFFSET + 559, -OFFSET - 559]


@given(st.lists(st.floats(-1e21, 1e21), max_size=20), st.integers(COARSEST + 1, FINEST))
def test_coarser_buckets(values: list[float], schema: int) -> None:
    """Are those of the next lower schema, but where rounding of logarithms says otherwise."""
    array = np.array(values)
    one, other = coarser(codes_of(array, schema)), codes_of(array, schema - 1)
    assert (np.abs(one - other) <= 1).all()
    far = np.abs(np.log2(np.maximum(np.abs(array), ZERO)) * 2.0 ** (schema - 1) % 1 - 0.5) < 0.499
    assert (one == other)[far].all()


def test_as_few_as_wanted() -> None:
    """Neighbours come together until there are few enough, and nothing is lost."""
    codes = np.array([-OFFSET - 3, -OFFSET - 2, 0, *range(OFFSET + 1, OFFSET + 9)])
    schema, fewer, counts = reduced(3, codes, np.ones(11), 6)
    assert (schema, fewer.tolist()) == (1, [-OFFSET - 1, 0, OFFSET + 1, OFFSET + 2])
    assert counts.tolist() == [2, 1, 4, 4]
    assert reduced(3, codes, np.ones(11), 11)[0] == 3
    assert reduced(-4, codes, np.ones(11), 1)[0] == COARSEST
