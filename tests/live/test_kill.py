"""Ticks from many connections, the process killed in the middle: every acknowledged tick is
counted, none twice."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.live.gateway import RunningGateway, eventually

pytestmark = pytest.mark.live

CONNECTIONS = 50
TICKS = 20_000
KILLS = 3


class Sender(threading.Thread):
    """Sends its ticks one after another; each until it is acknowledged."""

    def __init__(self, gateway: RunningGateway, number: int, count: int):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.number = number
        self.count = count
        self.acknowledged = 0
        self.repeats = 0
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        for index in range(self.count):
            tick = {"id": f"item/{index % 7}", "tick": f"{self.number}-{index}"}
            while not self._post(json.dumps(tick)):
                self.repeats += 1
                time.sleep(0.05)
            self.acknowledged += 1
        self._close()

    def _post(self, body: str) -> bool:
        try:
            if self._connection is None:
                port = self.gateway.port("http", "tcp")
                self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            self._connection.request("POST", "/tick", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException, KeyError):
            self._close()
            return False
        return 200 <= answer.status < 300

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def test_every_acknowledged_tick_is_counted_once(tmp_path: Path) -> None:
    """20,000 ticks over 50 connections, kill -9 and restart in the middle, three times."""
    gateway = RunningGateway(tmp_path / "var")
    with gateway:
        senders = [Sender(gateway, number, TICKS // CONNECTIONS) for number in range(CONNECTIONS)]
        for sender in senders:
            sender.start()
        for kill in range(1, KILLS + 1):
            goal = TICKS * kill // (KILLS + 1)
            while sum(sender.acknowledged for sender in senders) < goal:
                time.sleep(0.01)
            gateway.kill()
            gateway.start()
        for sender in senders:
            sender.join()
        assert sum(sender.repeats for sender in senders) > 0, "no tick met the kills"
        views = [gateway.get(f"/tock/item%2F{item}.json")["views"] for item in range(7)]
        assert sum(sum(of_item.values()) for of_item in views) == TICKS
        assert gateway.stop() == 0


def test_folded_samples_survive_a_kill_as_of_a_second_ago(tmp_path: Path) -> None:
    """Statsd samples cannot be acknowledged: kill -9 costs at most the last second of them, and
    a gauge's next change finds its base."""
    gateway = RunningGateway(tmp_path / "var", flush_interval="60")
    with gateway, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:

        def send(text: bytes) -> None:
            client.sendto(text, ("127.0.0.1", gateway.port("statsd", "udp")))

        for _ in range(100):
            send(b"kept.hits:2|c\nkept.time:7|ms\nkept.depth:+1|g")
        time.sleep(2.5)
        gateway.kill()
        gateway.start()
        assert eventually(lambda: gateway.total("kept.hits"), lambda n: n == 200) == 200
        assert gateway.total("kept.time", "count") == 100
        send(b"kept.depth:+1|g\nkept.hits:1|c")
        assert gateway.stop() == 0
        gateway.start()
        assert eventually(lambda: gateway.total("kept.hits"), lambda n: n == 201) == 201
        assert gateway.total("kept.depth", "last") == 101
