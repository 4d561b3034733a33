"""Many requests to a real cluster run into trouble: nothing is lost, nothing counts twice."""

from __future__ import annotations

import random
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from metronome.errors import ConfigError, StoreUnavailable
from metronome.model import Selection
from metronome.store import open_store
from metronome.store.interface import Retention, Rung, Store
from metronome.threads.memory import ImmediateWorker
from tests.live.search import empty, store_of
from tests.live.search_servers import RunningServer
from tests.live.troublesome import Trouble, TroublesomeProxy
from tests.receivers.pem import pem
from tests.store.build import RECORD, batch, counter, events, gauge, happened, members, parts, timer
from tests.store.child import finish
from tests.store.test_same_answers import ask

pytestmark = pytest.mark.live

BATCHES = 12
SHARE = 0.25
HOUR = 3_600_000
KEPT = Retention((Rung(10, 7200), Rung(60, 20_000_000)), 20_000_000)
SECONDS = 60


@pytest.fixture(params=["elasticsearch", "opensearch"])
def server(request: Any) -> RunningServer:
    found: RunningServer = request.getfixturevalue(request.param)
    empty(found)
    return found


def contents(number: int) -> list[Any]:
    """Everything a batch may hold."""
    time_ = number * 10_000
    rows = [counter("c", time_ + row, 1, host=str(row % 5)) for row in range(200)]
    timers = [
        timer("t", time_, [1.0, float(number)]),
        gauge("g", time_, number),
        members("s", time_, [f"{number}"]),
    ]
    return [
        parts(*rows, *timers, ids=((time_, f"p{number}"),)),
        events(*(happened(time_ + row, eid=f"e{number}.{row}", received=time_) for row in range(50))),
    ]


def insistent(what: Any) -> Any:
    """Ask until there is an answer, as a gateway does."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            return finish(what())
        except StoreUnavailable:
            assert time.monotonic() < until


def through(proxy: TroublesomeProxy, server: RunningServer, **context: Any) -> Store:
    url = f"{server.kind.scheme}://127.0.0.1:{proxy.port}?timeout=2"
    return open_store(url, worker=ImmediateWorker(), **context)


def test_nothing_is_lost_or_doubled(server: RunningServer) -> None:
    """Batches of two gateways and rounds of the ladder through a proxy that breaks many of them; what
    the cluster says afterwards is what the store in memory says."""
    oracle = open_store("memory:")
    with TroublesomeProxy(server.port, 0.0) as proxy:
        store = through(proxy, server)
        insistent(store.start)
        proxy.share = SHARE
        for number in range(BATCHES):
            for gateway in ("g1", "g2"):
                written = batch(gateway, *contents(number), begin=2 * number * RECORD)
                finish(oracle.write(written))
                insistent(lambda written=written: store.write(written))
            if number % 4 == 3:
                now = 3 * HOUR + number * HOUR // 4
                finish(oracle.expire(now, {"main": KEPT}))
                for _ in range(5):  # a round is many requests: some get further than others
                    store.expire(now, {"main": KEPT}).addErrback(
                        lambda failure: failure.trap(StoreUnavailable)
                    )
        finish(store.stop())
        assert set(proxy.met) == {fault.__name__ for fault in Trouble(random.Random()).all}
    plain = store_of(server)
    finish(plain.start())
    finish(plain.expire(6 * HOUR, {"main": KEPT}))
    finish(oracle.expire(6 * HOUR, {"main": KEPT}))
    for question in ((Selection("main", "*"), 0, None), (Selection("main", "*"), 60_000, ("host",))):
        assert ask(plain, question) == ask(oracle, question)
    finish(plain.stop())


def test_answers_are_whole_or_none(server: RunningServer) -> None:
    """Questions through the same proxy are answered rightly, or not at all."""
    plain = store_of(server)
    finish(plain.start())
    for number in range(3):
        finish(plain.write(batch("g1", *contents(number), begin=2 * number * RECORD)))
    expected = finish(plain.fetch(Selection("main", "*"), 60_000, ("host",))).groups
    totals = {(group.labels, group.kind): group.n.sum() for group in expected}
    with TroublesomeProxy(server.port, 0.0, seed=2) as proxy:
        store = through(proxy, server)
        insistent(store.start)
        proxy.share = SHARE
        for _ in range(20):
            groups = insistent(lambda: store.fetch(Selection("main", "*"), 60_000, ("host",))).groups
            assert {(group.labels, group.kind): group.n.sum() for group in groups} == totals
        finish(store.stop())
    finish(plain.stop())


def test_certificates(server: RunningServer, tmp_path: Path) -> None:
    """One that is vouched for by the CA file is taken; any other means later, and says why."""
    cert, key = pem(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with TroublesomeProxy(server.port, 0.0, context=context) as proxy:
        url = f"{server.kind.scheme}s://me:secret@localhost:{proxy.port}"
        store = open_store(f"{url}?ca={cert}", worker=ImmediateWorker())
        finish(store.start())
        finish(store.write(batch("g", *contents(0))))
        assert finish(store.health()).state == "ok"
        finish(store.stop())
        store = open_store(url, worker=ImmediateWorker())
        with pytest.raises(StoreUnavailable, match="certificate"):
            finish(store.start())
        finish(store.stop())


def test_the_other_product_is_an_error_of_the_settings(server: RunningServer) -> None:
    """Each client says which scheme would be right."""
    other = "opensearch" if server.kind.name == "elasticsearch" else "elasticsearch"
    store = open_store(f"{other}+http://127.0.0.1:{server.port}", worker=ImmediateWorker())
    with pytest.raises(ConfigError, match=rf"{server.kind.name}\+http"):
        finish(store.start())
    finish(store.stop())
