"""Elasticsearch and OpenSearch as the store, beside their own clients' helpers and the embedded store.

``python -m tests.bench.clusters [--parts N] [--more N] [--events N] [--only PRODUCT]``.  Real nodes
of 1 GB on this machine.  The data are those of ``tests/bench/store.py``: counters with four
labels, 10,000 series.  The helpers get the same documents, as dictionaries, in chunks of their own
500 and of our 5,000, one request after the other and four at a time.  Questions are asked once
there are ``more`` parts and the events.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from metronome.limits import READ_BYTES
from metronome.model import Batch, Events, EventSelection, Kind, Parts, Record, Selection
from metronome.store import open_store
from metronome.store.elastic_client import connect
from metronome.store.elastic_fields import Fields
from metronome.store.elastic_names import id_prefix
from metronome.store.elastic_points import Fragments, documents, source_of
from metronome.store.elastic_url import read_url
from metronome.store.interface import Store
from metronome.threads.thread import ThreadWorker
from metronome.wire.records import encode_parts, split
from tests.bench import Figure
from tests.bench.store import BEGIN, STEP, template
from tests.live import search_servers
from tests.live.carbon import free_ports
from tests.live.search_servers import ELASTICSEARCH, OPENSEARCH, RunningServer, built
from tests.store.build import happened

SERIES = 10_000
GATEWAY = "0123456789abcdef0123456789abcdef"
JAVA = ("-Xms1g", "-Xmx1g")
LABELS = ("country", "host", "path", "status")
TIMES = 5
THREADS = 4
"""Of the parallel helper, which is its own default."""
WAYS = [(way, chunk) for way in ("bulk", "parallel_bulk") for chunk in (500, 5000)]


class Pump(Clock):
    """Stands for the reactor: threads hand their results over, and time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], Any]] = queue.SimpleQueue()
        self.rightNow = time.monotonic()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        self._calls.put((call, args))

    def until(self, deferred: Deferred[Any]) -> Any:
        """Go on until it has fired; its result."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results:
            self._turn()
            self.advance(time.monotonic() - self.rightNow)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def _turn(self) -> None:
        try:
            call, args = self._calls.get(timeout=0.02)
        except queue.Empty:
            return
        call(*args)


def batches(parts: int) -> list[Batch]:
    """What a gateway's writer gives its store when it has to catch up."""
    flush, random = template(SERIES), np.random.default_rng(1)
    position, records, found = 0, [], []
    for step in range(parts // SERIES):
        n = random.poisson(20, SERIES).astype(np.float64)
        times = np.full(SERIES, BEGIN + step * STEP)
        columns = replace(flush, times=times, n=n, d=n, low=n, high=n, counts=n.astype(np.uint32))
        for piece in split(columns):
            records.append(Record(position, Parts("main", piece)))
            position += len(encode_parts("main", piece))
        if position - records[0].position >= READ_BYTES or step + 1 == parts // SERIES:
            found.append(Batch(GATEWAY, records, position))
            records = []
    return found


def event_batches(events: int) -> list[Batch]:
    """Events of a hundred items over a day."""
    found = []
    for first in range(0, events, 10_000):
        some = [
            happened(BEGIN + number * 8, "view", f"site/{number % 100}", referer=f"r{number % 37}")
            for number in range(first, first + 10_000)
        ]
        records = [
            Record((first + at) * 100, Events("main", some[at : at + 1000])) for at in range(0, 10_000, 1000)
        ]
        found.append(Batch("events", records, (first + 10_000) * 100))
    return found


def helpers_rate(server: RunningServer, some: list[Batch], way: str, chunk: int) -> tuple[float, float]:
    """Documents a second, and CPU seconds of this process per million, by one of the client's helpers."""
    fragments, fields, index = Fragments(), Fields(LABELS), f"helpers-{way}-{chunk}".replace("_", "-")
    docs = [
        {"_op_type": "create", "_index": index, "_id": doc.id, "_source": orjson.loads(doc.source)}
        for batch in some
        for record in batch.records
        for doc in _documents(fragments, fields, record)
    ]
    url = f"http://127.0.0.1:{server.port}"
    client: Any
    helpers: Any
    if server.kind.name == "elasticsearch":
        from elasticsearch import Elasticsearch, helpers

        client = Elasticsearch(url, request_timeout=60)
    else:
        from opensearchpy import OpenSearch, helpers

        client = OpenSearch(url, timeout=60)
    own = connect(read_url(server.url))
    mapping = next(iter(own.call("GET", "/bench-points-*/_mapping").values()))["mappings"]
    own.call("PUT", f"/{index}", {"mappings": mapping, "settings": {"index": {"refresh_interval": "5s"}}})
    began, cpu = time.perf_counter(), time.process_time()
    if way == "bulk":
        helpers.bulk(client, docs, chunk_size=chunk)
    else:
        done = helpers.parallel_bulk(client, docs, thread_count=THREADS, chunk_size=chunk)
        assert all(good for good, _ in done)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    own.call("DELETE", f"/{index}")
    own.close()
    client.close()
    return len(docs) / took, cpu / len(docs) * 1e6


def _documents(fragments: Fragments, fields: Fields, record: Record) -> Iterator[Any]:
    assert isinstance(record.content, Parts)
    columns = record.content.columns
    source = source_of(GATEWAY, record.position, id_prefix(GATEWAY, record.position))
    return documents(columns, fragments.of("main", columns), source, range(len(columns)), fields)


def written(pump: Pump, store: Store, some: list[Batch]) -> tuple[float, float]:
    """Parts a second, and CPU seconds of this process per million."""
    contents = [record.content for batch in some for record in batch.records]
    number = sum(len(content.columns) for content in contents if isinstance(content, Parts))
    began, cpu = time.perf_counter(), time.process_time()
    for batch in some:
        pump.until(store.write(batch))
    took = time.perf_counter() - began
    return number / took, (time.process_time() - cpu) / number * 1e6


def questions(store: Store) -> dict[str, Callable[[], Deferred[Any]]]:
    """What is asked of each store."""
    every = Selection("main", "http.requests0", (), Kind.COUNTER)
    one = every._replace(where=(("host", "host0"), ("path", "/page/0")))
    views = EventSelection("main", "site/7", ("view",))
    return {
        "one series, every step": lambda: store.fetch(one, STEP, None),
        "1,000 series in one group, every step": lambda: store.fetch(every, STEP, ()),
        "1,000 series by host, steps of a minute": lambda: store.fetch(every, 60_000, ("host",)),
        "a tock: one item's events by slot": lambda: store.count(views, ("slot",)),
        "a tock: all events by referer": lambda: store.count(EventSelection("main"), ("referer",)),
    }


def latencies(pump: Pump, store: Store) -> dict[str, float]:
    """Medians in milliseconds, the first one left out."""
    found = {}
    for what, ask in questions(store).items():
        spent = []
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            pump.until(ask())
            spent.append((time.perf_counter() - began) * 1000)
        found[what] = statistics.median(spent[1:])
    return found


def embedded(pump: Pump, folder: Path, all_: list[Batch]) -> dict[str, float]:
    """The embedded store's latencies over the same data."""
    worker = ThreadWorker(pump, "store")  # type: ignore[arg-type]
    store = open_store("duckdb:", data_dir=folder, worker=worker)
    pump.until(store.start())
    for batch in all_:
        pump.until(store.write(batch))
    found = latencies(pump, store)
    pump.until(store.stop())
    return found


def opened(pump: Pump, server: RunningServer) -> Store:
    """A store as a gateway has it."""
    store = open_store(
        f"{server.url}?prefix=bench",
        worker=ThreadWorker(pump, "store"),  # type: ignore[arg-type]
        more_workers=lambda name: ThreadWorker(pump, name),  # type: ignore[arg-type]
        clock=pump,
    )
    pump.until(store.start())
    return store


def rates(pump: Pump, store: Store, server: RunningServer, some: list[Batch]) -> Iterator[Figure]:
    """How fast parts are written."""
    name = f"{server.kind.name} {server.kind.version}"
    written(pump, store, some[:1])
    helpers_rate(server, some, "bulk", 5000)  # the compilers have seen it all from now on
    plain = {way: helpers_rate(server, some, *way) for way in WAYS[:2]}
    rate, cpu = written(pump, store, some[1:])
    plain |= {way: helpers_rate(server, some, *way) for way in WAYS[2:]}
    yield Figure(f"{name}: parts written", rate, "/s", f"{cpu:.1f} s CPU/M")
    for (way, chunk), (rate_, cpu) in plain.items():
        note = f"{cpu:.1f} s CPU/M; ours / theirs {rate / rate_:.2f}"
        yield Figure(f"{name}: helpers.{way}, chunks of {chunk}", rate_, "/s", note)


def cluster(
    pump: Pump, server: RunningServer, some: list[Batch], further: list[Batch], beside: dict[str, float]
) -> Iterator[Figure]:
    """One server's figures."""
    name = f"{server.kind.name} {server.kind.version}"
    store = opened(pump, server)
    yield from rates(pump, store, server, some)
    rate, cpu = written(pump, store, further)
    yield Figure(f"{name}: further parts and events written", rate, "parts/s", f"{cpu:.1f} s CPU/M")
    pump.until(store.health())
    client = connect(read_url(server.url))
    client.call("POST", "/bench-*/_flush")
    began = time.perf_counter()
    client.call("POST", "/bench-*/_forcemerge", params={"max_num_segments": 1}, timeout=600)
    took = time.perf_counter() - began
    stats = client.call("GET", "/bench-points-*/_stats/store")["_all"]["primaries"]
    size = stats["store"]["size_in_bytes"] / store.statistics()["parts"]
    yield Figure(f"{name}: on disk, merged", size, "bytes/part", f"merged in {took:.0f} s")
    for what, took in latencies(pump, store).items():
        yield Figure(f"{name}: {what}", took, "ms", f"embedded store {beside[what]:.1f} ms")
    client.close()
    pump.until(store.stop())


def measure(
    parts: int = 300_000, more: int = 300_000, events: int = 200_000, only: str = ""
) -> Iterator[Figure]:
    """See the module."""
    pump, all_ = Pump(), batches(parts + more)
    number = sum(1 for batch in all_ if batch.records[0].position < all_[-1].end * parts / (parts + more))
    some, further = all_[:number], [*all_[number:], *event_batches(events)]
    with tempfile.TemporaryDirectory() as folder:
        beside = embedded(pump, Path(folder), [*some, *further])
        for kind in (ELASTICSEARCH, OPENSEARCH):
            if only in ("", kind.name):
                yield from _served(pump, kind, Path(folder) / kind.name, some, further, beside)


def _served(pump: Pump, kind: search_servers.Kind, folder: Path, *data: Any) -> Iterator[Figure]:
    build = built(kind)
    if build is None:
        return
    (port,) = free_ports(1)
    with RunningServer(kind, build, folder, port, JAVA) as server:
        yield from cluster(pump, server, *data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=300_000)
    parser.add_argument("--more", type=int, default=300_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--only", default="", help="elasticsearch or opensearch")
    for figure in measure(**vars(parser.parse_args())):
        print(f"{figure.what:<70} {figure.value:>12,.1f} {figure.unit:<10} {figure.note}", flush=True)


if __name__ == "__main__":
    main()
