"""Which parts a selection takes.

Rows are sifted by time and kind as arrays; names and labels are looked at once for each
distinct series, not for each row.  Packs are taken apart: a row of an answer is a point.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from metronome.fold.columns import expanded, join, keys_of, take, within
from metronome.glob import matches
from metronome.model import Columns, Selection, Series, parse_key

Source = tuple[str, int, Columns]
"""Gateway, position of the record in its journal, and the record's columns."""


def wanted(series: Series, selection: Selection) -> bool:
    """Whether a selection takes the series, as far as name, labels and kind say.

    A glob on a label, ``*`` too, wants the label present.
    """
    if selection.kind is not None and series.kind is not selection.kind:
        return False
    if not matches(selection.name, series.name):
        return False
    labels = dict(series.labels)
    return all(name in labels and matches(glob, labels[name]) for name, glob in selection.where)


def select(sources: Iterable[Source], selection: Selection) -> tuple[Columns, dict[int, Series]]:
    """The rows that a selection takes, and their series by id.

    The sources are those of the selection's stream, in any order; the rows come ordered by
    gateway, position and place in the record, which is the order in which gauges of equal
    time override each other.
    """
    pieces: list[Columns] = []
    known: dict[int, Series | None] = {}
    for columns in in_order(sources):
        columns = within(columns, selection.start, selection.end)
        rows = np.arange(len(columns))
        if selection.kind is not None:
            rows = np.flatnonzero(columns.kinds == selection.kind)
        ids, first, inverse = np.unique(columns.ids[rows], return_index=True, return_inverse=True)
        identities = ids.tolist()
        for identity, key in zip(identities, keys_of(columns, rows[first]), strict=True):
            if identity not in known:
                series = parse_key(key)
                known[identity] = series if wanted(series, selection) else None
        keep = np.array([known[identity] is not None for identity in identities], bool)
        rows = rows[keep[inverse]]
        if len(rows):
            pieces.append(expanded(take(columns, rows)))
    return join(pieces), {identity: series for identity, series in known.items() if series is not None}


def in_order(sources: Iterable[Source]) -> list[Columns]:
    """Columns by gateway and position."""
    return [columns for _, _, columns in sorted(sources, key=lambda source: source[:2])]
