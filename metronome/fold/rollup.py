"""Parts to answers: folded over steps and groups, merged with other answers, compacted.

What it means for parts to come together stands in ``cells.py``.  Here is when it happens:
first the parts of one series in one step, where a gauge keeps its latest value, then the
series of one group, where gauges add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from metronome.fold.cells import (
    Cells,
    Header,
    cells_of,
    cells_of_folded,
    folded_of,
    settled,
    targets,
    together,
)
from metronome.fold.columns import expanded, join, ragged_of, take_ragged
from metronome.fold.select import Source, in_order, select
from metronome.model import F64, I64, Columns, Folded, Kind, Selection, canonical_labels

_MOST_COUNTS = np.iinfo(np.uint32).max


def fold_parts(
    sources: Iterable[Source],
    selection: Selection,
    step_ms: int,
    by: tuple[str, ...] | None,
    *,
    sketches: bool = False,
    members: bool = False,
) -> list[Folded]:
    """Fold the selected parts as ``Store.fetch`` promises.

    The sources are those of the selection's stream, in any order.  ``step_ms`` 0 keeps the
    times of the parts.
    """
    columns, known = select(sources, selection)
    ids, owners = np.unique(columns.ids, return_inverse=True)
    series = [known[identity] for identity in ids.tolist()]
    headers, groups = _headers([Header(one.labels, one.kind, one.name) for one in series], by)
    if by is None:
        owners = groups[owners]
    steps = _steps(columns.times, step_ms)
    cells = cells_of(columns, owners, steps, sketches=sketches)
    cells = together(cells, same=True, when=columns.times)
    if by is not None:
        cells = _grouped(cells, groups)
    return folded_of(cells, headers, sketches=sketches, members=members)


def merge_folded(answers: list[list[Folded]]) -> list[Folded]:
    """Merge answers to one question over disjoint parts: what is stored, what waits.

    The answers come in order of age: where two have a gauge at the same step, the later
    answer's value stands.  So gauges must come with every series apart (``by=None``); group
    them with :func:`regroup` afterwards.  Sketches and members are in the result where every
    answer that needs them has them.  Sets that come without members cannot be united: their
    n is then the greatest, which is too small where they differ.
    """
    return _merged([group for answer in answers for group in answer], None, same=True)


def regroup(groups: list[Folded], by: tuple[str, ...] | None) -> list[Folded]:
    """Group an answer that has every series apart (``by=None``) by labels.

    Exact for every kind; for sets if they come with their members, as in :func:`merge_folded`.
    """
    return groups if by is None else _merged(groups, by, same=False)


def compact(sources: Iterable[Source], step_ms: int) -> Columns:
    """Merge all parts of a series that begin in the same step into one row.

    For the down-sampling ladder: a row begins with its step and is at least as long, so that
    n over time, n over d and percentiles say the same as before.  Samples become bins.  What
    is lost is when in its step a gauge was set: its last value stands as if set at the
    step's start.  ``step_ms`` 0 merges rows of the same time and keeps their length.  Rows
    come ordered by series id, then time.
    """
    columns = join([expanded(columns) for columns in in_order(sources)])
    ids, first, owners = np.unique(columns.ids, return_index=True, return_inverse=True)
    steps = _steps(columns.times, step_ms)
    _, _, target = targets(owners, steps)
    cells = cells_of(columns, owners, steps, sketches=True)
    cells = settled(together(cells, same=True, when=columns.times))
    rows = len(cells.owners)
    periods: F64 = np.full(rows, step_ms / 1000)
    np.maximum.at(periods, target, columns.periods)
    bins, members = cells.sketches, cells.members
    every_register = np.repeat(members.register_owners, members.registers.shape[1])
    return Columns(
        keys=take_ragged(columns.keys, first[cells.owners]),
        ids=ids[cells.owners],
        kinds=cells.kinds,
        times=cells.times,
        periods=periods,
        counts=np.minimum(cells.counts, _MOST_COUNTS).astype(np.uint32),
        n=cells.n,
        d=cells.d,
        low=cells.low,
        high=cells.high,
        squares=cells.squares,
        samples=ragged_of(members.owners[:0], np.empty(0), rows),
        weights=ragged_of(members.owners[:0], np.empty(0), rows),
        bins=ragged_of(bins.owners, bins.bins, rows),
        bin_counts=ragged_of(bins.owners, bins.counts, rows),
        hashes=ragged_of(members.owners, members.hashes, rows),
        registers=ragged_of(every_register, members.registers.reshape(-1), rows),
    )


def _merged(groups: list[Folded], by: tuple[str, ...] | None, *, same: bool) -> list[Folded]:
    if not groups:
        return []
    headers, owners = _headers([Header(group.labels, group.kind, group.name) for group in groups], by)
    return folded_of(
        together(cells_of_folded(groups, owners), same=same),
        headers,
        sketches=_all_have(Kind.TIMER, groups, [group.sketches for group in groups]),
        members=_all_have(Kind.SET, groups, [group.members for group in groups]),
    )


def _all_have(kind: Kind, groups: list[Folded], extras: Sequence[Sequence[object]]) -> bool:
    """Whether every answer of the kind has an extra for each of its steps."""
    complete = [
        len(extra) == len(group.times)
        for group, extra in zip(groups, extras, strict=True)
        if group.kind is kind
    ]
    return bool(complete) and all(complete)


def _steps(times: I64, step_ms: int) -> I64:
    return times // step_ms * step_ms if step_ms else times


def _grouped(cells: Cells, groups: I64) -> Cells:
    """Cells of series as cells of the groups they are in; ``groups`` is indexed by series."""
    return together(replace(cells, owners=groups[cells.owners]), same=False)


def _headers(series: Sequence[Header], by: tuple[str, ...] | None) -> tuple[list[Header], I64]:
    """The headers of an answer in their order, and for each series the number of its own."""
    if by is not None:
        series = [Header(_picked(one, by), one.kind) for one in series]
    headers = sorted(set(series))
    number = {header: index for index, header in enumerate(headers)}
    return headers, np.array([number[one] for one in series], np.int64)


def _picked(header: Header, by: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    labels = dict(header.labels)
    return canonical_labels((name, labels.get(name, "")) for name in by)
