"""Remote write's requests, read by the library of protocol buffers with Prometheus' schema."""

from __future__ import annotations

from functools import cache
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from metronome.model import Labels

_TYPES = {"d": 1, "i": 3, "s": 9, "u": 13}
"""Letter to type of a field: double, int64, string, uint32."""

SCHEMA = {
    "One": "timeseries*=1:Series1 metadata*=3:Metadata1",
    "Series1": "labels*=1:Label samples*=2:Sample",
    "Label": "name=1:s value=2:s",
    "Sample": "value=1:d timestamp=2:i start=3:i",
    "Metadata1": "type=1:u name=2:s help=4:s unit=5:s",
    "Two": "symbols*=4:s timeseries*=5:Series2",
    "Series2": "refs*=1:u samples*=2:Sample metadata=5:Metadata2",
    "Metadata2": "type=1:u help=3:u unit=4:u",
}
"""Messages and their fields, ``NAME=NUMBER:TYPE``, repeated ones with a star."""

Samples = dict[Labels, list[tuple[int, float]]]


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="write.proto", syntax="proto3")
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            called, _, rest = field.partition("=")
            number, _, kind = rest.partition(":")
            added = message.field.add(
                name=called.rstrip("*"),
                number=int(number),
                label=3 if called.endswith("*") else 1,
                type=_TYPES.get(kind, 11),
            )
            if kind not in _TYPES:
                added.type_name = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _read(message: str, body: bytes) -> Any:
    found = message_factory.GetMessageClass(_pool().FindMessageTypeByName(message))()
    found.ParseFromString(bytes(cramjam.snappy.decompress_raw(body)))
    return found


def read_1(body: bytes, metadata: bool = False) -> Any:
    """The samples of a request of 1.0 by their labels; or what it tells of families."""
    request = _read("One", body)
    if metadata:
        return [(told.type, told.name, told.help) for told in request.metadata]
    found: Samples = {}
    for series in request.timeseries:
        labels = tuple((label.name, label.value) for label in series.labels)
        found.setdefault(labels, []).extend((one.timestamp, one.value) for one in series.samples)
    return found


def read_2(body: bytes) -> tuple[Samples, dict[Labels, tuple[int, str, str, int]]]:
    """The samples of a request of 2.0 by their labels, and of each its type, help, unit and start."""
    request = _read("Two", body)
    found: Samples = {}
    told = {}
    symbols = list(request.symbols)
    assert symbols[0] == ""
    for series in request.timeseries:
        texts = [symbols[number] for number in series.refs]
        labels = tuple(zip(texts[::2], texts[1::2], strict=True))
        found.setdefault(labels, []).extend((one.timestamp, one.value) for one in series.samples)
        metadata = series.metadata
        told[labels] = (
            metadata.type,
            symbols[metadata.help],
            symbols[metadata.unit],
            series.samples[0].start,
        )
    return found, told
