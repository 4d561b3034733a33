"""Exemplars: the trace that one of a series' last values belongs to.

They come with ticks that carry a trace id, and stand beside counters and histograms on ``/metrics``.
Only the last of each series, or group of a rule, is remembered, in memory and in this run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from metronome.gateway.shown import Sheet
from metronome.limits import EXEMPLARS_KEPT
from metronome.wire.prometheus_protobuf import Exemplar


class Exemplars:
    """The last exemplar of each series and group."""

    def __init__(self, most: int = EXEMPLARS_KEPT):
        self._kept: dict[tuple[str, int], Exemplar] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, stream: str, ids: Iterable[int], one: Exemplar) -> None:
        """One of a series, known by these ids in the rosters of its stream's sheets."""
        for identity in ids:
            self._kept.pop((stream, identity), None)
            self._kept[stream, identity] = one
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def of(self, sheet: Sheet) -> Mapping[int, Exemplar]:
        """Those of the series of a sheet, by their numbers."""
        kept = [(identity, one) for (stream, identity), one in self._kept.items() if stream == sheet.stream]
        if not kept:
            return {}
        numbers = sheet.roster.find(np.array([identity for identity, _ in kept], np.uint64)).tolist()
        return {number: one for number, (_, one) in zip(numbers, kept, strict=True) if number >= 0}
