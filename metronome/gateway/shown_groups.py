"""The groups that rules make, on ``/metrics``.

A group stands on a sheet of its stream under the key that a series of the rule's family with the
group's labels would have.  Two rules may make groups of one key, which are two all the same: the
later waits.  So the roster of such a sheet knows a group by an id of its own, not by its key's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from metronome.fold.cells import Header
from metronome.fold.columns import no_rows
from metronome.fold.roster import Roster
from metronome.fold.rules import NAME, Book, Rule, Slot, filled, prometheus_slots
from metronome.fold.sketch import quantiles as sketch_quantiles
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.gateway.shelf import Ended, Group
from metronome.gateway.shown import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    MAIN,
    QUANTILES,
    TYPES,
    Board,
    Manner,
    Sheet,
)
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import samples as lines
from metronome.kernel.writing import joined
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import I64, U64, Columns, Flushed, Kind, Parts, Ragged, Series, series_key

_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd: numbers times this are ids that differ, in their low bits and in their high ones."""


class ShownGroups:
    """The groups of all streams."""

    def __init__(self, board: Board, telemetry: Telemetry, output: str):
        """``output`` is how the books call it."""
        self._board = board
        self._telemetry = telemetry
        self._output = output
        self._rollups = StreamRollups(self._of_stream, prometheus_slots)
        self._sheets: dict[str, Sheet] = {}
        self._manners: dict[str, dict[tuple[Slot, Kind], int]] = {}
        self._slots: dict[str, set[Slot]] = {}
        """Those that there are now, of streams that had groups when rules came."""
        self._made = 0
        self._gone: dict[str, list[int]] = {}

    @property
    def size(self) -> int:
        """How many groups there are."""
        return self._rollups.groups

    def use(self, book: Book) -> None:
        """Go by these rules; the groups of those that are gone leave the page at once."""
        self._rollups.use(book)
        self._leave()
        self._slots = {stream: set(prometheus_slots(book.of(stream))) for stream in self._sheets}
        for stream, manners in self._manners.items():
            slots = self._slots[stream]
            self._manners[stream] = {key: number for key, number in manners.items() if key[0] in slots}

    def keep(self, parts: Parts) -> None:
        """Take parts."""
        self._rollups.keep(parts)

    def end(self, flushed: Flushed, now: float) -> Iterator[None]:
        """A flush has ended: bring groups up to date."""
        for found in self._rollups.end(flushed, MAIN):
            if found is not None:
                stream, ended = found
                for begin in range(0, len(ended.groups), METRICS_STEP_ROWS):
                    if self._is_gone(stream, ended.slot):
                        break
                    self._show(stream, ended, begin, flushed.time / 1000, now)
                    yield
            yield
        self._leave()

    def _is_gone(self, stream: str, slot: Slot) -> bool:
        """Whether other rules stand since the last step."""
        return stream in self._slots and slot not in self._slots[stream]

    def _of_stream(self, stream: str) -> Rollups:
        def gone(slot: Slot, group: Group) -> None:
            assert isinstance(group.out, int)
            self._gone.setdefault(stream, []).append(group.out)

        return Rollups(self._number, gone, self._left_out, arrivals=True)

    def _number(self, slot: Slot, header: Header) -> object:
        self._made += 1
        return self._made

    def _left_out(self, reason: str, number: int) -> None:
        self._telemetry.count("metronome_rollup_left_out_total", number, output=self._output, reason=reason)

    def _leave(self) -> None:
        """Take groups off that are no longer there."""
        gone, self._gone = self._gone, {}
        for stream, groups in gone.items():
            sheet = self._sheets.get(stream)
            if sheet is not None:
                numbers = sheet.roster.find(_ids(groups))
                self._board.remove(sheet, numbers[numbers >= 0])

    # --- values --------------------------------------------------------------------------

    def _show(self, stream: str, ended: Ended, begin: int, began: float, now: float) -> None:
        """Some groups of a rule, all of one kind."""
        folded = ended.values.folded
        rows = slice(begin, begin + METRICS_STEP_ROWS)
        sheet, numbers = self._placed(stream, ended.slot, folded.kind, ended.groups[rows], began, now)
        clashes = self._board.hear(sheet, numbers, now)
        if clashes:
            self._telemetry.count("metronome_metrics_clashes_total", clashes)
        n = (ended.values.over if folded.kind is Kind.GAUGE else folded.n)[rows]
        manner_number = self._manners[stream][ended.slot, folded.kind]
        manner = sheet.manners[manner_number]
        if manner.type == GAUGE:
            sheet.n[numbers] = n
        elif manner.type == COUNTER:
            up = n >= 0
            sheet.n[numbers[up]] += n[up]
            if not up.all():
                self._telemetry.count("metronome_metrics_negative_total", int((~up).sum()))
        else:
            sheet.n[numbers] += n
            values, places = sheet.beside(numbers, manner_number)
            sketches = folded.sketches[rows]
            if manner.type == HISTOGRAM:
                for place, (bins, counts) in zip(places.tolist(), sketches, strict=True):
                    values[place, bins] += counts
            else:
                values[places, 0] += folded.d[rows]
                for at, wanted in enumerate(manner.quantiles):
                    found = sketch_quantiles(sketches, wanted, folded.low[rows], folded.high[rows])
                    values[places, 1 + at] = found

    def _placed(
        self, stream: str, slot: Slot, kind: Kind, groups: list[Group], began: float, now: float
    ) -> tuple[Sheet, I64]:
        """The sheet and the numbers of groups, all of one rule and kind."""
        sheet = self._sheets.get(stream)
        if sheet is None:
            sheet = self._sheets[stream] = self._board.add(Roster(), stream, ())
        manner = self._manner_of(sheet, slot, kind)
        ids = _ids([group.out for group in groups])
        numbers = sheet.roster.find(ids)
        new = np.flatnonzero(numbers < 0).tolist()
        if new:
            keys = [_key(slot, groups[row]) for row in new]
            numbers[new], _ = sheet.numbers(_columns(keys, ids[new]), now, began)
            sheet.of_manner(numbers[new], manner)
        return sheet, numbers

    def _manner_of(self, sheet: Sheet, slot: Slot, kind: Kind) -> int:
        """The number of a manner, for as long as there is the rule."""
        manners = self._manners.setdefault(sheet.stream, {})
        if (slot, kind) not in manners:
            free = set(range(len(sheet.manners) + 1)) - set(manners.values())
            manners[slot, kind] = number = min(free)
            sheet.manners[number : number + 1] = [_manner(slot, kind)]
        return manners[slot, kind]


def _ids(groups: Sequence[object]) -> U64:
    """The ids of groups in a roster."""
    return np.array(groups, np.uint64) * _SPREAD


def _key(slot: Slot, group: Group) -> bytes:
    """What a group stands under."""
    labels, kind, name = group.header
    return series_key(
        Series(filled(slot.rule.prometheus, lambda place: name if place == NAME else ""), labels, kind)
    )


def _columns(keys: list[bytes], ids: U64) -> Columns:
    """Rows that say nothing but which series they are."""
    texts = joined(keys)
    return replace(no_rows(), keys=Ragged(texts.ends.astype(np.uint32), texts.flat), ids=ids)


def _manner(slot: Slot, kind: Kind) -> Manner:
    """How the groups of a rule are shown."""
    rule = slot.rule
    meaning = f"{rule.match} by {', '.join(rule.by) or 'nothing'} ({kind.word})"
    if slot.buckets and kind is Kind.TIMER:
        return Manner(HISTOGRAM, meaning, buckets=slot.buckets)
    return Manner(lines.TYPES.index(TYPES[kind]), meaning, _wanted(rule))


def _wanted(rule: Rule) -> tuple[float, ...]:
    """The quantiles of a rule's summaries: those among its stats, or the usual ones."""
    return tuple(stat.quantile for stat in rule.stats if stat.quantile is not None) or QUANTILES
