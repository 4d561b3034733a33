"""Rows of one flush with each series once.

One flush of a gateway can hold several parts of a series: from each of its workers, from
ticks, from a period that a restart has cut in two.  statsd's numbers are those of all its
samples together, so the parts are united without compacting: samples stay samples.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metronome.fold import distinct, sketch
from metronome.fold.columns import owners_of, ragged_of, take
from metronome.model import F64, I64, U8, U64, Columns, Kind, Ragged


def united(columns: Columns, stamps: I64) -> Columns:
    """Unite rows of the same series and stamp; ordered by stamp.

    ``times`` of the answer are the stamps; ``periods`` are those of the last row of each.
    Of a gauge the latest row stands; of rows of the same time the last.
    """
    if not len(columns) or ((stamps[0] == stamps).all() and _are_distinct(columns.ids)):
        return replace(columns, times=stamps)
    order = np.lexsort((columns.times, columns.ids, stamps))
    rows = take(columns, order)
    stamps = stamps[order]
    first = np.ones(len(rows), bool)
    first[1:] = (rows.ids[1:] != rows.ids[:-1]) | (stamps[1:] != stamps[:-1])
    begins = np.flatnonzero(first)
    if len(begins) == len(rows):
        return replace(rows, times=stamps)
    return _united(rows, begins, stamps)


def _are_distinct(ids: U64) -> bool:
    ids = np.sort(ids)
    return not (ids[1:] == ids[:-1]).any()


def _united(rows: Columns, begins: I64, stamps: I64) -> Columns:
    lasts = np.append(begins[1:], len(rows)) - 1
    gauges = rows.kinds[lasts] == Kind.GAUGE

    def added(values: F64) -> F64:
        return np.where(gauges, values[lasts], np.add.reduceat(values, begins))

    united = replace(
        take(rows, lasts),
        times=stamps[lasts],
        counts=np.add.reduceat(rows.counts, begins, dtype=np.uint32),
        n=added(rows.n),
        d=added(rows.d),
        low=np.minimum.reduceat(rows.low, begins),
        high=np.maximum.reduceat(rows.high, begins),
        squares=np.add.reduceat(rows.squares, begins),
        samples=_gathered(rows.samples, lasts),
        weights=_gathered(rows.weights, lasts),
    )
    owners = np.repeat(np.arange(len(begins)), lasts - begins + 1)
    return _with_sets(_with_sketches(united, rows, owners), rows, owners)


def _gathered(ragged: Ragged, lasts: I64) -> Ragged:
    """Neighbouring rows of a ragged array as one row each."""
    return Ragged(ragged.ends[lasts], ragged.flat) if len(ragged.ends) else ragged


def _with_sketches(united: Columns, rows: Columns, owners: I64) -> Columns:
    """Put sketches together; samples beside a sketch go into it."""
    if not len(rows.bins.flat):
        return united
    binned = owners[owners_of(rows.bins, len(rows))]
    has_bins = np.isin(np.arange(len(united)), binned)
    sampled = owners[owners_of(rows.samples, len(rows))]
    moved = has_bins[sampled]
    samples: F64 = np.asarray(rows.samples.flat, np.float64)
    weights: F64 = np.asarray(
        rows.weights.flat if len(rows.weights.ends) else np.ones(len(samples)), np.float64
    )
    flat = sketch.flat(
        np.concatenate((binned, sampled[moved])),
        np.concatenate((rows.bins.flat, sketch.bins_of(samples[moved]))).astype(np.int16),
        np.concatenate((rows.bin_counts.flat, weights[moved])).astype(np.float64),
    )
    size = len(united)
    return replace(
        united,
        samples=ragged_of(sampled[~moved], samples[~moved], size),
        weights=ragged_of(sampled[~moved], weights[~moved], size) if len(rows.weights.ends) else rows.weights,
        bins=ragged_of(flat.owners, flat.bins, size),
        bin_counts=ragged_of(flat.owners, flat.counts, size),
    )


def _with_sets(united: Columns, rows: Columns, owners: I64) -> Columns:
    """Put members together, and count them."""
    if not len(rows.hashes.flat) and not len(rows.registers.flat):
        return united
    hashes: U64 = np.asarray(rows.hashes.flat, np.uint64)
    registers: U8 = np.asarray(rows.registers.flat, np.uint8).reshape(-1, distinct.REGISTERS)
    having = owners_of(rows.registers, len(rows))[:: distinct.REGISTERS]
    flat = distinct.unite(
        distinct.Flat(owners[owners_of(rows.hashes, len(rows))], hashes, owners[having], registers)
    )
    n = united.n.copy()
    owner, number = np.unique(flat.owners, return_counts=True)
    n[owner] = number
    for one, values in zip(flat.register_owners.tolist(), flat.registers, strict=True):
        n[one] = distinct.estimate(hashes[:0], values)
    size = len(united)
    return replace(
        united,
        n=n,
        hashes=ragged_of(flat.owners, flat.hashes, size),
        registers=ragged_of(
            np.repeat(flat.register_owners, distinct.REGISTERS), flat.registers.reshape(-1), size
        ),
    )
