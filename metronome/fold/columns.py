"""Columns as one array after another: take rows out, join several, repeat rows' numbers.

Everything here moves whole arrays; nothing looks at a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from metronome.kernel import copied, spans, unpack
from metronome.kernel.writing import Texts
from metronome.model import I64, Columns, Ragged

Rows = npt.NDArray[np.intp] | I64


def take(columns: Columns, rows: Rows) -> Columns:
    """The rows of these numbers, in their order; all rows in order are not copied."""
    if len(rows) == len(columns) and bool((rows == np.arange(len(columns))).all()):
        return columns
    arrays: dict[str, Any] = {}
    for field in fields(columns):
        value = getattr(columns, field.name)
        arrays[field.name] = take_ragged(value, rows) if isinstance(value, Ragged) else value[rows]
    return Columns(**arrays)


def take_ragged(ragged: Ragged, rows: Rows) -> Ragged:
    """Rows of a ragged array, in the order given, repeated where asked for twice."""
    if not len(ragged.ends):
        return ragged
    lengths = lengths_of(ragged, 0)
    begins = ragged.ends.astype(np.int64)[rows] - lengths[rows]
    wanted = lengths[rows]
    ends = np.cumsum(wanted)
    if not len(ends) or not ends[-1]:
        return Ragged(np.empty(0, np.uint32), ragged.flat[:0])
    if ragged.flat.dtype == np.uint8:
        return Ragged(ends.astype(np.uint32), copied(pieces(ragged, rows)))
    places = np.arange(ends[-1]) + np.repeat(begins - (ends - wanted), wanted)
    return Ragged(ends.astype(np.uint32), ragged.flat[places])


def pieces(ragged: Ragged, rows: Rows) -> Texts:
    """Where rows of a ragged array of bytes stand."""
    ends = ragged.ends.astype(np.int64)
    begins = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    return Texts(np.asarray(ragged.flat, np.uint8), begins[rows], ends[rows])


def expanded(columns: Columns, chosen: npt.NDArray[np.bool_] | None = None) -> Columns:
    """A row for each point: packs taken apart, in the place of their rows; all or the chosen ones."""
    packed = lengths_of(columns.packs, len(columns)) > 0
    rows = np.flatnonzero(packed if chosen is None else packed & chosen)
    if not len(rows):
        return columns
    counts, times, values = unpack(take_ragged(columns.packs, rows))
    repeats = np.ones(len(columns), np.int64)
    repeats[rows] = counts
    points = np.zeros(len(columns), bool)
    points[rows] = True
    plain = take(_without_packs(columns, points), np.repeat(np.arange(len(columns)), repeats))
    points = np.repeat(points, repeats)
    arrays = {name: getattr(plain, name).copy() for name in ("times", "counts", "n", "low", "high")}
    arrays["times"][points] = times
    arrays["counts"][points] = 1
    for name in ("n", "low", "high"):
        arrays[name][points] = values
    return replace(plain, **arrays)


def expanded_pieces(columns: Columns, rows: int) -> Iterator[Columns]:
    """:func:`expanded`, in pieces of about so many rows; the points of one row stay together."""
    weight = np.cumsum(np.where(lengths_of(columns.packs, len(columns)), columns.counts, 1))
    begin, before = 0, 0
    while begin < len(columns):
        end = max(int(np.searchsorted(weight, before + rows, side="right")), begin + 1)
        yield expanded(columns.cut(begin, end))
        begin, before = end, int(weight[end - 1])


def within(columns: Columns, start: int, end: int) -> Columns:
    """The rows of a time (ms, ``end`` exclusive); packs that lie in it in part are taken apart."""
    firsts = first_times(columns)
    partly = (firsts < end) & (columns.times >= start) & ((firsts < start) | (columns.times >= end))
    if partly.any():
        columns = expanded(columns, partly)
        firsts = first_times(columns)
    return take(columns, np.flatnonzero((firsts >= start) & (columns.times < end)))


def first_times(columns: Columns) -> I64:
    """When the first point of each row is: of a pack's row its first, of any other its own time."""
    if not len(columns.packs.ends):
        return columns.times
    return np.where(lengths_of(columns.packs, 0), spans(columns.packs)[1], columns.times)


def _without_packs(columns: Columns, rows: npt.NDArray[np.bool_]) -> Columns:
    """These rows without their packs."""
    if rows.all() or not lengths_of(columns.packs, 0)[~rows].any():
        return unpacked(columns)
    lengths = lengths_of(columns.packs, 0)
    kept = take_ragged(columns.packs, np.flatnonzero(~rows))
    ends = np.cumsum(np.where(rows, 0, lengths)).astype(np.uint32)
    return replace(columns, packs=Ragged(ends, kept.flat))


def unpacked(columns: Columns) -> Columns:
    """The rows without their packs, for those who want the latest point of each only."""
    return replace(columns, packs=Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8)))


def keys_of(columns: Columns, rows: Rows) -> list[bytes]:
    """The series keys of these rows."""
    keys = take_ragged(columns.keys, rows)
    text = keys.flat.tobytes()
    return [text[begin:end] for begin, end in pairwise([0, *keys.ends.tolist()])]


def lengths_of(ragged: Ragged, rows: int) -> I64:
    """How many values each row has; ``rows`` matters where the array has no ends at all."""
    if not len(ragged.ends):
        return np.zeros(rows, np.int64)
    lengths = ragged.ends.astype(np.int64)
    lengths[1:] -= lengths[:-1].copy()
    return lengths


def owners_of(ragged: Ragged, rows: int) -> I64:
    """For each value of the flat array the number of its row."""
    return np.repeat(np.arange(rows, dtype=np.int64), lengths_of(ragged, rows))


def ragged_of(owners: I64, values: npt.NDArray[Any], rows: int) -> Ragged:
    """The reverse: values sorted by owner become a ragged array of so many rows."""
    if not len(values):
        return Ragged(np.empty(0, np.uint32), values)
    ends = np.cumsum(np.bincount(owners, minlength=rows))
    return Ragged(ends.astype(np.uint32), values)


def no_rows() -> Columns:
    """Columns without a row."""
    ends = np.empty(0, np.uint32)
    floats, bytes_, longs = np.empty(0), np.empty(0, np.uint8), np.empty(0, np.uint64)
    return Columns(
        keys=Ragged(ends, bytes_),
        ids=longs,
        kinds=bytes_,
        times=np.empty(0, np.int64),
        periods=floats,
        counts=np.empty(0, np.uint32),
        n=floats,
        d=floats,
        low=floats,
        high=floats,
        squares=floats,
        samples=Ragged(ends, floats),
        weights=Ragged(ends, floats),
        bins=Ragged(ends, np.empty(0, np.int16)),
        bin_counts=Ragged(ends, floats),
        hashes=Ragged(ends, longs),
        registers=Ragged(ends, bytes_),
        packs=Ragged(ends, bytes_),
    )


def join(pieces: Sequence[Columns]) -> Columns:
    """Columns one behind the other; of none, no rows."""
    if len(pieces) < 2:
        return pieces[0] if pieces else no_rows()
    arrays: dict[str, Any] = {}
    for field in fields(Columns):
        values = [getattr(piece, field.name) for piece in pieces]
        if isinstance(values[0], Ragged):
            arrays[field.name] = _join_ragged(values, [len(piece) for piece in pieces])
        else:
            arrays[field.name] = np.concatenate(values)
    # Samples without weights count 1, so they need weights once another piece has some.
    if len(arrays["weights"].ends):
        arrays["weights"] = _join_ragged(
            [_weights(piece) for piece in pieces], [len(piece) for piece in pieces]
        )
    return Columns(**arrays)


def _weights(columns: Columns) -> Ragged:
    if len(columns.weights.ends):
        return columns.weights
    return Ragged(columns.samples.ends, np.ones(len(columns.samples.flat)))


def _join_ragged(pieces: Sequence[Ragged], rows: Sequence[int]) -> Ragged:
    flat = np.concatenate([piece.flat for piece in pieces])
    if not any(len(piece.ends) for piece in pieces):
        return Ragged(np.empty(0, np.uint32), flat)
    lengths = [lengths_of(piece, number) for piece, number in zip(pieces, rows, strict=True)]
    return Ragged(np.cumsum(np.concatenate(lengths)).astype(np.uint32), flat)
