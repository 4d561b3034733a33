"""Gateways that share a cluster under a load of which every sum is known, and what they must say
afterwards."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tests.live.gateway import RunningGateway, eventually

START_SECONDS = 60
"""A gateway looks what its cluster has before it listens, and a cluster that begins is slow."""
END_SECONDS = 120
"""For the body in hand."""
ITEMS = 5
USERS = 800
ALWAYS = 10 * 365 * 86_400
"""A step that holds everything, so that midnight divides nothing."""


class Sums:
    """What was sent and acknowledged."""

    def __init__(self) -> None:
        self.n: Counter[str] = Counter()
        self.d: Counter[str] = Counter()
        self.users: set[str] = set()
        self.views: Counter[str] = Counter()
        self.inputs = 0
        self._lock = threading.Lock()

    def add(self, ticks: list[dict[str, Any]]) -> None:
        """These are safe."""
        with self._lock:
            self.inputs += len(ticks)
            for tick in ticks:
                name = tick.get("name")
                if name == "load.users":
                    self.users.add(tick["n"])
                elif name:
                    self.n[f"{name} {tick['v']['shard']}"] += tick["n"]
                    self.d[f"{name} {tick['v']['shard']}"] += 1
                else:
                    self.views[tick["id"]] += 1

    def add_samples(self, name: str, value: float, number: int) -> None:
        """So many samples of a value that went in by statsd."""
        with self._lock:
            self.inputs += number
            self.n[f"{name} -"] += value * number
            self.d[f"{name} -"] += number


class Sender(threading.Thread):
    """Sends ticks to a gateway, each body until it is acknowledged; every tick has an id."""

    def __init__(
        self, gateway: RunningGateway, name: str, sums: Sums, size: int = 20, pause: float = 0.1
    ):
        """``size`` ticks in a body, and ``pause`` seconds after each."""
        super().__init__(name=name, daemon=True)
        self._pause = pause
        self._gateway = gateway
        self._sums = sums
        self._size = size
        self._random = random.Random(name)
        self._connection: http.client.HTTPConnection | None = None
        self._ending = threading.Event()
        self.bodies = 0
        self.repeats = 0
        self.refused: Counter[str] = Counter()
        """Ticks that the gateway has answered with 503 for, by its reason."""
        self.shard = ""
        """The label that points get; one of three when it is empty."""

    def run(self) -> None:
        while not self._ending.is_set():
            ticks = [self._tick(number) for number in range(self._size)]
            body = json.dumps(ticks)
            while not self._post(body):
                self.repeats += 1
                time.sleep(0.05)
            self._sums.add(ticks)
            self.bodies += 1
            time.sleep(self._pause)
        self._close()

    def end(self) -> None:
        """Send nothing more, once the body in hand is acknowledged."""
        self._ending.set()
        self.join(END_SECONDS)
        assert not self.is_alive(), "a body is never acknowledged"

    def _tick(self, number: int) -> dict[str, Any]:
        draw = self._random
        own: dict[str, Any] = {"tick": f"{self.name}-{self.bodies}-{number}"}
        match number % 4:
            case 0:
                point = {"name": "load.hits", "n": draw.randrange(100) / 8}
            case 1:
                point = {"name": "load.time", "kind": "timer", "n": draw.randrange(1, 4000) / 8}
            case 2:
                user = {"name": "load.users", "kind": "set", "n": f"user-{draw.randrange(USERS)}"}
                return {**own, **user}
            case _:
                return {**own, "id": f"item/{draw.randrange(ITEMS)}"}
        return {**own, **point, "v": {"shard": self.shard or str(draw.randrange(3))}}

    def _post(self, body: str) -> bool:
        try:
            if self._connection is None:
                port = self._gateway.port("http", "tcp")
                self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            self._connection.request("POST", "/tick", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException, KeyError):
            self._close()
            return False
        if answer.status == 503:
            self.refused[json.loads(told)["error"]] += self._size
        return 200 <= answer.status < 300

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Statsd:
    """Sends samples over TCP to a gateway that is never killed."""

    def __init__(self, gateway: RunningGateway, sums: Sums):
        self._connection = socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp")))
        self._sums = sums

    def send(self, number: int) -> None:
        """So many samples of a counter and of a timer."""
        self._connection.sendall(b"load.packets:3|c\nload.wait:0.5|ms\n" * number)
        self._sums.add_samples("load.packets", 3, number)
        self._sums.add_samples("load.wait", 0.5, number)

    def close(self) -> None:
        self._connection.close()


class Fleet:
    """Some gateways on one store."""

    def __init__(self, folder: Path, store: str, number: int, **options: str):
        folder.mkdir(exist_ok=True)
        self.gateways = [
            RunningGateway(folder / f"gateway-{index}", store=store, **options) for index in range(number)
        ]

    def __enter__(self) -> Fleet:
        for gateway in self.gateways:
            gateway.patience = START_SECONDS
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(gateway.start) for gateway in self.gateways]:
                started.result()
        return self

    def __exit__(self, *_: object) -> None:
        for gateway in self.gateways:
            gateway.__exit__()

    def drain(self, seconds: float = 120) -> None:
        """Wait until everything that was taken is in the store."""
        for gateway in self.gateways:
            left = eventually(partial(waits, gateway), lambda found: not any(found), seconds)
            assert not any(left), (left, gateway.log[-3000:])

    def check(self, sums: Sums) -> None:
        """Every gateway gives every sum, mean and count exactly, and every gateway's books balance."""
        expected = answer_of(sums)
        for gateway in self.gateways:
            wrong = eventually(partial(wrongs, gateway, expected), lambda found: not found, 60)
            assert not wrong, f"found and expected: {wrong}"
            assert balance(gateway) == 0
        days = self.gateways[0].get("/ledger.json")["days"]
        assert sum(day["stored"] for day in days) == sums.inputs
        assert [day["diverted"] for day in days if day["diverted"]] == []


def answer_of(sums: Sums) -> dict[str, float]:
    """What every gateway must answer."""
    return {
        **{f"n of {name}": value for name, value in sums.n.items()},
        **{f"d of {name}": value for name, value in sums.d.items()},
        **{f"mean of {name}": value / sums.d[name] for name, value in sums.n.items()},
        **{f"views of {name}": value for name, value in sums.views.items()},
        "users": len(sums.users),
    }


def answers(gateway: RunningGateway) -> dict[str, float]:
    """The same, asked."""
    found: dict[str, float] = {}
    for name in ("load.hits", "load.time", "load.packets", "load.wait"):
        for stat in ("n", "d", "mean"):
            found |= {f"{stat} of {one}": value for one, value in grouped(gateway, name, stat).items()}
    for item in range(ITEMS):
        told = gateway.get(f"/tock/item%2F{item}.json")["views"]
        found |= {f"views of item/{item}": sum(told.values())} if told else {}
    return {**found, "users": sum(grouped(gateway, "load.users", "distinct").values())}


def wrongs(gateway: RunningGateway, expected: dict[str, float]) -> dict[str, tuple[float, float]]:
    """What a gateway answers and what it should, where that is not the same."""
    found = answers(gateway)
    return {
        name: (found.get(name, 0), expected.get(name, 0))
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    }


def grouped(gateway: RunningGateway, name: str, stat: str) -> dict[str, float]:
    """A stat of a series over everything, by shard."""
    told = gateway.get(
        "/streams/main/points", name=name, stat=stat, by="shard", step=ALWAYS, **{"from": "-2d"}
    )
    return {
        f"{name} {group['v']['shard'] or '-'}": value
        for group in told["groups"]
        for _, value in group["values"]
    }


def metrics(gateway: RunningGateway) -> Counter[str]:
    """Our own metrics by name, added up over their labels; and by name and reason."""
    status, _, body = gateway.request("/metrics")
    assert status == 200
    found: Counter[str] = Counter()
    for name, labels, value in re.findall(r"^(metronome_\w+)(\{.*\})? (\S+)", body.decode(), re.MULTILINE):
        if 'stream="main"' in labels or "stream=" not in labels:
            found[name] += float(value)
            if reason := re.search(r'reason="(\w+)"', labels):
                found[f"{name} {reason[1]}"] += float(value)
            if 'consumer="store"' in labels:
                found[f"{name} store"] += float(value)
    return found


def waits(gateway: RunningGateway) -> tuple[float, float]:
    """What is not in the store yet: of the journal, and of inputs."""
    found = metrics(gateway)
    return found["metronome_consumer_lag_bytes store"], found["metronome_waiting"]


def balance(gateway: RunningGateway) -> float:
    """What the books have lost, or have too much."""
    found = metrics(gateway)
    outcomes = ("stored", "rejected", "filtered", "shed", "diverted")
    told = sum(found[f"metronome_{outcome}_total"] for outcome in outcomes)
    return found["metronome_received_total"] - told - found["metronome_waiting"]
