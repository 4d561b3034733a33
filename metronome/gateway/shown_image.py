"""What stands on ``/metrics``, as bytes: so that counters go on after a restart.

An image is blocks one behind the other: first what it is an image of, then the series of each sheet,
some thousand in a block, and last one that says that it is complete.

Block: ``u32 length of header | u32 length of payload | JSON header | payload | u32 CRC-32`` of all before.
The payload of series is arrays, one behind the other, little endian: lengths of keys (u32), keys, ids
(u64), values (f64), last heard of and begun at (u32), meaning (u16), whether shown (u8), what
stands beside (f64), and of native buckets series (u32), code (i32) and count (f64).

What stands beside a value means something only together with the manner in which it is shown.  A
**meaning** says which that was; where another one is in force after a restart, what does not fit it
begins anew.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from metronome.fold.columns import no_rows
from metronome.gateway.beside import HISTOGRAM, SUMMARY, Manner
from metronome.gateway.shown import SHOWN, U32, Sheet
from metronome.kernel import copied
from metronome.kernel.writing import Texts
from metronome.model import F64, I64, U8, U64, Columns, Ragged

_FRAME: Final = 12
"""Bytes of a block beside header and payload."""


class Origin(NamedTuple):
    """What an image is of."""

    journal: str
    """Identity of the journal that the positions are of."""
    position: int
    """All marks before it, and what they ended, are in the values of series."""
    applied: dict[str, int]
    """The same for the groups of each stream."""
    replay: int
    """Where the next run begins to read."""
    at: float
    """When it was made, epoch seconds."""


class Meaning(NamedTuple):
    """What the numbers of a series say."""

    rule: str
    """Of groups: the rule that makes them; empty: series by themselves."""
    kind: int
    type: int
    quantiles: tuple[float, ...]
    buckets: tuple[float, ...]
    schema: int

    @property
    def width(self) -> int:
        """As :attr:`Manner.width`."""
        return Manner(self.type, "", self.quantiles, self.buckets).width

    def fits(self, manner: Manner) -> bool:
        """Whether the numbers beside are those that a manner has."""
        return self[2:] == (manner.type, manner.quantiles, manner.buckets, manner.schema)


class Rows(NamedTuple):
    """Some series of one sheet; groups, if their meanings name rules."""

    stream: str
    keys: Texts
    ids: U64
    n: F64
    seen: U32
    born: U32
    shown: npt.NDArray[np.bool_]
    meanings: list[Meaning]
    which: I64
    """Of each series, its meaning."""
    beside: F64
    """As many for each series as its meaning says."""
    native: tuple[I64, I64, F64]
    """Native buckets: which series, code and count."""


def meaning_of(manner: Manner, rule: str = "", kind: int = 0) -> Meaning:
    """What the numbers of series say that are shown in a manner."""
    return Meaning(rule, int(kind), manner.type, manner.quantiles, manner.buckets, manner.schema)


def rows_of(sheet: Sheet, numbers: I64, by_manner: Sequence[Meaning]) -> Rows:
    """What is to be kept of series."""
    found, which = np.unique(sheet.manner(numbers), return_inverse=True)
    meanings = [by_manner[manner] for manner in found.tolist()]
    widths = np.array([one.width for one in meanings], np.int64)[which]
    beside = np.zeros(int(widths.sum()))
    begins = np.cumsum(widths) - widths
    for at, manner in enumerate(found.tolist()):
        if meanings[at].width:
            rows = np.flatnonzero(which == at)
            values, places = sheet.beside(numbers[rows], manner)
            beside[begins[rows][:, None] + np.arange(meanings[at].width)] = values[places]
    return Rows(
        sheet.stream,
        sheet.roster.texts(numbers),
        sheet.roster.ids(numbers),
        sheet.n[numbers],
        sheet.seen[numbers],
        sheet.born[numbers],
        sheet.state[numbers] >= SHOWN,
        meanings,
        which,
        beside,
        sheet.spread.of(numbers),
    )


def taken(rows: Rows, wanted: I64) -> Rows:
    """Some of them, ascending."""
    widths = np.array([one.width for one in rows.meanings], np.int64)[rows.which]
    begins = np.cumsum(widths) - widths
    owners, codes, counts = rows.native
    places = np.full(len(rows.ids), -1)
    places[wanted] = np.arange(len(wanted))
    mine = places[owners] >= 0
    beside = [
        rows.beside[begin : begin + width]
        for begin, width in zip(begins[wanted], widths[wanted], strict=True)
    ]
    return rows._replace(
        keys=Texts(rows.keys.flat, rows.keys.begins[wanted], rows.keys.ends[wanted]),
        ids=rows.ids[wanted],
        n=rows.n[wanted],
        seen=rows.seen[wanted],
        born=rows.born[wanted],
        shown=rows.shown[wanted],
        which=rows.which[wanted],
        beside=np.concatenate([rows.beside[:0], *beside]),
        native=(places[owners[mine]], codes[mine], counts[mine]),
    )


def columns_of(rows: Rows) -> Columns:
    """Rows that say nothing but which series they are."""
    ends = np.cumsum(rows.keys.ends - rows.keys.begins).astype(np.uint32)
    return replace(no_rows(), keys=Ragged(ends, copied(rows.keys)), ids=rows.ids)


def put(sheet: Sheet, numbers: I64, rows: Rows, later: float, now: float) -> None:
    """Give series, new on a sheet and with their manners, what was kept of them ``later`` seconds ago."""
    sheet.seen[numbers] = np.minimum(rows.seen + later, now).astype(np.uint32)
    sheet.born[numbers], sheet.n[numbers] = rows.born, rows.n
    widths = np.array([one.width for one in rows.meanings], np.int64)[rows.which]
    begins = np.cumsum(widths) - widths
    manners = sheet.manner(numbers)
    anew = np.zeros(len(numbers), np.bool_)
    for code in np.unique(rows.which << 16 | manners).tolist():
        meaning, number = rows.meanings[code >> 16], code & 0xFFFF
        manner = sheet.manners[number]
        mine = np.flatnonzero((rows.which == code >> 16) & (manners == number))
        if meaning.fits(manner) and meaning.width:
            values, places = sheet.beside(numbers[mine], number)
            values[places] = rows.beside[begins[mine][:, None] + np.arange(meaning.width)]
        elif meaning.type == manner.type == SUMMARY:
            values, places = sheet.beside(numbers[mine], number)
            values[places, 0], values[places, 1:] = rows.beside[begins[mine]], np.nan
        elif meaning.type != manner.type or meaning.type == HISTOGRAM:
            anew[mine] = True
    sheet.n[numbers[anew]], sheet.born[numbers[anew]] = 0, int(now)
    of, codes, counts = rows.native
    kept = ~anew[of]
    sheet.spread.add(numbers[of[kept]], codes[kept], counts[kept])


# --- bytes ------------------------------------------------------------------------------------


def encode_origin(origin: Origin) -> bytes:
    """The first block."""
    return _block({"origin": origin._asdict()}, b"")


def encode_end() -> bytes:
    """The last one."""
    return _block({"end": True}, b"")


def encode_rows(rows: Rows) -> bytes:
    """A block of series."""
    keys = copied(rows.keys).tobytes()
    owners, codes, counts = rows.native
    arrays: list[tuple[npt.NDArray[Any], str]] = [
        (rows.keys.ends - rows.keys.begins, "<u4"),
        (rows.ids, "<u8"),
        (rows.n, "<f8"),
        (rows.seen, "<u4"),
        (rows.born, "<u4"),
        (rows.which, "<u2"),
        (rows.shown, "u1"),
        (rows.beside, "<f8"),
        (owners, "<u4"),
        (codes, "<i4"),
        (counts, "<f8"),
    ]
    header = {
        "stream": rows.stream,
        "meanings": [tuple(meaning) for meaning in rows.meanings],
        "keys": len(keys),
        "counts": [len(array) for array, _ in arrays],
    }
    return _block(header, b"".join([keys, *(array.astype(dtype).tobytes() for array, dtype in arrays)]))


def decode(data: memoryview) -> Iterator[Origin | Rows]:
    """Read an image; ``ValueError`` when it is damaged or not complete."""
    at = 0
    while True:
        header, payload, at = _read(data, at)
        if "end" in header:
            return
        yield Origin(**header["origin"]) if "origin" in header else _rows(header, payload)


def _rows(header: dict[str, Any], payload: memoryview) -> Rows:
    end = header["keys"]
    dtypes = ("<u4", "<u8", "<f8", "<u4", "<u4", "<u2", "u1", "<f8", "<u4", "<i4", "<f8")
    arrays: list[npt.NDArray[Any]] = []
    for count, dtype in zip(header["counts"], dtypes, strict=True):
        arrays.append(np.frombuffer(payload, dtype, count, end))
        end += arrays[-1].nbytes
    lengths, ids, n, seen, born, which, shown, beside, owners, codes, counts = arrays
    ends = np.cumsum(lengths, dtype=np.int64)
    flat: U8 = np.frombuffer(payload, np.uint8, header["keys"])
    meanings = [
        Meaning(rule, kind, of_type, tuple(quantiles), tuple(buckets), schema)
        for rule, kind, of_type, quantiles, buckets, schema in header["meanings"]
    ]
    native = owners.astype(np.int64), codes.astype(np.int64), counts
    texts = Texts(flat, ends - lengths, ends)
    return Rows(
        header["stream"],
        texts,
        ids,
        n,
        seen,
        born,
        shown > 0,
        meanings,
        which.astype(np.int64),
        beside,
        native,
    )


def _block(header: dict[str, Any], payload: bytes) -> bytes:
    told = orjson.dumps(header)
    lengths = len(told).to_bytes(4, "little") + len(payload).to_bytes(4, "little")
    body = b"".join([lengths, told, payload])
    return body + zlib.crc32(body).to_bytes(4, "little")


def _read(data: memoryview, at: int) -> tuple[dict[str, Any], memoryview, int]:
    """Header and payload of a block, and where it ends."""
    first, second = (int.from_bytes(data[begin : begin + 4], "little") for begin in (at, at + 4))
    end = at + _FRAME + first + second
    if len(data) < end or zlib.crc32(data[at : end - 4]).to_bytes(4, "little") != data[end - 4 : end]:
        raise ValueError("it is damaged or not complete")
    header = orjson.loads(data[at + 8 : at + 8 + first])
    return header, data[at + 8 + first : end - 4], end
