"""Parts as documents, and documents as parts; the fields stand in ``doc/elasticsearch.md``.

A gateway writes tens of thousands of these a second, so a document is put together as text:
what is the same in all documents of a series is made once and remembered, the rest is numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from metronome.fold import distinct, sketch
from metronome.fold.cells import cells_of
from metronome.fold.columns import keys_of, ragged_of
from metronome.fold.ranks import quantiles_of
from metronome.kernel.hash64 import hash64
from metronome.limits import ELASTIC_SERIES_KEPT
from metronome.model import F64, I64, U64, Columns, Kind, Labels, Ragged, Series, parse_key, series_key
from metronome.store import elastic_sketch
from metronome.store.elastic_fields import Fields, fields_of
from metronome.store.elastic_names import pair, split_pair

PERCENTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
KEY_BYTES: Final = 8000
"""A longer series key is named by its hash: no term may have more than 32,766 bytes."""
_LONG: Final = "\x01"
"""Stands behind the kind of such a name; no name begins with a control character."""
_MOST: Final = float(np.finfo(np.float64).max)


class Fragment(NamedTuple):
    """What all documents of a series have in common."""

    text: str
    """Fields as JSON, with a comma behind the last."""
    names: tuple[str, ...]
    """Of its labels."""


class Doc(NamedTuple):
    """A document to be created: the two lines of a bulk request come of it."""

    id: str
    source: str


def key_term(key: bytes) -> str:
    """The term that names a series in ``series``."""
    if len(key) <= KEY_BYTES:
        return key.decode()
    return f"{chr(key[0])}{_LONG}{hash64(key):016x}"


def is_key(term: str) -> bool:
    """Whether a term is a key; else the series has to be read from one of its documents."""
    return term[1:2] != _LONG


def series_of(source: Mapping[str, Any]) -> Series:
    """The series that a document is of."""
    labels: Labels = tuple(sorted(split_pair(one) for one in source.get("label_pairs", ())))
    return Series(source["name"], labels, Kind[source["kind"].upper()])


class Fragments:
    """Remembers the fragments of series, by stream and id."""

    def __init__(self, most: int = ELASTIC_SERIES_KEPT):
        self._most = most
        self._known: dict[tuple[str, int], Fragment] = {}

    def of(self, stream: str, columns: Columns) -> list[Fragment]:
        """The fragment of each row."""
        ids, first, place = np.unique(columns.ids, return_index=True, return_inverse=True)
        found: list[Fragment | None] = [self._known.get((stream, one)) for one in ids.tolist()]
        missing = [number for number, fragment in enumerate(found) if fragment is None]
        if missing:
            if len(self._known) + len(missing) > self._most:
                self._known.clear()
            for number, key in zip(missing, keys_of(columns, first[missing]), strict=True):
                fragment = found[number] = fragment_of(stream, key)
                self._known[stream, int(ids[number])] = fragment
        return [found[number] for number in place.tolist()]


def fragment_of(stream: str, key: bytes) -> Fragment:
    """What all documents of a series have in common."""
    name, labels, kind = parse_key(key)
    fields: dict[str, Any] = {
        "@version": "1",
        "type": "point",
        "stream": stream,
        "name": name,
        "kind": kind.word,
        "series": key_term(key),
    }
    names = tuple(label for label, _ in labels)
    if labels:
        values = dict(labels)
        fields["labels"] = {field: values[label] for label, field in fields_of(names).items()}
        fields["label_pairs"] = [pair(label, value) for label, value in labels]
    return Fragment(orjson.dumps(fields).decode()[1:-1] + ",", names)


class Source(NamedTuple):
    """Whose rows they are: fields that name their origin, and how their ids begin."""

    id_prefix: str
    origin: str
    """JSON of further fields; the number of the row is added."""


def source_of(gateway: str, position: int, id_prefix: str) -> Source:
    """The origin of a record of a gateway."""
    name = orjson.dumps(gateway).decode()
    return Source(id_prefix, f'"gateway":{name},"position":{position},"row":')


def documents(
    columns: Columns, fragments: Sequence[Fragment], source: Source, rows: Sequence[int], fields: Fields
) -> Iterator[Doc]:
    """Parts as documents of an index with these fields; ``rows`` are their numbers in the record."""
    unindexed = {names: _unindexed(fields, names) for names in {one.names for one in fragments}}
    times = moments(columns.times)
    extras = _extras(columns)
    numbers = zip(
        *(_finite(getattr(columns, name)) for name in ("n", "d", "periods", "low", "high")),
        columns.counts.tolist(),
        strict=True,
    )
    begin, origin = source
    for at, (n, d, p, low, high, samples) in enumerate(numbers):
        text, names = fragments[at]
        row = rows[at]
        yield Doc(
            f"{begin}{row:x}",
            f'{{"@timestamp":"{times[at]}",{text}{unindexed[names]}"n":{n!r},"d":{d!r},"p":{p!r},'
            f'"samples":{samples},"min":{low!r},"max":{high!r},{extras.get(at, "")}'
            f"{origin}{row}}}",
        )


def merged_documents(
    columns: Columns,
    fragments: Sequence[Fragment],
    step: int,
    merge: int,
    prefix: str,
    rows: Sequence[int],
    fields: Fields,
) -> Iterator[Doc]:
    """Parts that the round ``merge`` has merged into steps of ``step`` seconds, as documents."""
    source = Source(prefix, f'"step":{step},"merge":{merge},"position":0,"row":')
    return documents(columns, fragments, source, rows, fields)


def moments(times: I64) -> list[str]:
    """Times (ms) as ISO 8601 in UTC."""
    unique, place = np.unique(times, return_inverse=True)
    texts = np.datetime_as_string(unique.astype("datetime64[ms]"), unit="ms").tolist()
    return [f"{texts[number]}Z" for number in place.tolist()]


def _finite(values: F64) -> list[float]:
    """JSON has no infinity: the greatest double stands for it, and 0 for what is no number."""
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=_MOST, neginf=-_MOST)
    numbers: list[float] = values.tolist()
    return numbers


def _unindexed(fields: Fields, names: tuple[str, ...]) -> str:
    found = fields.unindexed(names)
    return f'"labels_unindexed":{orjson.dumps(found).decode()},' if found else ""


def _extras(columns: Columns) -> dict[int, str]:
    """Further fields of timers and sets, by row."""
    extras: dict[int, str] = {}
    timers = np.flatnonzero(columns.kinds == Kind.TIMER).tolist()
    sets = bool((columns.kinds == Kind.SET).any())
    if not timers and not sets:
        return extras
    rows = np.arange(len(columns))
    cells = cells_of(columns, rows, columns.times, sketches=bool(timers))
    if timers:
        squares = _finite(columns.squares)
        percentiles = quantiles_of(columns, list(PERCENTILES.values())).tolist()
        sketches = dict(_bins(cells.sketches))
        for row in timers:
            text = f'"squares":{squares[row]!r},'
            if row in sketches:
                values = zip(PERCENTILES, percentiles[row], strict=True)
                text += "".join(f'"{name}":{value!r},' for name, value in values if abs(value) <= _MOST)
                text += f'"sketch":"{sketches[row]}",'
            extras[row] = text
    for row, text in _members(cells.members):
        extras[row] = f'"sketch":"{text}",'
    return extras


def _bins(flat: sketch.Flat) -> Iterator[tuple[int, str]]:
    for owner, begin, end in _runs(flat.owners):
        yield owner, elastic_sketch.of_bins(flat.bins[begin:end], flat.counts[begin:end])


def _members(flat: distinct.Flat) -> Iterator[tuple[int, str]]:
    for owner, begin, end in _runs(flat.owners):
        yield owner, elastic_sketch.of_hashes(flat.hashes[begin:end])
    for owner, registers in zip(flat.register_owners.tolist(), flat.registers, strict=True):
        yield owner, elastic_sketch.of_registers(registers)


def _runs(owners: I64) -> Iterator[tuple[int, int, int]]:
    """Where each owner's values begin and end, in sorted owners."""
    present, begins = np.unique(owners, return_index=True)
    bounds = [*begins.tolist(), len(owners)]
    for owner, (begin, end) in zip(present.tolist(), pairwise(bounds), strict=True):
        yield owner, begin, end


# --- and back ------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A document as it was read, the numbers still as JSON has them."""

    term: str
    time: int
    numbers: tuple[float, ...]
    """n, d, p, samples, min, max, squares."""
    sketch: str
    gateway: str
    position: int
    row: int


def columns_of(
    rows: Sequence[Row], keys: Mapping[str, bytes], identities: Mapping[str, int] | None = None
) -> tuple[Columns, list[int]]:
    """Documents as columns, ordered as gauges of one time override each other: by gateway, position and
    row.  And which document each row is.

    ``keys`` gives the key of every term, ``identities`` the id of its series; without them ids are
    good for telling series apart in these columns, and for nothing else.
    """
    gateways = {name: number for number, name in enumerate(sorted({row.gateway for row in rows}))}
    places = [(row.row, row.position, gateways[row.gateway]) for row in rows]
    order = np.lexsort(np.array(places, np.int64).reshape(-1, 3).T).tolist()
    rows = [rows[place] for place in order]
    terms = {term: number for number, term in enumerate(sorted({row.term for row in rows}))}
    ids = np.array([terms[row.term] for row in rows], np.int64)
    known = [keys[term] for term in terms]
    kinds = np.array([_KIND_OF[key[0]] for key in known], np.uint8)
    numbers = np.array([row.numbers for row in rows], np.float64).reshape(-1, 7)
    n, d, p, samples, low, high, squares = numbers.T
    sketches, members = elastic_sketch.read(
        [(number, row.sketch) for number, row in enumerate(rows) if row.sketch]
    )
    size = len(rows)
    nothing = np.empty(0, np.int64)
    registers = np.repeat(members.register_owners, distinct.REGISTERS)
    columns = Columns(
        keys=_keys(known, ids),
        ids=_identified(list(terms), identities)[ids] if identities else ids.astype(np.uint64),
        kinds=kinds[ids] if size else kinds,
        times=np.array([row.time for row in rows], np.int64),
        periods=p,
        counts=np.minimum(samples, 0xFFFFFFFF).astype(np.uint32),
        n=n,
        d=d,
        low=low,
        high=high,
        squares=squares,
        samples=ragged_of(nothing, np.empty(0), size),
        weights=ragged_of(nothing, np.empty(0), size),
        bins=ragged_of(sketches.owners, sketches.bins, size),
        bin_counts=ragged_of(sketches.owners, sketches.counts, size),
        hashes=ragged_of(members.owners, members.hashes, size),
        registers=ragged_of(registers, members.registers.reshape(-1), size),
    )
    return columns, order


def _identified(terms: Sequence[str], identities: Mapping[str, int]) -> U64:
    return np.array([identities[term] for term in terms], np.uint64)


_KIND_OF: Final = {ord("c"): 0, ord("g"): 1, ord("t"): 2, ord("s"): 3}


def _keys(known: Sequence[bytes], ids: I64) -> Ragged:
    """The key of every row, one behind the other."""
    lengths = np.array([len(key) for key in known], np.int64)
    ends = np.cumsum(lengths[ids]) if len(ids) else np.empty(0, np.int64)
    text = b"".join([known[number] for number in ids.tolist()])
    return Ragged(ends.astype(np.uint32), np.frombuffer(text, np.uint8))


def keys_known(terms: Iterable[str], long_ones: Mapping[str, Series]) -> dict[str, bytes]:
    """The key of every term; of long keys by the series that was read."""
    return {term: term.encode() if is_key(term) else series_key(long_ones[term]) for term in terms}
