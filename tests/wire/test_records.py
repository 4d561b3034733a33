"""What is written into a record is read back; damage is an error, never a wrong answer."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metronome.fold.columns import join
from metronome.kernel import pack
from metronome.limits import ROWS_PER_RECORD
from metronome.model import (
    Columns,
    Event,
    Events,
    Flushed,
    Kind,
    Parts,
    Ragged,
    Series,
    Tally,
    series_key,
)
from metronome.wire import records
from metronome.wire.records import Row, columns_of


def row(name: str = "a", kind: Kind = Kind.TIMER, **changes: Any) -> Row:
    key = series_key(Series(name, (), kind))
    plain = Row(key, len(name), kind, 1000, 10.0, 2, 3.0, 2.0, 1.0, 2.0, 5.0, ())
    return plain._replace(**changes)


def as_lists(columns: Columns) -> dict[str, Any]:
    """Columns as plain values, ragged ones row by row."""
    out: dict[str, Any] = {}
    for field in fields(columns):
        value = getattr(columns, field.name)
        if isinstance(value, Ragged):
            out[field.name] = [value.row(index).tolist() for index in range(len(columns))]
        else:
            out[field.name] = value.tolist()
    return out


FULL = replace(
    columns_of(
        [
            row("a", samples=(2.5, 1.0)),
            row("caf\u00e9", Kind.SET, hashes=(7, 3, 7, (1 << 64) - 1)),
            row("c", Kind.COUNTER),
        ]
    ),
    weights=Ragged(np.array([2, 2, 2], np.uint32), np.array([1.0, 10.0])),
    bins=Ragged(np.array([0, 0, 3], np.uint32), np.array([-7, 0, 7], np.int16)),
    bin_counts=Ragged(np.array([0, 0, 3], np.uint32), np.array([1.0, 2.0, 0.5])),
    registers=Ragged(np.array([0, 0, 5], np.uint32), np.arange(5, dtype=np.uint8)),
)
"""Every column holds something; no real row has all of it."""

ROWS = st.lists(
    st.builds(
        Row,
        key=st.builds(
            lambda name, kind: series_key(Series(name, (("k", "v"),), kind)),
            st.text(min_size=1, max_size=5).map(lambda text: text.replace("\0", "")),
            st.sampled_from(Kind),
        ),
        series_id=st.integers(0, 2**64 - 1),
        kind=st.sampled_from(Kind),
        time=st.integers(0, 2**50),
        period=st.floats(0, 1e6),
        counts=st.integers(0, 2**32 - 1),
        n=st.floats(allow_nan=False),
        d=st.floats(0, 10),
        low=st.floats(allow_nan=False),
        high=st.floats(allow_nan=False),
        squares=st.floats(allow_nan=False),
        samples=st.lists(st.floats(allow_nan=False), max_size=5),
        hashes=st.lists(st.integers(0, 2**64 - 1), max_size=5),
    ),
    max_size=6,
)


def test_rows_become_columns() -> None:
    """Rows keep their order; members ascend without repeats; absent columns have no ends."""
    columns = columns_of([row("a", samples=(2.5, 1.0)), row("b", Kind.SET, hashes=(7, 3, 7))])
    assert columns.key(0) == b"ta"
    assert columns.key(1) == b"sb"
    assert columns.samples.row(0).tolist() == [2.5, 1.0]
    assert columns.samples.row(1).tolist() == []
    assert columns.hashes.row(1).tolist() == [3, 7]
    assert not len(columns.weights.ends)
    assert not len(columns.bins.ends)


def test_timer_without_samples_counts_as_its_mean() -> None:
    """A timer point that is only n and d has d samples of n / d; with d = 0 it has none."""
    columns = columns_of([row("a", n=30.0, d=10.0), row("b", samples=(1.0,)), row("c", d=0.0)])
    assert [columns.samples.row(index).tolist() for index in range(3)] == [[3.0], [1.0], []]
    assert [columns.weights.row(index).tolist() for index in range(3)] == [[10.0], [1.0], []]


@pytest.mark.parametrize("columns", [FULL, columns_of([]), columns_of([row("c", Kind.COUNTER)])])
def test_parts_round_trip(columns: Columns) -> None:
    """Parts come back as they were, as views of the payload."""
    parts = records.decode(records.KIND_PARTS, records.encode_parts("main", columns))
    assert isinstance(parts, Parts)
    assert parts.stream == "main"
    assert as_lists(parts.columns) == as_lists(columns)
    assert not len(columns) or not parts.columns.n.flags.writeable


@given(ROWS)
def test_any_rows_round_trip(rows: list[Row]) -> None:
    """Whatever rows hold, encoding and decoding keeps it."""
    columns = columns_of(rows)
    parts = records.decode(records.KIND_PARTS, records.encode_parts("s", columns))
    assert isinstance(parts, Parts)
    assert as_lists(parts.columns) == as_lists(columns)


def plain(columns: Columns) -> dict[str, Any]:
    """The columns that are not ragged."""
    values = {field.name: getattr(columns, field.name) for field in fields(Columns)}
    return {name: value for name, value in values.items() if not isinstance(value, Ragged)}


def read(payload: bytes) -> Columns:
    parts = records.decode(records.KIND_PARTS, payload)
    assert isinstance(parts, Parts)
    return parts.columns


def test_what_is_the_same_in_all_rows_is_written_once() -> None:
    """And what is the same in two columns: of a counter there are its key, its id, n and how many."""
    rows = [row(f"c{n}", Kind.COUNTER, n=n / 2, counts=n, d=float(n)) for n in range(2000)]
    columns = columns_of(rows)
    columns = replace(columns, low=columns.n, high=columns.n)
    payload = records.encode_parts("main", columns)
    keys = len(columns.keys.flat) + 4 * len(columns)
    assert len(payload) - keys < (8 + 8 + 4) * 2000 + 400
    assert as_lists(read(payload)) == as_lists(columns)
    assert {len(value) for value in plain(read(payload)).values()} == {2000}


def test_zeros_keep_their_signs() -> None:
    """A column is only left out where every bit of it stands elsewhere."""
    low, high = np.array([-0.0, 0.0]), np.full(2, -0.0)
    columns = replace(columns_of([row("a", n=0.0), row("b", n=0.0)]), low=low, high=high)
    decoded = read(records.encode_parts("main", columns))
    for name in ("n", "low", "high"):
        assert getattr(decoded, name).tobytes() == getattr(columns, name).tobytes()


def test_records_of_former_versions_are_read() -> None:
    """Every column stood there in full."""
    columns = columns_of([row("a", Kind.COUNTER), row("b", Kind.COUNTER)])
    arrays: list[Any] = []
    for name, dtype in records.DTYPES.items():
        value = getattr(columns, name)
        if isinstance(value, Ragged):
            arrays.append(np.ascontiguousarray(value.ends, "<u4"))
            value = value.flat
        arrays.append(np.ascontiguousarray(value, dtype))
    payload = parts_header(2, [len(one) for one in arrays], flush=-1)
    payload += b"".join(one.tobytes() + bytes(-one.nbytes % 8) for one in arrays)
    assert as_lists(read(payload)) == as_lists(columns)


def test_arrays_are_aligned() -> None:
    """Arrays begin on multiples of 8 bytes, whatever the header's length is."""
    for length in range(9):
        parts = records.decode(records.KIND_PARTS, records.encode_parts("s" * length, FULL))
        assert isinstance(parts, Parts)
        assert parts.columns.n.flags.aligned
        assert parts.columns.hashes.flat.flags.aligned


def parts_header(rows: int, lengths: list[int], **more: int) -> bytes:
    """The payload of parts up to where the arrays begin."""
    header = orjson.dumps({"stream": "s", "rows": rows, "lengths": lengths, "ids": [], **more})
    text = len(header).to_bytes(4, "little") + header
    return text + bytes(-len(text) % 8)


EVENT: Event = {"time": 1, "type": "view", "id": "x", "labels": {"a": "b"}, "fields": {"f": 1.5}}


@pytest.mark.parametrize(
    "content",
    [
        Parts("main", FULL, ((1000, "main\0tick-1"),)),
        Events("main", [EVENT]),
        Events("main", []),
        Flushed("main", 1000, 10.0),
        [Tally("main", "2024-01-01", "udp", "rejected", "bad_value", 3)],
        [],
    ],
    ids=["parts", "events", "no events", "flushed", "tallies", "no tallies"],
)
def test_content_round_trip(content: Any) -> None:
    """Every content is read back equal, deduplication ids included."""
    decoded = records.decode(*records.encode(content))
    if isinstance(content, Parts):
        assert isinstance(decoded, Parts)
        assert (decoded.stream, decoded.ids) == (content.stream, content.ids)
    else:
        assert decoded == content
        assert type(decoded) is type(content)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (99, b"{}"),
        (records.KIND_EVENTS, b"[]"),
        (records.KIND_EVENTS, b'{"stream":1,"events":[]}'),
        (records.KIND_EVENTS, b'{"stream":"s","events":[1]}'),
        (records.KIND_EVENTS, b"\xff"),
        (records.KIND_FLUSHED, b'["s",1]'),
        (records.KIND_FLUSHED, b'["s","x",1.0]'),
        (records.KIND_TALLIES, b'[["s","d","u","o","r"]]'),
        (records.KIND_TALLIES, b'[["s","d","u","o","r","1"]]'),
        (records.KIND_PARTS, b""),
        (records.KIND_PARTS, b"\x02\0\0\0{}"),
        (records.KIND_PARTS, b"\xff\xff\xff\xff"),
        (records.KIND_PARTS, parts_header(rows=0, lengths=[1 << 62] + [0] * 23)),
        (records.KIND_PARTS, parts_header(rows=-1, lengths=[0] * 24)),
        (records.KIND_PARTS, parts_header(rows=0, lengths=[0] * 23)),
    ],
)
def test_wrong_shape_is_a_value_error(kind: int, payload: bytes) -> None:
    """A payload of another shape is refused as damage."""
    with pytest.raises(ValueError, match=r".+"):
        records.decode(kind, payload)


@given(st.data())
def test_damaged_parts_are_refused_or_sound(data: st.DataObject) -> None:
    """Cut or flipped, a payload either fails as damage or gives columns that can be indexed."""
    payload = bytearray(records.encode_parts("main", FULL))
    if data.draw(st.booleans()):
        del payload[data.draw(st.integers(0, len(payload) - 1)) :]
    else:
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        parts = records.decode(records.KIND_PARTS, bytes(payload))
    except ValueError:
        return
    assert isinstance(parts, Parts)
    assert set(as_lists(parts.columns)) == {field.name for field in fields(Columns)}


def _damaged(**changes: Any) -> Columns:
    return replace(FULL, **changes)


@pytest.mark.parametrize(
    "columns",
    [
        _damaged(n=np.zeros(2)),
        _damaged(keys=Ragged(np.empty(0, np.uint32), np.empty(0, np.uint8))),
        _damaged(kinds=np.array([0, 1, 4], np.uint8)),
        _damaged(samples=Ragged(np.array([2, 1, 3], np.uint32), np.zeros(3))),
        _damaged(samples=Ragged(np.array([1, 1, 1], np.uint32), np.zeros(3))),
        _damaged(weights=Ragged(np.array([1, 2, 2], np.uint32), np.zeros(2))),
        _damaged(bin_counts=Ragged(np.empty(0, np.uint32), np.empty(0))),
    ],
    ids=["short column", "no keys", "kind", "ends descend", "ends stop early", "weights", "no counts"],
)
def test_columns_that_do_not_fit_each_other_are_refused(columns: Columns) -> None:
    """A record whose checksum was right but whose arrays do not fit is refused as a whole."""
    with pytest.raises(ValueError, match=r".+"):
        records.decode(records.KIND_PARTS, records.encode_parts("main", columns))


def test_split_cuts_by_rows() -> None:
    """Many rows are cut into records of the usual size, in order and without loss."""
    columns = columns_of([row("c", Kind.COUNTER, n=float(index)) for index in range(2 * ROWS_PER_RECORD + 5)])
    pieces = records.split(columns)
    assert [len(piece) for piece in pieces] == [ROWS_PER_RECORD, ROWS_PER_RECORD, 5]
    assert np.array_equal(np.concatenate([piece.n for piece in pieces]), columns.n)


def test_split_cuts_by_bytes() -> None:
    """Rows that are large are cut by their size; one too large alone stands alone."""
    rows = [row("a", samples=(1.0,) * length) for length in (10, 10, 2000, 10)]
    pieces = records.split(columns_of(rows), size=1000)
    assert [len(piece) for piece in pieces] == [2, 1, 1]
    assert [len(piece.samples.flat) for piece in pieces] == [20, 2000, 10]


def test_split_of_nothing() -> None:
    """No rows give no records."""
    assert records.split(columns_of([])) == []


def decoded(payload: bytes) -> Parts:
    parts = records.decode(records.KIND_PARTS, payload)
    assert isinstance(parts, Parts)
    return parts


PACKED = replace(
    columns_of([row("a", Kind.GAUGE, time=5000, counts=2, period=0.0), row("b", Kind.GAUGE)]),
    packs=pack([2, 0], [1000, 5000], [2.0, 3.0]),
)


def test_packs_come_back() -> None:
    """With their rows; and other columns are written as before there were any."""
    payload = records.encode_parts("main", PACKED)
    assert as_lists(decoded(payload).columns) == as_lists(PACKED)
    plain = records.encode_parts("main", columns_of([row()]))
    assert len(decoded(plain).columns.packs.ends) == 0


def test_records_of_versions_without_packs_are_read() -> None:
    """Their header counts two arrays less."""
    payload = records.encode_parts("main", FULL, ids=((1, "x"),), flush=7)
    begin = 4 + int.from_bytes(payload[:4], "little")
    header = orjson.loads(payload[4:begin])
    assert header["lengths"][-2:] == [0, 0]
    header["lengths"] = header["lengths"][:-2]
    text = orjson.dumps(header)
    older = len(text).to_bytes(4, "little") + text
    older += bytes(-len(older) % 8) + payload[begin + -begin % 8 :]
    parts = decoded(older)
    assert (as_lists(parts.columns), parts.ids, parts.flush) == (as_lists(FULL), ((1, "x"),), 7)


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": np.array([3, 2], np.uint32)},
        {"times": np.array([5001, 1000], np.int64)},
        {"packs": Ragged(PACKED.packs.ends - np.array([1, 0], np.uint32), PACKED.packs.flat)},
        {"packs": Ragged(PACKED.packs.ends * np.array([0, 1], np.uint32), PACKED.packs.flat)},
    ],
)
def test_packs_that_are_not_of_their_rows(wrong: dict[str, Any]) -> None:
    """Other numbers of points, other times, what is no pack."""
    with pytest.raises(ValueError, match="pack"):
        decoded(records.encode_parts("main", replace(PACKED, **wrong)))


def test_records_are_split_by_the_bytes_of_packs_too() -> None:
    """A row with a large pack weighs as much as it is."""
    columns = join([PACKED] * 50)
    pieces = records.split(columns, size=1000)
    assert 5 < len(pieces) < 20
    assert as_lists(join(pieces)) == as_lists(columns)
