"""The words of the house: kinds, labels, series, columns of parts, events, selections.

Everything that crosses a layer is one of these values.  They hold no behaviour beyond
their own shape; the algebra over them is in ``metronome.fold``.

Units: times are integer milliseconds since the epoch (``int64``), periods are seconds
(``float64``), values are in whatever unit was sent.

Series key.  A series inside a stream is written as canonical bytes, so that it can be
hashed, compared, kept in one arena and cut out of it without decoding::

    KIND NAME [NUL LABEL NUL VALUE]...        labels sorted by name, UTF-8

KIND is one byte of ``KIND_CODES``.  Names, label names and values never hold NUL: it is
replaced by U+FFFD where they enter.  The kind is part of the key because statsd keeps
counters, timers, gauges and sets of one name apart, and so do we.

The 64-bit series id is ``kernel.hash64(key)``.  It is the same on every gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by label name, each name once."""

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
I16 = npt.NDArray[np.int16]
U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint8]


class Kind(IntEnum):
    """How the points of a series fold over time, labels and gateways."""

    COUNTER = 0
    """n and d add up."""
    GAUGE = 1
    """The latest n stands; over label groups the latest values add up."""
    TIMER = 2
    """n, d, squares add up; low and high are the extremes; sketches merge."""
    SET = 3
    """Members unite; n is the distinct count."""

    @property
    def word(self) -> str:
        """The kind's name as users write it: ``counter``, ``gauge``, ``timer``, ``set``."""
        return self.name.lower()


KIND_CODES = b"cgts"
"""The first byte of a series key, indexed by :class:`Kind`."""


class Series(NamedTuple):
    """What identifies a series inside its stream."""

    name: str
    labels: Labels
    kind: Kind


def canonical_labels(labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sort label pairs by name; of a repeated name the last value stands."""
    return tuple(sorted(dict(labels).items()))


def series_key(series: Series) -> bytes:
    """Write a series as its canonical key; the labels must already be sorted."""
    text = [series.name]
    for label, value in series.labels:
        text.append(label)
        text.append(value)
    return KIND_CODES[series.kind : series.kind + 1] + "\0".join(text).encode()


def parse_key(key: bytes) -> Series:
    """Read a canonical key back; the reverse of :func:`series_key`."""
    name, *pairs = key[1:].decode().split("\0")
    labels = tuple(zip(pairs[::2], pairs[1::2], strict=True))
    return Series(name, labels, Kind(KIND_CODES.index(key[0])))


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Rows of different lengths in one flat array.

    ``ends[i]`` is where row ``i`` ends in ``flat``; it begins where the row before ends.
    No ``ends`` at all means that every row is empty, however many rows there are.
    """

    ends: U32
    flat: npt.NDArray[np.generic]

    def row(self, index: int) -> npt.NDArray[np.generic]:
        """The values of one row; empty where the row has none."""
        if not len(self.ends):
            return self.flat[:0]
        begin = int(self.ends[index - 1]) if index else 0
        return self.flat[begin : int(self.ends[index])]

    def cut(self, begin: int, end: int) -> Ragged:
        """Rows ``begin`` to ``end`` as a ragged array of their own."""
        if not len(self.ends):
            return self
        first = int(self.ends[begin - 1]) if begin else 0
        last = int(self.ends[end - 1]) if end > begin else first
        return Ragged(self.ends[begin:end] - np.uint32(first), self.flat[first:last])


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Parts of many series, one row each, as arrays of one length.

    A row is what one gateway adds to one series in one period; rows of the same series
    and time add up by the fold algebra.

    ===============  ==========  ==================================================
    column           dtype       meaning
    ===============  ==========  ==================================================
    keys             u8 ragged   canonical series keys
    ids              uint64      ``hash64(key)``
    kinds            uint8       :class:`Kind`, the same as in the key
    times            int64       start of the period, ms since the epoch
    periods          float64     length of the period in seconds, 0 for an instant
    counts           uint32      samples folded into the row, for the books
    n, d             float64     numerator and denominator as in ``contract.md`` section 2
    low, high        float64     least and greatest sample (timer, gauge); else n
    squares          float64     sum of squares, weighted by 1/rate (timer); else 0
    samples          f64 ragged  timers with few samples: every value, as sent, in order
    weights          f64 ragged  1/rate of each sample; no rows at all when all are 1
    bins             i16 ragged  timers with many samples: sketch bins, ascending
    bin_counts       f64 ragged  weight of each bin
    hashes           u64 ragged  sets with few members: ``hash64`` of each, ascending
    registers        u8 ragged   sets with many members: 4,096 HyperLogLog registers
    packs            u8 ragged   gauges that stand for several points with times of their
                                 own: all of them, packed (``kernel/packs.py``)
    ===============  ==========  ==================================================

    A timer row has samples or bins, a set row has hashes or registers, never both.
    A row with a pack has ``counts`` points in it, and else says what it would without: time
    and n are those of its latest point.  ``fold.columns.expanded`` makes a row of each point.
    The arrays may be read-only views of a journal record.
    """

    keys: Ragged
    ids: U64
    kinds: U8
    times: I64
    periods: F64
    counts: U32
    n: F64
    d: F64
    low: F64
    high: F64
    squares: F64
    samples: Ragged
    weights: Ragged
    bins: Ragged
    bin_counts: Ragged
    hashes: Ragged
    registers: Ragged
    packs: Ragged = Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8))

    def __len__(self) -> int:
        return len(self.ids)

    def key(self, row: int) -> bytes:
        """The canonical series key of one row."""
        return self.keys.row(row).tobytes()

    def cut(self, begin: int, end: int) -> Columns:
        """Rows ``begin`` to ``end``, sharing memory with this one."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in arrays.items():
            arrays[name] = value.cut(begin, end) if isinstance(value, Ragged) else value[begin:end]
        return Columns(**arrays)


class Parts(NamedTuple):
    """Columns of one stream: the content of one journal record.

    ``ids`` are ``(received ms, eid)`` of the ticks among its rows that carry a
    deduplication id; a store remembers them for its ``recent_ids``.  ``flush`` is the start
    (ms) of the period whose flush it belongs to, so that a restart can tell what of a period
    was journalled; -1 for points that came by themselves.
    """

    stream: str
    columns: Columns
    ids: tuple[tuple[int, str], ...] = ()
    flush: int = -1


class Event(TypedDict, total=False):
    """One happening with parameters: a tick without ``n``, a log record.

    Plain JSON values, so that an event goes to the journal and back as it is.  ``time``,
    ``type`` and ``id`` are always present.
    """

    time: int
    """When it happened, ms since the epoch."""
    type: str
    """``view``, ``download``, ``error`` ...; research/analytics.md section 8.1."""
    id: str
    """The item it is about; empty where there is none."""
    received: int
    """When it arrived, ms since the epoch."""
    eid: str
    """Deduplication id given by the sender; absent when none was given."""
    referer: str
    """Referer key ``host/path``; absent for direct and own traffic."""
    format: str
    """Of a download: its lower-case format."""
    message: str
    labels: dict[str, str]
    """Every other string or boolean parameter."""
    fields: dict[str, float]
    """Every other numeric parameter."""


class Events(NamedTuple):
    """Events of one stream: the content of one journal record."""

    stream: str
    events: list[Event]


class Tally(NamedTuple):
    """One line of the books: how many of a stream met one outcome on one UTC day.

    ``outcome`` is one of ``rejected``, ``shed``, ``diverted``, ``filtered``; what was
    stored is counted by the store itself when it applies a record.
    """

    stream: str
    day: str
    source: str
    outcome: str
    reason: str
    number: int


class Flushed(NamedTuple):
    """A flush is complete: all parts of this stream's period are in the records before.

    Written at every flush, also when nothing was received, so that consumers that work
    period by period (statsd's Graphite output, live deltas) know that one has ended.
    """

    stream: str
    time: int
    """Start of the period, ms since the epoch."""
    period: float
    """Its length in seconds."""


class Record(NamedTuple):
    """One decoded journal record and where it stands.

    ``position`` is the byte offset of the record in the gateway's journal: unique and
    ascending for one gateway, so ``(gateway, position)`` names the record for ever and a
    store can tell that it has applied it.
    """

    position: int
    content: Parts | Events | Flushed | list[Tally]


class Batch(NamedTuple):
    """What a store is asked to write at once: consecutive records of one gateway.

    ``end`` is the position behind the last record; after the write the store answers
    ``applied[gateway] == end``.
    """

    gateway: str
    records: list[Record]
    end: int


class Selection(NamedTuple):
    """Which series over which time.

    ``name`` is a Graphite-style glob on the series name (``*``, ``?``, ``[a-z]``,
    ``{a,b}``; ``*`` also matches dots, because names are not paths here); ``where``
    maps label names to globs that the label's value must match (``*`` wants the label
    present).  ``kind`` narrows to one kind.  ``start`` inclusive, ``end`` exclusive, ms.
    """

    stream: str
    name: str
    where: Labels = ()
    kind: Kind | None = None
    start: int = 0
    end: int = 1 << 62


class EventSelection(NamedTuple):
    """Which events.  Empty ``types`` means all; ``item`` None means all items."""

    stream: str
    item: str | None = None
    types: tuple[str, ...] = ()
    start: int = 0
    end: int = 1 << 62
    where: Labels = ()
    """Label names and globs, as in ``Selection``."""
    limit: int = 1000
    """``events`` answers at most this many, newest first."""


class Found(NamedTuple):
    """A series that a store knows, with the times of its first and last part (ms)."""

    series: Series
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """One label group of an answer: parts folded into steps.  Arrays of one length.

    ``times`` are the starts of the steps (ms), ascending, only steps that have data.
    ``n`` of a gauge group is the sum of the latest value of each series in the step; of
    a set it is the distinct count.  ``sources`` is how many series the step adds up
    (so the mean of a gauge over its series is ``n / sources``), ``low``/``high`` over all.
    ``sketches[i]`` is ``(bins, counts)`` of the step, ``members[i]`` is ``(hashes,
    registers)`` with one of the two empty; both lists are empty unless asked for.
    ``name`` is the series' name where every series is kept apart (``by=None``): a glob may
    select several series that differ in nothing else.
    """

    labels: Labels
    kind: Kind
    times: I64
    n: F64
    d: F64
    counts: F64
    sources: F64
    low: F64
    high: F64
    squares: F64
    sketches: list[tuple[I16, F64]]
    members: list[tuple[U64, U8]]
    name: str = ""
