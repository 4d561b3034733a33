"""The groups that rules make, on ``/metrics``.

A group stands on a sheet of its stream under the key that a series of the rule's family with the
group's labels would have.  Two rules may make groups of one key, which are two all the same: the
later waits.  So the roster of such a sheet knows a group not by its key but by a hash of its rule,
kind, name and labels: the same in every run, so that a group goes on after a restart.

Native buckets of a rule come by a slot of their own (``native_slots``), whose groups are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from metronome.fold.cells import Header
from metronome.fold.columns import no_rows
from metronome.fold.native import codes_of
from metronome.fold.roster import Roster
from metronome.fold.rules import NAME, Book, Rule, Slot, filled, native_slots, prometheus_slots
from metronome.fold.sketch import Sketch, values_of
from metronome.fold.sketch import quantiles as sketch_quantiles
from metronome.gateway.beside import CLASSIC, COUNTER, GAUGE, HISTOGRAM, QUANTILES, Manner
from metronome.gateway.natives import NATIVE_SCHEMA
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.gateway.shelf import Ended, Group
from metronome.gateway.shown import MAIN, TYPES, Board, Sheet
from metronome.gateway.shown_image import Rows, columns_of, meaning_of, put, rows_of, taken
from metronome.gateway.telemetry import Telemetry
from metronome.kernel import hash64
from metronome.kernel import samples as lines
from metronome.kernel.writing import joined
from metronome.limits import METRICS_STEP_ROWS
from metronome.model import I64, U64, Columns, Flushed, Folded, Kind, Parts, Ragged, Series, series_key


class ShownGroups:
    """The groups of all streams."""

    def __init__(self, board: Board, telemetry: Telemetry, output: str):
        """``output`` is how the books call it."""
        self._board = board
        self._telemetry = telemetry
        self._output = output
        self._rollups = StreamRollups(self._of_stream, _slots)
        self._sheets: dict[str, Sheet] = {}
        self._manners: dict[str, dict[tuple[Rule, Kind], int]] = {}
        self._book = Book()
        self._names: dict[Rule, str] = {}
        self.applied: dict[str, int] = {}
        """Of each stream: what stands before this position of the journal is in its groups."""
        self._gone: dict[str, list[int]] = {}

    @property
    def size(self) -> int:
        """How many groups there are."""
        return self._rollups.groups

    def use(self, book: Book) -> None:
        """Go by these rules; the groups of those that are gone leave the page at once."""
        self._book = book
        self._names = {}
        self._rollups.use(book)
        self._leave()
        for stream, manners in self._manners.items():
            sheet = self._sheets[stream]
            stays = {key: number for key, number in manners.items() if self._is_there(stream, key[0])}
            numbers = np.flatnonzero(sheet.state)
            gone = np.isin(sheet.manner(numbers), [*stays.values()], invert=True)
            self._board.remove(sheet, numbers[gone])
            self._manners[stream] = stays

    def ids_of(self, stream: str, series: Series) -> list[int]:
        """The ids of the groups that a series is in."""
        rules, _ = self._book.taking(series, stream)
        slots = [slot for slot in prometheus_slots(rules) if series.kind in slot.kinds]
        return [self._number(slot, slot.header(series)) for slot in slots]

    def keep(self, parts: Parts) -> None:
        """Take parts."""
        self._rollups.keep(parts)

    def end(self, flushed: Flushed, now: float, position: int, end: int) -> Iterator[None]:
        """A flush has ended: bring groups up to date.  Its mark stands at ``position``; what was applied
        by a former run is not applied again."""
        for found in self._rollups.end(flushed, MAIN):
            if found is not None and position >= self.applied.get(found[0], 0):
                stream, ended = found
                for begin in range(0, len(ended.outs), METRICS_STEP_ROWS):
                    if not self._is_there(stream, ended.slot.rule):
                        break  # other rules stand since the last step
                    self._show(stream, ended, begin, flushed.time / 1000, now)
                    yield
            yield
        for stream in self._rollups.ending:
            self.applied[stream] = max(self.applied.get(stream, 0), end)
        self._leave()

    # --- over a restart ------------------------------------------------------------------

    def image(self) -> Iterator[Rows]:
        """What is to be kept of all groups."""
        for stream, sheet in self._sheets.items():
            meanings = [meaning_of(manner) for manner in sheet.manners]
            for (rule, kind), number in self._manners[stream].items():
                meanings[number] = meaning_of(sheet.manners[number], self._name(rule), kind)
            for numbers in sheet.kept():
                yield rows_of(sheet, numbers, meanings)

    def restore(self, rows: Rows, later: float, now: float) -> tuple[Sheet, I64, Rows]:
        """Go on with those groups of a run that ended ``later`` seconds ago whose rules are there; their
        sheet and numbers, and what is theirs."""
        sheet = self._sheet(rows.stream)
        rules = {self._name(rule): rule for rule in self._book.of(rows.stream)}
        there = np.array([meaning.rule in rules for meaning in rows.meanings], np.bool_)
        rows = taken(rows, np.flatnonzero(there[rows.which]))
        numbers, _ = sheet.numbers(columns_of(rows), now, now)
        for which in np.unique(rows.which).tolist():
            rule, kind = rows.meanings[which][:2]
            sheet.of_manner(numbers[rows.which == which], self._manner_of(sheet, rules[rule], Kind(kind)))
        put(sheet, numbers, rows, later, now)
        return sheet, numbers, rows

    def _is_there(self, stream: str, rule: Rule) -> bool:
        """Whether a rule stands now."""
        return rule in self._book.of(stream)

    def _of_stream(self, stream: str) -> Rollups:
        def gone(slot: Slot, group: Group) -> None:
            assert isinstance(group.out, int)
            self._gone.setdefault(stream, []).append(group.out)

        return Rollups(self._number, gone, self._left_out, arrivals=True)

    def _number(self, slot: Slot, header: Header) -> int:
        """The id of a group."""
        return hash64(f"{self._name(slot.rule)}{(int(header.kind), header.name, header.labels)}".encode())

    def _name(self, rule: Rule) -> str:
        """What a rule is known by, in this run and the next."""
        if rule not in self._names:
            self._names[rule] = f"{hash64(repr(replace(rule, number=0)).encode()):016x}"
        return self._names[rule]

    def _left_out(self, reason: str, number: int) -> None:
        self._telemetry.count("metronome_rollup_left_out_total", number, output=self._output, reason=reason)

    def _leave(self) -> None:
        """Take groups off that are no longer there."""
        gone, self._gone = self._gone, {}
        for stream, groups in gone.items():
            sheet = self._sheets.get(stream)
            if sheet is not None:
                numbers = np.unique(sheet.roster.find(np.array(groups, np.uint64)))
                self._board.remove(sheet, numbers[numbers >= 0])

    # --- values --------------------------------------------------------------------------

    def _show(self, stream: str, ended: Ended, begin: int, began: float, now: float) -> None:
        """Some groups of a rule, all of one kind."""
        folded, rows = ended.values.folded, slice(begin, begin + METRICS_STEP_ROWS)
        sheet, numbers = self._placed(stream, ended, rows, began, now)
        number = self._manners[stream][ended.slot.rule, folded.kind]
        if ended.slot.native:
            _spread(sheet, sheet.manners[number].schema, numbers, folded.sketches[rows])
            return
        clashes = self._board.hear(sheet, numbers, now)
        if clashes:
            self._telemetry.count("metronome_metrics_clashes_total", clashes)
        n = (ended.values.over if folded.kind is Kind.GAUGE else folded.n)[rows]
        if sheet.manners[number].type == GAUGE:
            sheet.n[numbers] = n
        elif sheet.manners[number].type == COUNTER:
            up = n >= 0
            sheet.n[numbers[up]] += n[up]
            if not up.all():
                self._telemetry.count("metronome_metrics_negative_total", int((~up).sum()))
        else:
            sheet.n[numbers] += n
            _observe(sheet, number, numbers, folded, rows)

    def _placed(self, stream: str, ended: Ended, rows: slice, began: float, now: float) -> tuple[Sheet, I64]:
        """The sheet and the numbers of groups, all of one rule and kind."""
        sheet, slot = self._sheet(stream), ended.slot
        manner = self._manner_of(sheet, slot.rule, ended.values.folded.kind)
        ids = np.array(ended.outs[rows], np.uint64)
        numbers = sheet.roster.find(ids)
        new = np.flatnonzero(numbers < 0).tolist()
        if new:
            keys = [_key(slot, Group(0, ended.packed[rows.start + row], None)) for row in new]
            numbers[new], _ = sheet.numbers(_columns(keys, ids[new]), now, began)
            sheet.of_manner(numbers[new], manner)
        return sheet, numbers

    def _sheet(self, stream: str) -> Sheet:
        if stream not in self._sheets:
            self._sheets[stream] = self._board.add(Roster(), stream, ())
            self._manners[stream] = {}
        return self._sheets[stream]

    def _manner_of(self, sheet: Sheet, rule: Rule, kind: Kind) -> int:
        """The number of a manner, for as long as there is the rule."""
        manners = self._manners[sheet.stream]
        if (rule, kind) not in manners:
            free = set(range(len(sheet.manners) + 1)) - set(manners.values())
            manners[rule, kind] = number = min(free)
            sheet.manners[number : number + 1] = [_manner(rule, kind)]
        return manners[rule, kind]


def _slots(rules: Sequence[Rule]) -> list[Slot]:
    return prometheus_slots(rules) + native_slots(rules)


def _observe(sheet: Sheet, manner_number: int, numbers: I64, folded: Folded, rows: slice) -> None:
    """Add what timers have observed to what stands beside their sums."""
    manner = sheet.manners[manner_number]
    values, places = sheet.beside(numbers, manner_number)
    sketches = folded.sketches[rows]
    if manner.type == HISTOGRAM:
        for place, (bins, counts) in zip(places.tolist(), sketches, strict=True):
            values[place, bins] += counts
        return
    values[places, 0] += folded.d[rows]
    for at, wanted in enumerate(manner.quantiles):
        values[places, 1 + at] = sketch_quantiles(sketches, wanted, folded.low[rows], folded.high[rows])


def _spread(sheet: Sheet, schema: int, numbers: I64, sketches: list[Sketch]) -> None:
    """Add sketches to native buckets."""
    bins = np.concatenate([bins for bins, _ in sketches])
    counts = np.concatenate([counts for _, counts in sketches])
    lengths = [len(bins) for bins, _ in sketches]
    sheet.spread.add(np.repeat(numbers, lengths), codes_of(values_of(bins), schema), counts)


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


def _manner(rule: Rule, kind: Kind) -> Manner:
    """How the groups of a rule are shown."""
    meaning = f"{rule.match} by {', '.join(rule.by) or 'nothing'} ({kind.word})"
    if rule.buckets and kind is Kind.TIMER:
        return Manner(HISTOGRAM, meaning, (), rule.buckets, NATIVE_SCHEMA if rule.native else CLASSIC)
    return Manner(lines.TYPES.index(TYPES[kind]), meaning, _wanted(rule))


def _wanted(rule: Rule) -> tuple[float, ...]:
    """The quantiles of a rule's summaries: those among its stats, or the usual ones."""
    return tuple(stat.quantile for stat in rule.stats if stat.quantile is not None) or QUANTILES
