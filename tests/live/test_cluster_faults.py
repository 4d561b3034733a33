"""A proxy in front of a real cluster refuses, cuts off, delays and lies: nothing is lost, nothing doubled,
and nobody's answer is wrong meanwhile.  (Issue 5, no. 4.)"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from metronome.errors import StoreUnavailable
from metronome.model import Selection
from metronome.store import open_store
from metronome.store.interface import Retention, Rung
from metronome.threads.memory import ImmediateWorker
from tests.live.carbon import free_ports
from tests.live.cluster_load import ALWAYS, Fleet, Sender, Sums, metrics
from tests.live.faulty import FAULTS, FaultyProxy
from tests.live.gateway import RunningGateway, eventually
from tests.live.search import Clusters, store_of
from tests.live.search_servers import RunningServer
from tests.receivers.pem import pem
from tests.store.build import RECORD, batch, counter, events, gauge, happened, members, parts, timer
from tests.store.child import finish
from tests.store.test_same_answers import ask

pytestmark = pytest.mark.live

SECONDS = 6
SHARE = 0.3
"""Of all requests has a fault."""
PATIENCE = 2
"""Seconds after which what is late is not waited for any more."""
BATCHES = 8
HOUR = 3_600_000
KEPT = Retention((Rung(10, 7200), Rung(60, 20_000_000)), 20_000_000)
HITS = f"name=load.hits&stat=n&from=-2d&step={ALWAYS}"


def through(server: RunningServer, proxy: FaultyProxy, rest: str = "") -> str:
    """The store's URL by way of a proxy."""
    return f"{server.kind.scheme}://127.0.0.1:{proxy.port}?{rest}"


def test_every_fault_at_once(clusters: Clusters, tmp_path: Path) -> None:
    """A third of all requests fail in one way or another while two gateways write; no client notices."""

    def work(server: RunningServer) -> None:
        sums = Sums()
        with FaultyProxy(server.port) as proxy:
            url = through(server, proxy, f"timeout={PATIENCE}")
            with Fleet(tmp_path / server.kind.name, url, 2) as fleet:
                proxy.draw(SHARE, seed=7)
                senders = [Sender(one, f"f{index}", sums) for index, one in enumerate(fleet.gateways)]
                for sender in senders:
                    sender.start()
                time.sleep(SECONDS)
                eventually(lambda: proxy.done, lambda done: len(done) == len(FAULTS), 60)
                for sender in senders:
                    sender.end()
                repeats = sum(sender.repeats for sender in senders)
                assert repeats == 0, "the journal takes what the store cannot"
                assert sorted(proxy.done) == sorted(FAULTS)
                proxy.mend()
                fleet.drain()
                fleet.check(sums)
                for gateway in fleet.gateways:
                    assert gateway.stop() == 0

    clusters.on_each(work)


def every_other(turn: Iterator[int], fault: str, method: str, path: str) -> str:
    """A fault for every other bulk request."""
    return fault if "_bulk" in path and next(turn) % 2 == 0 else ""


def test_each_fault_of_writing_for_itself(clusters: Clusters, tmp_path: Path) -> None:
    """Every other bulk request fails in one way, then in the next; the points of each time have a label of
    their own, and every label's sums are exact."""

    def work(server: RunningServer) -> None:
        sums = Sums()
        with (
            FaultyProxy(server.port) as proxy,
            Fleet(tmp_path / server.kind.name, through(server, proxy), 1) as fleet,
        ):
            proxy.late = 1.0
            sender = Sender(fleet.gateways[0], "one", sums)
            sender.start()
            for fault in FAULTS:
                sender.shard = fault
                proxy.decide = partial(every_other, count(), fault)
                often = eventually(partial(proxy.done.__getitem__, fault), lambda number: number >= 2, 60)
                assert often >= 2, fault
            sender.end()
            proxy.mend()
            fleet.drain()
            fleet.check(sums)
        assert {name.partition(" ")[2] for name in sums.n} >= set(FAULTS)

    clusters.on_each(work)


def contents(number: int) -> list[Any]:
    """Everything that a batch may hold."""
    time_ = number * 10_000
    rows = [counter("c", time_ + row, 1, host=str(row % 5)) for row in range(200)]
    others = [
        timer("t", time_, [1.0, float(number)]),
        gauge("g", time_, number),
        members("s", time_, [f"{number}"]),
    ]
    return [
        parts(*rows, *others, ids=((time_, f"p{number}"),)),
        events(*(happened(time_ + row, eid=f"e{number}.{row}", received=time_) for row in range(50))),
    ]


def insistent(what: Callable[[], Deferred[Any]]) -> Any:
    """Ask until there is an answer, as a gateway does."""
    until = time.monotonic() + 60
    while True:
        try:
            return finish(what())
        except StoreUnavailable:
            assert time.monotonic() < until


def test_faults_while_parts_are_merged(clusters: Clusters) -> None:
    """Batches of two gateways and rounds of the ladder, any request of which may fail; what the cluster
    says afterwards is what the store in memory says."""

    def work(server: RunningServer) -> None:
        oracle = open_store("memory:")
        with FaultyProxy(server.port) as proxy:
            store = open_store(through(server, proxy, f"timeout={PATIENCE}"), worker=ImmediateWorker())
            insistent(store.start)
            proxy.draw(SHARE, 1, tuple(fault for fault in FAULTS if fault != "held up"))
            for number in range(BATCHES):
                for gateway in ("g1", "g2"):
                    written = batch(gateway, *contents(number), begin=2 * number * RECORD)
                    finish(oracle.write(written))
                    insistent(partial(store.write, written))
                if number % 4 == 3:
                    now = 3 * HOUR + number * HOUR // 4
                    finish(oracle.expire(now, {"main": KEPT}))
                    for _ in range(3):  # a round is many requests: some get further than others
                        store.expire(now, {"main": KEPT}).addErrback(
                            lambda failure: failure.trap(StoreUnavailable)
                        )
            finish(store.stop())
            assert len(proxy.done) == len(FAULTS) - 1
        plain = store_of(server)
        finish(plain.start())
        finish(plain.expire(6 * HOUR, {"main": KEPT}))
        finish(oracle.expire(6 * HOUR, {"main": KEPT}))
        for question in ((Selection("main", "*"), 0, None), (Selection("main", "*"), 60_000, ("host",))):
            assert ask(plain, question) == ask(oracle, question)
        finish(plain.stop())

    clusters.on_each(work)


def test_what_a_reader_is_told_is_right_or_nothing(clusters: Clusters, tmp_path: Path) -> None:
    """While questions fail there is 503 or the whole answer, never part of one."""

    def work(server: RunningServer) -> None:
        sums = Sums()
        with (
            FaultyProxy(server.port) as proxy,
            Fleet(tmp_path / server.kind.name, through(server, proxy), 1) as fleet,
        ):
            (gateway,) = fleet.gateways
            sender = Sender(gateway, "r", sums)
            sender.start()
            time.sleep(2)
            sender.end()
            fleet.drain()
            proxy.late = 1.0
            proxy.draw(0.5, seed=3)
            statuses = set()
            expected = sum(value for name, value in sums.n.items() if name.startswith("load.hits"))
            for _ in range(30):
                status, _, body = gateway.request(f"/streams/main/points?{HITS}")
                statuses.add(status)
                assert status == 503 or str(expected) in body.decode(), body
            assert statuses == {200, 503}
            proxy.mend()
            fleet.check(sums)

    clusters.on_each(work)


def test_a_certificate_that_is_not_trusted_stops_writing_only(clusters: Clusters, tmp_path: Path) -> None:
    """Ticks are taken and wait; with the right certificate they are written."""
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    good, bad = pem(tmp_path / "good"), pem(tmp_path / "bad")

    def work(server: RunningServer) -> None:
        (port,) = free_ports(1)
        url = f"{server.kind.scheme}s://me:secret@localhost:{port}?ca={good[0]}"
        gateway = RunningGateway(tmp_path / server.kind.name, store=url)
        try:
            with FaultyProxy(server.port, bad, port):
                gateway.start()
                assert gateway.request("/tick", b'{"id": "a"}')[0] == 204
                ready = eventually(lambda: gateway.get("/ready"), lambda told: "certificate" in str(told))
                assert ready["state"] == "degraded", ready
                assert any("certificate" in reason for reason in ready["reasons"]), ready
                assert metrics(gateway)["metronome_waiting"] == 1
            with FaultyProxy(server.port, good, port):
                views = eventually(
                    lambda: gateway.request("/tock/a.json"), lambda told: told[0] == 200, seconds=60
                )
                assert b'"views":{"2' in views[2].replace(b" ", b"")
                left = eventually(lambda: metrics(gateway)["metronome_waiting"], lambda n: n == 0, seconds=60)
                assert left == 0
                assert gateway.stop() == 0
            assert "secret" not in gateway.log
        finally:
            gateway.__exit__()

    clusters.on_each(work)
