"""The values of ``/metrics`` as protocol buffers: what stands in a ``metric`` beside its labels.

Source: ``io/prometheus/client/metrics.proto`` of Prometheus' client model; "Native Histograms" of the
Prometheus documentation.  The kernel writes names and labels (``kernel/messages.py``); here are

=========  ========================================================================================
counter    ``3: {1: value, 2: exemplar, 3: created}``
gauge      ``2: {1: value}``
summary    ``4: {1: count, 2: sum, 3: {1: quantile, 2: value}…, 4: created}``
histogram  ``7: {1: count, 2: sum, 3: {1: count, 2: limit, 3: exemplar}…, 15: created}`` and, where it has
           native buckets, ``5: schema, 6: zero threshold, 7: in it, 9: spans, 10: deltas`` of negative
           values, ``12: spans, 13: deltas`` of positive ones, ``16: exemplars``
exemplar   ``{1: {1: label, 2: value}…, 2: value, 3: time}``
=========  ========================================================================================

Counts that are not whole (samples with a rate) make a histogram of doubles: ``4`` and ``8`` instead of
``1`` and ``7``, ``11`` and ``14`` instead of deltas, ``4`` instead of ``1`` in a bucket.

Of many series of one kind the values are written at once, as rows of equal length: a count takes
nine bytes and a time five however small they are, which a varint may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from metronome.kernel import families
from metronome.kernel.families import Escaping
from metronome.model import F64, U8
from metronome.wire import protobuf
from metronome.wire.prometheus_text import unit_of

_LARGEST: Final = (1 << 63) - 1
_OWN_TYPES: Final = {"counter": 0, "gauge": 1}


class Exemplar(NamedTuple):
    """One observation, and the trace that it is of."""

    labels: tuple[tuple[str, str], ...]
    value: float
    time: float
    """Epoch seconds."""


class Side(NamedTuple):
    """Buckets of values of one sign: indices, ascending, and counts."""

    indices: Sequence[int]
    counts: Sequence[float]


class Native(NamedTuple):
    """The native buckets of one histogram."""

    schema: int
    threshold: float
    """Values nearer to zero are in the zero bucket."""
    zero: float
    below: Side
    above: Side

    @property
    def values(self) -> float:
        """How many values there are."""
        return self.zero + sum(self.below.counts) + sum(self.above.counts)

    @property
    def whole(self) -> bool:
        """Whether all counts are whole."""
        return not any(count % 1 for count in (self.zero, *self.below.counts, *self.above.counts))


def pair(name: str, value: str) -> bytes:
    """A label of a metric."""
    return protobuf.data(1, protobuf.text(1, name) + protobuf.text(2, value))


def gauges(values: F64) -> U8:
    """A row of bytes for each value."""
    return _rows(len(values), [protobuf.tag(2, protobuf.BYTES) + b"\x09\x09", _doubles(values)])


def counters(values: F64, created: F64) -> U8:
    """A row of bytes for each; ``created`` in epoch seconds."""
    created_at = _padded(created, 5)
    return _rows(len(values), [b"\x1a\x11\x09", _doubles(values), b"\x1a\x06\x08", created_at])


def summaries(quantiles: Sequence[float], values: F64, counts: F64, sums: F64, created: F64) -> U8:
    """A row of bytes for each; ``values`` has a row of quantiles for each."""
    inside: list[bytes | U8] = [b"\x08", _padded(counts, 9), b"\x11", _doubles(sums)]
    for at, quantile in enumerate(quantiles):
        inside += [b"\x1a\x12" + protobuf.double(1, quantile) + b"\x11", _doubles(values[:, at])]
    inside += [b"\x22\x06\x08", _padded(created, 5)]
    length = sum(len(piece) if isinstance(piece, bytes) else piece.shape[1] for piece in inside)
    return _rows(len(counts), [b"\x22" + protobuf.varint(length), *inside])


def histogram(
    limits: Sequence[float],
    cumulative: F64,
    total: float,
    created: float,
    native: Native | None = None,
    exemplars: Sequence[Exemplar] = (),
) -> bytes:
    """The body of one; ``cumulative`` has a count for each limit, and last the count of all."""
    whole = native is None or native.whole
    count, counts = (1, counted) if whole else (4, protobuf.double)
    everything = float(cumulative[-1]) if native is None else native.values
    pieces = [counts(count, everything), protobuf.double(2, total)]
    least = -np.inf
    for limit, number in zip(limits, cumulative.tolist(), strict=False):
        inside = counts(count, number) + protobuf.double(2, limit)
        own = [one for one in exemplars if least < one.value <= limit]
        pieces.append(
            protobuf.data(3, inside + b"".join(protobuf.data(3, exemplar(one)) for one in own[-1:]))
        )
        least = limit
    if native is not None:
        pieces += _native(native, whole)
        pieces += [protobuf.data(16, exemplar(one)) for one in exemplars]
    pieces.append(protobuf.data(15, timestamp(created)))
    return protobuf.data(7, b"".join(pieces))


def counter(value: float, created: float, one: Exemplar) -> bytes:
    """The body of a counter with an exemplar."""
    inside = protobuf.double(1, value) + protobuf.data(2, exemplar(one))
    return protobuf.data(3, inside + protobuf.data(3, timestamp(created)))


def exemplar(one: Exemplar) -> bytes:
    """What is in an exemplar."""
    labels = b"".join([pair(name, value) for name, value in one.labels])
    return labels + protobuf.double(2, one.value) + protobuf.data(3, timestamp(one.time))


def timestamp(seconds: float) -> bytes:
    """What is in a time."""
    nanoseconds = round(seconds % 1 * 1e9)
    return protobuf.whole(1, int(seconds // 1)) + (protobuf.whole(2, nanoseconds) if nanoseconds else b"")


def own_family(
    name: str,
    kind: str,
    meaning: str,
    samples: Iterable[tuple[dict[str, str], float]],
    escaping: Escaping,
    created: float = 0.0,
) -> bytes:
    """A whole family of our own, of counters or gauges, behind its length; ``created`` is when counters
    began to count (epoch seconds), 0 where that is not known."""
    counter = kind == "counter"
    base = families.base_of(name, counter)
    shown = families.family_name(base, counter, escaping, open_metrics=False)
    pieces = [protobuf.text(1, shown), protobuf.text(2, meaning), protobuf.whole(3, _OWN_TYPES[kind])]
    began = protobuf.data(3, timestamp(created)) if counter and created else b""
    for labels, value in samples:
        pairs = [pair(families.escaped(label, escaping, True), text) for label, text in labels.items()]
        body = protobuf.data(3 if counter else 2, protobuf.double(1, value) + began)
        pieces.append(protobuf.data(4, b"".join(pairs) + body))
    unit = unit_of(families.family_name(base, counter, escaping, open_metrics=True))
    return protobuf.delimited(b"".join(pieces) + (protobuf.text(5, unit) if unit else b""))


# --- pieces -----------------------------------------------------------------------------------


def _native(native: Native, whole: bool) -> list[bytes]:
    pieces = [protobuf.signed(5, native.schema), protobuf.double(6, native.threshold)]
    pieces.append(counted(7, native.zero) if whole else protobuf.double(8, native.zero))
    pieces += bucket_fields(native.below, (9, 10, 11), whole)
    pieces += bucket_fields(native.above, (12, 13, 14), whole)
    if not native.above.indices and not native.below.indices:
        # Something has to say that it is a native one: a span of nothing.
        pieces.append(protobuf.data(12, protobuf.signed(1, 0) + protobuf.whole(2, 0)))
    return pieces


def bucket_fields(side: Side, fields: tuple[int, int, int], whole: bool) -> list[bytes]:
    """Spans of neighbouring buckets, and their counts."""
    indices = side.indices
    begins = [at for at, index in enumerate(indices) if not at or index != indices[at - 1] + 1]
    pieces, end = [], 0
    for begin, stop in pairwise([*begins, len(indices)]):
        pieces.append(_span(fields[0], indices[begin] - end, stop - begin))
        end = indices[stop - 1] + 1
    if not pieces:
        return []
    if not whole:
        return [*pieces, protobuf.packed_doubles(fields[2], np.array(side.counts))]
    counts = [min(int(count), _LARGEST // 2) for count in side.counts]
    deltas = [count - before for before, count in zip([0, *counts], counts, strict=False)]
    return [*pieces, protobuf.packed_signed(fields[1], deltas)]


@lru_cache(maxsize=1 << 12)
def _span(field: int, offset: int, length: int) -> bytes:
    return protobuf.data(field, protobuf.signed(1, offset) + protobuf.whole(2, length))


def counted(field: int, value: float) -> bytes:
    """A field with a count, which is whole."""
    return protobuf.whole(field, round(min(value, _LARGEST)))


def _doubles(values: F64) -> U8:
    return np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(len(values), 8)


def _padded(values: npt.NDArray[np.float64], size: int) -> U8:
    """Varints of one length."""
    most = 2.0 ** (7 * size) * (1 - 2.0**-53)
    whole = np.minimum(np.maximum(values, 0), most).astype(np.uint64)
    shifts = np.arange(size, dtype=np.uint64) * np.uint64(7)
    found = (whole[:, None] >> shifts & np.uint64(0x7F)).astype(np.uint8)
    found[:, :-1] |= 0x80
    return found


def _rows(number: int, pieces: Sequence[bytes | U8]) -> U8:
    """Pieces side by side; a bytes piece stands in every row."""
    columns = [
        np.broadcast_to(np.frombuffer(piece, np.uint8), (number, len(piece)))
        if isinstance(piece, bytes)
        else piece
        for piece in pieces
    ]
    return np.hstack(columns)
