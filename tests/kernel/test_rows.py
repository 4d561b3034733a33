"""Rows of different lengths."""

from __future__ import annotations

import numpy as np

from metronome.kernel.rows import columns_of_cells, columns_of_points, ragged


def test_rows_are_told_apart_by_their_ends() -> None:
    """Empty rows stand between the others."""
    rows = ragged([[], [1.0, 2.0], [], [3.0]], "f8")
    assert (rows.ends.tolist(), rows.flat.tolist()) == ([0, 2, 2, 3], [1.0, 2.0, 3.0])
    assert ragged([b"ab", b"c"], "u1").row(1).tobytes() == b"c"


def test_no_rows_at_all_have_no_ends() -> None:
    """Where every row is empty nothing is written."""
    rows = ragged([[], []], "i2")
    assert (len(rows.ends), rows.flat.dtype) == (0, np.int16)


def test_nothing_is_columns_without_rows() -> None:
    """A flush of nothing has all its columns, with their types."""
    for columns in (columns_of_cells([], 0, 10.0), columns_of_points([])):
        assert len(columns) == 0
        assert (columns.times.dtype, columns.counts.dtype, columns.n.dtype) == (
            np.int64,
            np.uint32,
            np.float64,
        )
