"""What statsd itself would send to Graphite: its numbers under its names, as columns.

Followed: statsd 0.10.2, ``lib/process_metrics.js`` (the numbers; those of timers are in
``statsd_timers.py``), ``backends/graphite.js`` and ``sanitizeKeyName`` of ``stats.js`` (the names;
how a name or a label is spelt is in ``kernel/paths.py``).  The rules, in prose:

- A counter has ``count`` and ``rate``, count per second of the period.  In the legacy
  namespace the rate is ``stats.NAME`` and the count ``stats_counts.NAME``, and prefixes are
  not looked at.
- A gauge has its value, a set the number of its members.
- Histogram rules are tried in order; one applies when its text is anywhere in the key.
- ``calculated`` keeps only the numbers of timers that it names.
- Labels follow the whole path as Graphite tags: ``stats.gauges.NAME;k=v``.

Where we differ: numbers that Graphite cannot take, infinite or none, are not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np

from metronome.fold.columns import lengths_of, take
from metronome.fold.distinct import estimate
from metronome.fold.statsd_timers import columns_of_timers, is_wanted, per_second
from metronome.kernel.paths import Spelling, path_of
from metronome.kernel.writing import Form, Texts, texts_of
from metronome.model import F64, I64, U8, Columns, Kind


@dataclass(frozen=True, slots=True)
class HistogramRule:
    """Timers with ``match`` anywhere in their key are counted into bins."""

    match: str
    bins: tuple[float, ...]
    """Upper limits, ascending; ``inf`` takes all the rest."""


@dataclass(frozen=True, slots=True)
class Naming:
    """statsd's options for its numbers and names; the defaults are statsd's, but for
    ``legacy``, which is on in statsd."""

    legacy: bool = False
    global_prefix: str = "stats"
    prefix_counter: str = "counters"
    prefix_timer: str = "timers"
    prefix_gauge: str = "gauges"
    prefix_set: str = "sets"
    prefix_stats: str = "statsd"
    global_suffix: str = ""
    flush_counts: bool = True
    """Send counts of counters as well as their rates."""
    sanitize: bool = True
    """Clean label names and values as statsd cleans names; off: only what would break the
    line is replaced."""
    thresholds: tuple[float, ...] = (90.0,)
    histogram: tuple[HistogramRule, ...] = ()
    calculated: tuple[str, ...] = ()


class Block(NamedTuple):
    """Rows of one kind, a number in each column of each; NaN where there is none."""

    rows: I64
    form: Form
    values: F64


class Namer:
    """Gives the lines that statsd would send for what one flush has folded."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        prefixes = {
            Kind.COUNTER: naming.prefix_counter,
            Kind.TIMER: naming.prefix_timer,
            Kind.GAUGE: naming.prefix_gauge,
            Kind.SET: naming.prefix_set,
        }
        self._suffix = f".{naming.global_suffix}" if naming.global_suffix else ""
        if naming.legacy:
            self._namespaces = {kind: f"stats.{kind.word}s" for kind in Kind} | {Kind.COUNTER: "stats"}
        else:
            self._namespaces = {
                kind: ".".join(filter(None, (naming.global_prefix, prefix)))
                for kind, prefix in prefixes.items()
            }

    def blocks(self, columns: Columns, keys: Texts) -> Iterator[Block]:
        """What is sent for the rows of one period, each series at most once.

        ``keys`` are those of the rows; the columns need not have any.  Samples must be those of
        the flush, not yet compacted, for timers to be exact.  statsd stamps them with the end of
        the period.
        """
        for kind in map(Kind, np.unique(columns.kinds).tolist()):
            rows = np.flatnonzero(columns.kinds == kind)
            if kind is Kind.TIMER:
                yield from self._timers(columns, rows, keys)
            else:
                values = _members(columns, rows) if kind is Kind.SET else columns.n[rows]
                yield self._single(kind, rows, values, columns.periods[rows])

    def idle(self, kinds: U8, values: F64) -> Iterator[Block]:
        """What is sent for series that got nothing in a period, as statsd repeats them unless
        told to delete idle stats; ``values`` are the last ones of gauges."""
        for kind in map(Kind, np.unique(kinds).tolist()):
            rows = np.flatnonzero(kinds == kind)
            nothing = np.zeros(len(rows))
            if kind is Kind.TIMER:
                yield self._block(rows, kind, {"count": nothing, "count_ps": nothing})
            else:
                yield self._single(kind, rows, values[rows] if kind is Kind.GAUGE else nothing, nothing + 1)

    def lines(self, columns: Columns) -> Iterator[tuple[str, float]]:
        """The same as paths and values, for people to read."""
        keys = texts_of(columns.keys)
        for block in self.blocks(columns, keys):
            form = block.form
            for row, values in zip(block.rows.tolist(), block.values.tolist(), strict=True):
                name, tags = path_of(columns.key(row), form.spelling)
                for head, tail, value in zip(form.heads, form.tails, values, strict=True):
                    if name and isfinite(value):
                        yield (head + name + tail + tags).decode(), value

    def number_of_series(self, number: int) -> tuple[str, float]:
        """statsd's own ``numStats``: how many series the period's lines are about."""
        naming = self.naming
        prefix = "" if naming.legacy else naming.global_prefix
        return ".".join(filter(None, (prefix, naming.prefix_stats, "numStats"))) + self._suffix, number

    def _single(self, kind: Kind, rows: I64, values: F64, periods: F64) -> Block:
        if kind is Kind.GAUGE:
            return self._block(rows, kind, {"": values})
        if kind is Kind.SET:
            return self._block(rows, kind, {"count": values})
        numbers = {"" if self.naming.legacy else "rate": per_second(values, periods)}
        if self.naming.flush_counts:
            numbers["count"] = values
        return self._block(rows, kind, numbers)

    def _timers(self, columns: Columns, rows: I64, keys: Texts) -> Iterator[Block]:
        naming = self.naming
        for here, bins in self._by_histogram(rows, keys):
            if len(here):
                numbers = columns_of_timers(take(columns, here), naming.thresholds, bins)
                yield self._block(here, Kind.TIMER, numbers)

    def _by_histogram(self, rows: I64, keys: Texts) -> Iterator[tuple[I64, tuple[float, ...]]]:
        """Timers and the bins of the first rule that each fits."""
        spelling = self._spelling
        for rule in self.naming.histogram:
            match = rule.match.encode()
            fits = [match in b"".join(path_of(key, spelling)) for key in keys.take(rows).texts()]
            mine = np.array(fits, bool)
            yield rows[mine], rule.bins
            rows = rows[~mine]
        yield rows, ()

    def _block(self, rows: I64, kind: Kind, numbers: dict[str, F64]) -> Block:
        if kind is Kind.TIMER:
            wanted = self.naming.calculated
            numbers = {name: values for name, values in numbers.items() if is_wanted(name, wanted)}
        heads, tails = [], []
        for stat in numbers:
            namespace, ending = self._namespaces[kind], f".{stat}" if stat else ""
            if self.naming.legacy and kind is Kind.COUNTER and stat:
                namespace, ending = "stats_counts", ""
            heads.append(f"{namespace}." if namespace else "")
            tails.append(ending + self._suffix)
        form = Form(self._spelling, tuple(map(str.encode, heads)), tuple(map(str.encode, tails)))
        matrix = np.array(list(numbers.values()), np.float64).reshape(len(numbers), len(rows)).T
        return Block(rows, form, matrix)

    @property
    def _spelling(self) -> Spelling:
        return Spelling.STATSD if self.naming.sanitize else Spelling.STATSD_TAGS_KEPT


def _members(columns: Columns, rows: I64) -> F64:
    """How many members sets have: those that are known, or what the registers say."""
    numbers = lengths_of(columns.hashes, len(columns))[rows].astype(np.float64)
    for place in np.flatnonzero(lengths_of(columns.registers, len(columns))[rows]).tolist():
        registers: U8 = np.asarray(columns.registers.row(int(rows[place])), np.uint8)
        numbers[place] = estimate(np.empty(0, np.uint64), registers)
    return np.where(numbers > 0, numbers, columns.n[rows])
