"""Parts kept and given back in shares."""

from __future__ import annotations

from metronome.gateway.gathering import Gathering
from metronome.kernel import hash64
from metronome.model import Columns, Kind, Series, series_key
from metronome.wire.records import Row, columns_of


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
