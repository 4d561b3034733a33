"""Prometheus remote write, written: requests of protocol 1.0 and 2.0.

Sources: "Prometheus Remote-Write Specification" 1.0 and 2.0 (release candidate 4).  The rules
that the writer obeys:

- A request is one protobuf message, compressed as one block of snappy, without its framing.
- Labels stand sorted by name, each once, ``__name__`` among them; an empty value is no label.
- Samples of one series come in the order of their times, which are milliseconds.
- A series that ends gets one more sample, whose value is a NaN of certain bits.
- 1.0: ``WriteRequest{timeseries = 1, metadata = 3}``, ``TimeSeries{labels = 1, samples = 2}``,
  ``Label{name = 1, value = 2}``, ``Sample{value = 1, timestamp = 2}``,
  ``MetricMetadata{type = 1, metric_family_name = 2, help = 4, unit = 5}``.
- 2.0: ``Request{symbols = 4, timeseries = 5}``, ``TimeSeries{labels_refs = 1, samples = 2,
  histograms = 3, metadata = 5}``, ``Sample{value = 1, timestamp = 2, start_timestamp = 3}``,
  ``Metadata{type = 1, help_ref = 3, unit_ref = 4}``.  Texts are numbers of symbols, the first of
  which is empty.
- Native histograms are for 2.0 alone: ``Histogram{count_int = 1, count_float = 2, sum = 3,
  schema = 4, zero_threshold = 5, zero_count_int = 6, zero_count_float = 7, negative_spans = 8,
  negative_deltas = 9, negative_counts = 10, positive_spans = 11, positive_deltas = 12,
  positive_counts = 13, timestamp = 15, start_timestamp = 17}``.  One whose sum has the bits of the
  marker ends its series.

What is the same for each sample of a series is written once, as its **piece**: a ``TimeSeries``
with one sample, whose value and time are its last bytes.  A request is pieces joined, with
values and times put in for all of them at once, so it costs no Python for each series.
For that the times of all samples have one length, six bytes; the times of 1970 to 2109 fit.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import cramjam
import numpy as np

from metronome.model import F64, U8, Labels, Ragged
from metronome.wire import protobuf
from metronome.wire.prometheus_protobuf import Native, bucket_fields, counted

CONTENT_TYPES: Final = {
    1: "application/x-protobuf",
    2: "application/x-protobuf;proto=io.prometheus.write.v2.Request",
}
VERSIONS: Final = {1: "0.1.0", 2: "2.0.0"}
"""Protocol to what its requests say in ``X-Prometheus-Remote-Write-Version``."""
STALE: Final = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
"""The value that ends a series."""
TYPES: Final = {"counter": 1, "gauge": 2, "histogram": 3, "summary": 5}
"""Type of a family to its number, the same in both protocols."""
NAME: Final = "__name__"

_VALUE: Final = protobuf.tag(1, protobuf.EIGHT_BYTES)
_TIME: Final = protobuf.tag(2, protobuf.VARINT)
_TIME_BYTES: Final = 6
_LATEST: Final = 1 << 7 * _TIME_BYTES
_HOLE: Final = bytes(8) + _TIME + bytes(_TIME_BYTES)
"""What is filled in: a value, a tag, a time."""
_SAMPLE: Final = protobuf.data(2, _VALUE + _HOLE)


class Family(NamedTuple):
    """What is told of the samples of a family."""

    name: str
    """As its samples' names begin; with the suffix of a counter."""
    type: str
    meaning: str


class Symbols:
    """The texts of one request of 2.0, each by its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._written = [protobuf.text(4, "")]

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, text: str) -> int:
        """The number of a text."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._written)
            self._written.append(protobuf.text(4, text))
        return number

    def written(self) -> bytes:
        """The table, as it stands in a request."""
        return b"".join(self._written)


def sorted_labels(name: str, labels: Iterable[tuple[str, str]]) -> Labels:
    """The labels of a sample as they are to be written."""
    return tuple(sorted([(NAME, name), *(pair for pair in labels if pair[1])]))


def piece_1(labels: Labels) -> bytes:
    """The piece of a series for 1.0."""
    written = [protobuf.data(1, protobuf.text(1, name) + protobuf.text(2, value)) for name, value in labels]
    return protobuf.data(1, b"".join(written) + protobuf.data(2, _VALUE + _HOLE))


def head_2(labels: Labels, family: Family, symbols: Symbols) -> bytes:
    """What stands in front of the samples of a series in 2.0."""
    numbers = [symbols.number(text) for pair in labels for text in pair]
    return protobuf.packed(1, numbers) + _metadata(family.type, symbols.number(family.meaning))


def piece_2(labels: Labels, family: Family, start: int, symbols: Symbols) -> bytes:
    """The piece of a series for 2.0; ``start`` is when it began to count (ms), 0 if it does not."""
    # Fields may come in any order, and what changes has to come last.
    sample = protobuf.data(2, protobuf.whole(3, start) + _VALUE + _HOLE) if start else _SAMPLE
    return protobuf.data(5, head_2(labels, family, symbols) + sample)


def native(head: bytes, buckets: Native, total: float, start: int, time: int) -> bytes:
    """A series of 2.0 with one native histogram; ``head`` as :func:`head_2` gives it."""
    whole = buckets.whole
    counts = counted if whole else protobuf.double
    pieces = [
        counts(1 if whole else 2, buckets.values),
        protobuf.double(3, total),
        protobuf.signed(4, buckets.schema),
        protobuf.double(5, buckets.threshold),
        counts(6 if whole else 7, buckets.zero),
        *bucket_fields(buckets.below, (8, 9, 10), whole),
        *bucket_fields(buckets.above, (11, 12, 13), whole),
        protobuf.whole(15, time),
        *([protobuf.whole(17, start)] if start else []),
    ]
    return protobuf.data(5, head + protobuf.data(3, b"".join(pieces)))


@lru_cache(maxsize=1 << 12)
def _label(name: str, value: str) -> bytes:
    return protobuf.data(1, protobuf.text(1, name) + protobuf.text(2, value))


@lru_cache(maxsize=1 << 12)
def _metadata(kind: str, meaning: int) -> bytes:
    return protobuf.data(5, protobuf.whole(1, TYPES[kind]) + protobuf.whole(3, meaning))


def filled(pieces: Ragged, values: F64, time: int) -> bytes:
    """Pieces with their values, all at one time (ms)."""
    if not len(values):
        return b""
    if not 0 <= time < _LATEST:
        raise ValueError(f"{time} ms is no time that a sample can have")
    flat: U8 = np.array(pieces.flat, np.uint8)
    holes = pieces.ends.astype(np.int64) - len(_HOLE)
    flat[holes[:, None] + np.arange(8)] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    stamp = np.frombuffer(_time(time), np.uint8)
    flat[(holes + 8 + len(_TIME))[:, None] + np.arange(_TIME_BYTES)] = stamp
    return flat.tobytes()


def joined(pieces: Sequence[bytes]) -> Ragged:
    """Pieces as one array."""
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64).astype(np.uint32)
    return Ragged(ends, np.frombuffer(b"".join(pieces), np.uint8))


def metadata_1(families: Iterable[Family]) -> bytes:
    """What 1.0 tells of families, apart from their samples."""
    return b"".join(
        protobuf.data(3, protobuf.whole(1, TYPES[kind]) + protobuf.text(2, name) + protobuf.text(4, meaning))
        for name, kind, meaning in families
    )


def compressed(request: bytes) -> bytes:
    """A request as it is sent."""
    return bytes(cramjam.snappy.compress_raw(request))


def _time(time: int) -> bytes:
    """A time in as many bytes as any; a varint may be longer than it has to be."""
    found = [time >> 7 * place & 0x7F | 0x80 for place in range(_TIME_BYTES)]
    found[-1] &= 0x7F
    return bytes(found)
