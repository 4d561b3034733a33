"""Remote write's requests, read by the library of protocol buffers with Prometheus' schema, and a
receiver that takes them."""

from __future__ import annotations

import struct
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from metronome.model import Labels

_TYPES = {"d": 1, "i": 3, "l": 4, "s": 9, "u": 13, "z": 17, "zz": 18}
"""Letter to type of a field: double, int64, uint64, string, uint32, sint32, sint64."""

SCHEMA = {
    "One": "timeseries*=1:Series1 metadata*=3:Metadata1",
    "Series1": "labels*=1:Label samples*=2:Sample",
    "Label": "name=1:s value=2:s",
    "Sample": "value=1:d timestamp=2:i start=3:i",
    "Metadata1": "type=1:u name=2:s help=4:s unit=5:s",
    "Two": "symbols*=4:s timeseries*=5:Series2",
    "Series2": "refs*=1:u samples*=2:Sample histograms*=3:Histogram metadata=5:Metadata2",
    "Histogram": "count=1:l count_float=2:d sum=3:d schema=4:z threshold=5:d zero=6:l zero_float=7:d "
    "below*=8:Span below_deltas*=9:zz below_counts*=10:d above*=11:Span above_deltas*=12:zz "
    "above_counts*=13:d timestamp=15:i start=17:i",
    "Span": "offset=1:z length=2:u",
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


class Histogram(NamedTuple):
    """A native histogram as it came."""

    count: float
    sum: float
    schema: int
    zero: float
    below: tuple[tuple[int, float], ...]
    """Index and count of each bucket of negative values."""
    above: tuple[tuple[int, float], ...]
    start: int


def read_natives(body: bytes) -> dict[Labels, list[tuple[int, Histogram]]]:
    """The native histograms of a request of 2.0 by their labels, with their times."""
    request = _read("Two", body)
    found: dict[Labels, list[tuple[int, Histogram]]] = {}
    for series in request.timeseries:
        texts = [request.symbols[number] for number in series.refs]
        labels = tuple(zip(texts[::2], texts[1::2], strict=True))
        for one in series.histograms:
            below = _buckets(one.below, one.below_deltas, one.below_counts)
            above = _buckets(one.above, one.above_deltas, one.above_counts)
            count, zero = one.count or one.count_float, one.zero or one.zero_float
            told = Histogram(count, one.sum, one.schema, zero, below, above, one.start)
            found.setdefault(labels, []).append((one.timestamp, told))
    return found


def _buckets(spans: Any, deltas: Any, counts: Any) -> tuple[tuple[int, float], ...]:
    indices, index = [], 0
    for span in spans:
        index += span.offset
        indices += range(index, index + span.length)
        index += span.length
    numbers = list(counts) or list(accumulate(deltas))
    return tuple(zip(indices, numbers, strict=True))


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
        if not series.samples:
            continue
        found.setdefault(labels, []).extend((one.timestamp, one.value) for one in series.samples)
        metadata = series.metadata
        told[labels] = (
            metadata.type,
            symbols[metadata.help],
            symbols[metadata.unit],
            series.samples[0].start,
        )
    return found, told


class FakeResponse:
    """An answer of a receiver."""

    def __init__(self, code: int, headers: dict[str, str], body: bytes):
        self.code = code
        self.headers = Headers({name: [value] for name, value in headers.items()})
        self._body = body

    def deliverBody(self, protocol: Any) -> None:
        """Hand over the body at once."""
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(self._body)
        protocol.connectionLost(Failure(ResponseDone()))


@implementer(IAgent)
class Receiver:
    """An agent behind which there is a receiver: as strict as a Prometheus, and as forgiving.

    A sample that is before the last of its series is refused, and with it the whole request (1.0)
    or it alone (2.0); one that is the same as the last is taken; one at the same time with
    another value is refused.
    """

    def __init__(self, clock: IReactorTime, versions: tuple[int, ...] = (1, 2)):
        self.versions = versions
        self.samples: dict[Labels, list[tuple[int, float]]] = {}
        self.told: dict[Labels, tuple[int, str, str, int]] = {}
        self.metadata: list[tuple[int, str, str]] = []
        self.natives: dict[Labels, list[tuple[int, Histogram]]] = {}
        self.requests: list[dict[str, str]] = []
        self.at: list[float] = []
        self.refused: list[tuple[int, float]] = []
        self.plan: list[Any] = []
        """What the next requests meet before anything else: a status (with headers), an exception,
        or None for an answer that never comes."""
        self.away = False
        self.mute = False
        """Requests are taken, and their answers are lost."""
        self.most = 0
        self._clock = clock
        self._open = 0

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
        """A request; the answer comes in a later turn."""
        written = StringTransport()
        bodyProducer.startProducing(written)
        assert len(written.value()) == bodyProducer.length
        plain = {name.decode(): values[0].decode() for name, values in headers.getAllRawHeaders()}
        self.requests.append({"method": method.decode(), "uri": uri.decode(), **plain})
        self.at.append(self._clock.seconds())
        answer: Deferred[Any] = Deferred()
        plan = self.plan.pop(0) if self.plan else 200
        if plan is None:
            return answer
        self._open += 1
        self.most = max(self.most, self._open)
        self._clock.callLater(0.001, self._answer, answer, plan, plain["Content-Type"], written.value())
        return answer

    def values(self, name: str, **labels: str) -> list[tuple[int, float]]:
        """The samples of one series; none if there is none."""
        return self.samples.get(tuple(sorted({"__name__": name, **labels}.items())), [])

    def _answer(self, answer: Deferred[Any], plan: Any, kind: str, body: bytes) -> None:
        self._open -= 1
        if answer.called:
            return
        if self.away or isinstance(plan, Exception):
            answer.errback(plan if isinstance(plan, Exception) else ConnectError())
            return
        status, headers = plan if isinstance(plan, tuple) else (plan, {})
        version = 2 if "v2" in kind else 1
        if status == 200 and version not in self.versions:
            status = 415
        if status == 200 and version == 1:
            status = self._take_1(body)
        elif status == 200:
            status, written = self._take_2(body)
            natives = read_natives(body)
            for labels, all_of in natives.items():
                kept = self.natives.setdefault(labels, [])
                kept += [one for one in all_of if not kept or one[0] > kept[-1][0]]
            headers = {
                "X-Prometheus-Remote-Write-Samples-Written": str(written),
                "X-Prometheus-Remote-Write-Histograms-Written": str(sum(map(len, natives.values()))),
                **headers,
            }
        if self.mute:
            return
        answer.callback(FakeResponse(status, headers, b"because" if status >= 300 else b""))

    def _take_1(self, body: bytes) -> int:
        samples = read_1(body)
        self.metadata += read_1(body, metadata=True)
        if not all(self._fits(labels, one) for labels, all_of in samples.items() for one in all_of):
            self.refused += [one for all_of in samples.values() for one in all_of]
            return 400
        for labels, all_of in samples.items():
            self._keep(labels, all_of)
        return 204

    def _take_2(self, body: bytes) -> tuple[int, int]:
        samples, told = read_2(body)
        self.told.update(told)
        fit: Samples = {}
        for labels, all_of in samples.items():
            fit[labels] = [one for one in all_of if self._fits(labels, one)]
            self.refused += [one for one in all_of if one not in fit[labels]]
        for labels, all_of in fit.items():
            self._keep(labels, all_of)
        written = sum(map(len, fit.values()))
        return (400 if written < sum(map(len, samples.values())) else 204), written

    def _fits(self, labels: Labels, sample: tuple[int, float]) -> bool:
        last = self.samples.get(labels, [(-1, 0.0)])[-1]
        same = struct.pack("<d", last[1]) == struct.pack("<d", sample[1])
        return sample[0] > last[0] or (sample[0] == last[0] and same)

    def _keep(self, labels: Labels, samples: list[tuple[int, float]]) -> None:
        kept = self.samples.setdefault(labels, [])
        kept += [sample for sample in samples if not kept or sample[0] > kept[-1][0]]


def stale(value: float) -> bool:
    """Whether a value is the marker of a series that ends."""
    return struct.pack("<d", value) == (0x7FF0000000000002).to_bytes(8, "little")
