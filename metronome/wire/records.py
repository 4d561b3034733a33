"""What stands inside a journal record: parts, events, the end of a flush, tallies.

A record of parts is laid out so that reading it copies nothing::

    u32 length of the header | header, JSON | arrays

The header is ``{"stream", "rows", "lengths", "ids", "flush"}``; the arrays follow in the order of
``Columns``' fields, a ragged one as ends and then flat, ``lengths`` counting the elements
of each.  All numbers are little-endian; header and arrays each begin on a multiple of 8
bytes, with zeros between.  The other kinds of record are plain JSON.  Records of versions that
knew no packs end in front of these, and are read as well.

A column of one element for many rows has that value in every row; one without any, that is not
ragged, has the values of another (``_AS``).  A flush of counters takes half the bytes so.

Damage in transit is found by the journal's checksum.  What is checked here is that the
arrays fit each other, so that whatever follows can index without looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from metronome.kernel import spans
from metronome.limits import RECORD_BYTES, ROWS_PER_RECORD
from metronome.model import Columns, Events, Flushed, Kind, Parts, Ragged, Tally

KIND_PARTS: Final = 1
KIND_EVENTS: Final = 2
KIND_FLUSHED: Final = 3
KIND_TALLIES: Final = 4

DTYPES: Final = {
    "keys": "u1",
    "ids": "<u8",
    "kinds": "u1",
    "times": "<i8",
    "periods": "<f8",
    "counts": "<u4",
    "n": "<f8",
    "d": "<f8",
    "low": "<f8",
    "high": "<f8",
    "squares": "<f8",
    "samples": "<f8",
    "weights": "<f8",
    "bins": "<i2",
    "bin_counts": "<f8",
    "hashes": "<u8",
    "registers": "u1",
    "packs": "u1",
}
"""The element type of every column; of a ragged one that of its flat array."""

Buffer = bytes | memoryview

ENDS_DTYPE: Final = "<u4"
ALIGNMENT: Final = 8
_RAGGED: Final = frozenset(
    ("keys", "samples", "weights", "bins", "bin_counts", "hashes", "registers", "packs")
)
_LENGTHS: Final = len(DTYPES) + len(_RAGGED)
_LENGTHS_BEFORE_PACKS: Final = _LENGTHS - 2
_AS: Final = {"d": "counts", "low": "n", "high": "n"}
"""Columns that may be left out, and whose values they have then."""
_PAIRS: Final = (("samples", "weights"), ("bins", "bin_counts"))


class Row(NamedTuple):
    """One part as a plain tuple: a point that came by itself, not out of the table."""

    key: bytes
    series_id: int
    kind: Kind
    time: int
    """Start of the period, ms."""
    period: float
    counts: int
    n: float
    d: float
    low: float
    high: float
    squares: float
    samples: Sequence[float]
    """Values of a timer, unweighted.  Without any, it counts as d samples of its mean, so
    that percentiles know of it; empty for the other kinds."""
    hashes: Sequence[int] = ()
    """``hash64`` of each member of a set, in any order; empty for the other kinds."""


def columns_of(rows: Sequence[Row]) -> Columns:
    """Lay rows out as columns, in the order given."""

    def flat(name: str, values: list[Any]) -> npt.NDArray[Any]:
        return np.array(values, dtype=DTYPES[name])

    def ragged(name: str, values: list[list[Any]]) -> Ragged:
        joined = [value for row in values for value in row]
        if not joined:
            return Ragged(np.empty(0, np.uint32), flat(name, []))
        return Ragged(np.cumsum([len(row) for row in values], dtype=np.uint32), flat(name, joined))

    keys = [row.key for row in rows]
    drawn = [_draw(row) for row in rows]
    weighted = any(weight != 1 for _, weights in drawn for weight in weights)
    return Columns(
        keys=Ragged(
            np.cumsum([len(key) for key in keys], dtype=np.uint32),
            np.frombuffer(b"".join(keys), np.uint8),
        ),
        ids=flat("ids", [row.series_id for row in rows]),
        kinds=flat("kinds", [row.kind for row in rows]),
        times=flat("times", [row.time for row in rows]),
        periods=flat("periods", [row.period for row in rows]),
        counts=flat("counts", [row.counts for row in rows]),
        n=flat("n", [row.n for row in rows]),
        d=flat("d", [row.d for row in rows]),
        low=flat("low", [row.low for row in rows]),
        high=flat("high", [row.high for row in rows]),
        squares=flat("squares", [row.squares for row in rows]),
        samples=ragged("samples", [samples for samples, _ in drawn]),
        weights=ragged("weights", [weights for _, weights in drawn] if weighted else []),
        bins=ragged("bins", []),
        bin_counts=ragged("bin_counts", []),
        hashes=ragged("hashes", [sorted(set(row.hashes)) for row in rows]),
        registers=ragged("registers", []),
    )


def _draw(row: Row) -> tuple[list[float], list[float]]:
    """The samples of a row and their weights."""
    if row.kind is Kind.TIMER and not len(row.samples) and row.d > 0:
        return [row.n / row.d], [row.d]
    return list(row.samples), [1.0] * len(row.samples)


def split(columns: Columns, rows: int = ROWS_PER_RECORD, size: int = RECORD_BYTES // 4) -> list[Columns]:
    """Cut columns into pieces of at most ``rows`` rows and about ``size`` bytes each.

    Bytes matter as well because one row of a set or timer can take tens of kilobytes.  A
    piece has at least one row; no rows give no pieces.
    """
    total = len(columns)
    weight = _bytes_before(columns)
    pieces, begin = [], 0
    while begin < total:
        fits = int(np.searchsorted(weight, weight[begin] + size, side="right")) - 1
        end = min(begin + rows, max(fits, begin + 1), total)
        pieces.append(columns.cut(begin, end))
        begin = end
    return pieces


def _bytes_before(columns: Columns) -> npt.NDArray[np.int64]:
    """For each row, and the end, how many bytes the rows before it take."""
    total = len(columns)
    weight = np.zeros(total + 1, np.int64)
    for name, dtype in DTYPES.items():
        value = getattr(columns, name)
        width = np.dtype(dtype).itemsize
        if not isinstance(value, Ragged):
            weight += np.arange(total + 1) * width
        elif len(value.ends):
            weight[1:] += value.ends.astype(np.int64) * width
    return weight


def encode_parts(
    stream: str, columns: Columns, ids: Sequence[tuple[int, str]] = (), flush: int = -1
) -> bytes:
    """Write columns, and what ``model.Parts`` says of them, as the payload of a ``KIND_PARTS`` record."""
    arrays: list[npt.NDArray[Any]] = []
    for name, dtype in DTYPES.items():
        value = getattr(columns, name)
        if isinstance(value, Ragged):
            arrays.append(np.ascontiguousarray(value.ends, ENDS_DTYPE))
            arrays.append(np.ascontiguousarray(value.flat, dtype))
        else:
            arrays.append(_shortened(columns, name))
    lengths = [len(array) for array in arrays]
    header = orjson.dumps(
        {"stream": stream, "rows": len(columns), "lengths": lengths, "ids": ids, "flush": flush}
    )
    pieces: list[Buffer] = [len(header).to_bytes(4, "little"), header, _padding(4 + len(header))]
    for array in arrays:
        if array.nbytes:  # joined from where it lies: no copy of its own
            pieces += (array.view(np.uint8).data, _padding(array.nbytes))
    return b"".join(pieces)


def _shortened(columns: Columns, name: str) -> npt.NDArray[Any]:
    """A column that is not ragged as it is written."""
    values = np.ascontiguousarray(getattr(columns, name), DTYPES[name])
    rows = len(columns)
    if not rows or len(values) != rows:
        return values
    # By their bits: zeros have signs.
    bits = values.view(f"u{values.itemsize}")
    if name in _AS:
        other = np.ascontiguousarray(getattr(columns, _AS[name]), DTYPES[name])
        if np.array_equal(bits, other.view(bits.dtype)):
            return values[:0]
    return values[:1] if (bits == bits[0]).all() else values


def encode_events(events: Events) -> bytes:
    """Write events as the payload of a ``KIND_EVENTS`` record."""
    return orjson.dumps({"stream": events.stream, "events": events.events})


def encode_flushed(flushed: Flushed) -> bytes:
    """Write the end of a flush as the payload of a ``KIND_FLUSHED`` record."""
    return orjson.dumps(list(flushed))


def encode_tallies(tallies: list[Tally]) -> bytes:
    """Write lines of the books as the payload of a ``KIND_TALLIES`` record."""
    return orjson.dumps([list(tally) for tally in tallies])


def encode(content: Parts | Events | Flushed | list[Tally]) -> tuple[int, bytes]:
    """Write any content as the kind and payload of its record."""
    if isinstance(content, Parts):
        return KIND_PARTS, encode_parts(*content)
    if isinstance(content, Events):
        return KIND_EVENTS, encode_events(content)
    if isinstance(content, Flushed):
        return KIND_FLUSHED, encode_flushed(content)
    return KIND_TALLIES, encode_tallies(content)


def decode(kind: int, payload: bytes) -> Parts | Events | Flushed | list[Tally]:
    """Read a record's payload back.  ``ValueError`` when it is damaged or its kind unknown.

    Columns are read-only views of the payload.
    """
    if kind == KIND_PARTS:
        return _decode_parts(payload)
    content = orjson.loads(payload)
    try:
        if kind == KIND_EVENTS:
            return Events(_text(content["stream"]), _items(content["events"], dict))
        if kind == KIND_FLUSHED:
            stream, time, period = _typed(content, list)
            return Flushed(_text(stream), _typed(time, int), float(period))
        if kind == KIND_TALLIES:
            return [_tally(item) for item in _items(content, list)]
    except (TypeError, KeyError) as error:
        raise ValueError(f"a record of kind {kind} has the wrong shape: {error}") from error
    raise ValueError(f"unknown kind of record: {kind}")


def _decode_parts(payload: bytes) -> Parts:
    begin = 4 + int.from_bytes(payload[:4], "little")
    if len(payload) < begin:
        raise ValueError("the record is shorter than its header")
    header = orjson.loads(payload[4:begin])
    try:
        stream, rows = _text(header["stream"]), _typed(header["rows"], int)
        lengths = [_typed(length, int) for length in _typed(header["lengths"], list)]
        ids = tuple((_typed(received, int), _text(eid)) for received, eid in _items(header["ids"], list))
        flush = _typed(header["flush"], int)
    except (TypeError, KeyError) as error:
        raise ValueError(f"the header has the wrong shape: {error}") from error
    if len(lengths) == _LENGTHS_BEFORE_PACKS:
        lengths += [0, 0]
    most = max(*lengths, rows) if lengths else 0
    if len(lengths) != _LENGTHS or min(*lengths, rows) < 0 or most > len(payload):
        raise ValueError("the header does not count the arrays of a part")
    offset = begin + len(_padding(begin))
    values: dict[str, Any] = {}
    remaining = iter(lengths)
    for name, dtype in DTYPES.items():
        if name in _RAGGED:
            ends, offset = _array(payload, ENDS_DTYPE, next(remaining), offset)
            flat, offset = _array(payload, dtype, next(remaining), offset)
            values[name] = Ragged(ends, flat)
        else:
            array, offset = _array(payload, dtype, next(remaining), offset)
            if not len(array) and name in _AS:
                array = values[_AS[name]].astype(dtype, copy=False)
            values[name] = np.broadcast_to(array, rows) if len(array) == 1 else array
    if offset != len(payload):
        raise ValueError(f"the record has {len(payload)} bytes, its header says {offset}")
    columns = Columns(**values)
    _check(columns, rows)
    return Parts(stream, columns, ids, flush)


def _array(payload: bytes, dtype: str, length: int, offset: int) -> tuple[npt.NDArray[Any], int]:
    """A view of ``length`` elements at ``offset``, and where the next array begins.

    numpy raises ValueError where the payload is too short.
    """
    size = length * np.dtype(dtype).itemsize
    if not length:
        return np.empty(0, dtype), offset
    return np.frombuffer(payload, dtype, length, offset), offset + size + len(_padding(size))


def _check(columns: Columns, rows: int) -> None:
    """Raise ValueError unless the columns are of one length and index within themselves."""
    for field in fields(columns):
        value = getattr(columns, field.name)
        if not isinstance(value, Ragged):
            if len(value) != rows:
                raise ValueError(f"column {field.name} has {len(value)} of {rows} rows")
        elif not _is_sound(value, rows):
            raise ValueError(f"the ragged column {field.name} does not fit its rows")
    if rows and (len(columns.keys.ends) != rows or columns.kinds.max() > max(Kind)):
        raise ValueError("a row has no key or an unknown kind")
    for name, beside in _PAIRS:
        ends, other = getattr(columns, name).ends, getattr(columns, beside).ends
        if len(other) and not np.array_equal(ends, other):
            raise ValueError(f"{beside} do not fit {name}")
    if len(columns.bins.ends) != len(columns.bin_counts.ends):
        raise ValueError("bins have no counts")
    if len(columns.packs.ends):
        _check_packs(columns)


def _check_packs(columns: Columns) -> None:
    counts, _, lasts = spans(columns.packs)
    if not ((counts == 0) | ((counts == columns.counts) & (lasts == columns.times))).all():
        raise ValueError("a pack has not the points of its row")


def _is_sound(ragged: Ragged, rows: int) -> bool:
    ends = ragged.ends
    if not len(ends):
        return not len(ragged.flat)
    return len(ends) == rows and int(ends[-1]) == len(ragged.flat) and bool((ends[1:] >= ends[:-1]).all())


def _padding(size: int) -> bytes:
    return bytes(-size % ALIGNMENT)


def _typed(value: Any, wanted: type[Any]) -> Any:
    if not isinstance(value, wanted):
        raise TypeError(f"{value!r} is not {wanted.__name__}")
    return value


def _text(value: Any) -> str:
    return str(_typed(value, str))


def _items(value: Any, wanted: type[Any]) -> list[Any]:
    return [_typed(item, wanted) for item in _typed(value, list)]


def _tally(item: list[Any]) -> Tally:
    *words, number = item
    stream, day, source, outcome, reason = (_text(word) for word in words)
    return Tally(stream, day, source, outcome, reason, _typed(number, int))
