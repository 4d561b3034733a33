"""Three gateways write the same series into one real cluster, while one of them is killed and the
cluster is killed twice: afterwards each of them answers with everything that was acknowledged."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live.gateway import RunningGateway, eventually
from tests.live.search import empty
from tests.live.search_servers import RunningServer

pytestmark = pytest.mark.live

GATEWAYS = 3
TICKS = 120
PAUSE = 0.05
SECONDS = 90


@pytest.fixture(params=["elasticsearch", "opensearch"])
def server(request: Any) -> RunningServer:
    found: RunningServer = request.getfixturevalue(request.param)
    empty(found)
    return found


class Load(threading.Thread):
    """Ticks to one gateway: events, points of a counter and a timer and a set, each acknowledged before
    the next and sent again until it is; and statsd, which nobody acknowledges."""

    def __init__(self, gateway: RunningGateway, number: int):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.number = number
        self.start()

    def run(self) -> None:
        for index in range(TICKS):
            ticks = [
                {"id": f"item/{index % 7}", "tick": f"{self.number}-{index}"},
                self.point("hits", "counter", index, n=1),
                self.point("wait", "timer", index, n=10, d=2),
            ]
            while not self.post(ticks):
                time.sleep(PAUSE)
            time.sleep(PAUSE)

    def point(self, name: str, kind: str, index: int, **values: float) -> dict[str, Any]:
        return {"name": name, "kind": kind, "tick": f"{name}-{self.number}-{index}", **values}

    def post(self, ticks: list[dict[str, Any]]) -> bool:
        body, headers = json.dumps(ticks).encode(), {"Content-Type": "application/json", "User-Agent": "x"}
        try:
            status, _, _ = self.gateway.request("/tick", body, headers)
        except (OSError, KeyError, LookupError):
            return False
        return 200 <= status < 300


def answers(gateway: RunningGateway) -> dict[str, float]:
    """What should be exact; nothing while shards are still recovering."""
    if gateway.request("/ledger.json")[0] == 503:
        return {}
    today = gateway.get("/ledger.json")["days"]
    return {
        "hits": gateway.total("hits"),
        "wait": gateway.total("wait"),
        "waits": gateway.total("wait", "count"),
        "mean": gateway.total("wait", "mean"),
        "members": gateway.total("who", "distinct"),
        "views": float(
            sum(sum(gateway.get(f"/tock/item/{item}.json")["views"].values()) for item in range(7))
        ),
        "stored": float(sum(day["stored"] for day in today)),
    }


def test_everything_acknowledged_is_there_once(server: RunningServer, tmp_path: Path) -> None:
    """Sums, means, counts and books are exact on every gateway."""
    gateways = [RunningGateway(tmp_path / f"g{number}", store=server.url) for number in range(GATEWAYS)]
    try:
        for gateway in gateways:
            gateway.start()
        for number, gateway in enumerate(gateways):
            words = "".join(f"who:{word}|s\n" for word in ("all", f"only{number}"))
            with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
                connection.sendall(words.encode())
        loads = [Load(gateway, number) for number, gateway in enumerate(gateways)]
        time.sleep(2)
        server.kill()
        gateways[0].kill()
        time.sleep(1)
        gateways[0].start()  # the store is away: it takes in what comes all the same
        time.sleep(2)
        server.start()
        time.sleep(2)
        server.kill()
        server.start()
        for load in loads:
            load.join(SECONDS)
            assert not load.is_alive()
        total = float(GATEWAYS * TICKS)
        members = GATEWAYS + 1.0
        expected = {
            "hits": total,
            "wait": 10 * total,
            "waits": 2 * total,
            "mean": 5.0,
            "members": members,
            "views": total,
            # Events, the two points, and the set's samples.
            "stored": 3 * total + 2 * GATEWAYS,
        }
        for gateway in gateways:
            assert eventually(lambda gateway=gateway: answers(gateway), expected.__eq__, SECONDS) == expected
            status, _, body = gateway.request("/ready")
            assert (status, json.loads(body)["state"]) == (200, "ok")
    finally:
        for gateway in gateways:
            gateway.stop() if gateway.process and gateway.process.poll() is None else None
