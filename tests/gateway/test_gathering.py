"""Parts kept and given back in shares."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.statsd import Namer, Naming
from metronome.fold.united import united
from metronome.gateway.gathering import Gathering, light
from metronome.kernel import Table, hash64
from metronome.kernel.interface import Dialect
from metronome.kernel.writing import texts_of
from metronome.model import Columns, Kind, Series, series_key
from metronome.wire.records import Row, columns_of, decode, encode_parts


def parts(*names: str) -> Columns:
    rows = []
    for name in names:
        key = series_key(Series(name, (), Kind.COUNTER))
        rows.append(Row(key, hash64(key), Kind.COUNTER, 0, 10.0, 1, 1.0, 1.0, 1.0, 1.0, 0.0, ()))
    return columns_of(rows)


def test_shares_keep_series_together() -> None:
    """Every row comes back once, all of one series in one share, in the order they came."""
    gathering = Gathering()
    names = [f"s{number}" for number in range(100)]
    gathering.keep(parts(*names))
    for _ in range(130):
        gathering.keep(parts("s1", "s2"))
    gathering.keep(parts())
    assert len(gathering) == 360
    shares = [[share.key(row) for row in range(len(share))] for share in gathering.shares(50)]
    assert sum(map(len, shares)) == 360
    assert len(shares) > 2
    owners = [set(share) for share in shares]
    assert sum(map(len, owners)) == len(set().union(*owners)) == 100
    gathering.clear()
    assert list(gathering.shares(50)) == []


@given(st.lists(st.lists(st.integers(0, 9), max_size=70), max_size=6), st.integers(1, 40))
def test_any_parts_come_back_in_shares(pieces: list[list[int]], rows: int) -> None:
    """Nothing is lost or there twice, no series is in two shares, and no share is much larger than it
    should be."""
    gathering = Gathering()
    for piece in pieces:
        gathering.keep(parts(*(f"s{number}" for number in piece)))
    shares = [[share.key(row) for row in range(len(share))] for share in gathering.shares(rows)]
    given = sorted(b"cs%d" % number for piece in pieces for number in piece)
    assert sorted(key for share in shares for key in share) == given
    assert sum(len(set(share)) for share in shares) == len(set(given))
    most = max(map(given.count, given), default=0)
    assert all(0 < len(share) < rows + most for share in shares)


def folded(*lines: str) -> Columns:
    table = Table(timer_samples=3, set_members=3)
    table.feed_statsd("\n".join(lines).encode(), Dialect())
    return table.flush(0, 10.0)


def lines(columns: Columns, keys: Columns) -> set[tuple[int, bytes, float]]:
    """What is sent: by row, the end of the path."""
    found = set()
    for block in Namer(Naming()).blocks(columns, texts_of(keys.keys)):
        for row, values in zip(block.rows.tolist(), block.values.tolist(), strict=True):
            pairs = zip(block.form.tails, values, strict=True)
            found |= {(row, tail, value) for tail, value in pairs if isfinite(value)}
    return found


@pytest.mark.parametrize("kinds", [("c",), ("c", "g"), ("c", "ms", "s", "g"), ("ms",), ("s",)])
def test_light_rows_give_the_same_lines(kinds: Iterable[str]) -> None:
    """All that is sent of a row is there, also of timers and sets that have outgrown exactness."""
    columns = folded(*(f"x{kind}{n % 5}:{n}|{kind}" for kind in kinds for n in range(30)), "y:1|c")
    rows = light(columns, np.arange(len(columns)))
    assert lines(rows, columns) == lines(columns, columns)
    twice = [united(gathered(one, one), one.times.repeat(2)) for one in (columns, rows)]
    known = {hash64(columns.key(row)): row for row in range(len(columns))}
    for one in twice:
        assert len(one) == len(columns)
    by_row = [
        {
            known.get(number, number): pair
            for number, pair in zip(
                one.ids.tolist(), zip(one.n.tolist(), one.kinds.tolist(), strict=True), strict=True
            )
        }
        for one in twice
    ]
    assert by_row[0] == by_row[1]


def gathered(*pieces: Columns) -> Columns:
    gathering = Gathering()
    for piece in pieces:
        gathering.keep(piece)
    (share,) = gathering.shares(1000)
    return share


def test_light_rows_cost_little() -> None:
    """A counter takes 16 bytes, and nothing of the record that it came from is kept."""
    columns = decode(1, encode_parts("main", parts(*map(str, range(1000)))))[1]
    rows = light(columns, np.arange(1000))
    owned = {name: array for name in ("ids", "kinds", "times", "periods", "counts", "n", "d", "low")
             if (array := getattr(rows, name)).strides[0]}  # fmt: skip
    assert owned.keys() == {"ids", "n"}
    assert all(array.base is None for array in owned.values())


def test_pieces_are_given_back_once() -> None:
    """Everything in pieces of a size, and what was taken is gone, whether or not all was."""
    gathering = Gathering()
    gathering.keep(parts(*(f"s{number}" for number in range(100))))
    gathering.keep(parts("t1", "t2"))
    pieces = gathering.pieces(30)
    assert len(next(pieces)) == 30
    pieces.close()
    rest = [piece.key(row) for piece in gathering.pieces(30) for row in range(len(piece))]
    assert sorted(rest) == sorted([*(b"cs%d" % number for number in range(30, 100)), b"ct1", b"ct2"])
    assert len(gathering) == 0
