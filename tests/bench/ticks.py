"""Ticks acknowledged (durable) a second over 64 connections; server and senders on a core each."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import Figure
from tests.live.gateway import RunningGateway

CONNECTIONS = 64
SECONDS = 6.0


def request(ticks: int) -> bytes:
    """One POST /tick as bytes."""
    tick = {"id": "shop/item/7", "type": "view", "referer": "https://example.org/list", "plan": "pro"}
    body = json.dumps(tick if ticks == 1 else [tick] * ticks).encode()
    head = ["POST /tick HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def connection(port: int, raw: bytes, until: float) -> tuple[int, list[float]]:
    """Send one request after another until then; how many were acknowledged, and how long each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    acknowledged, latencies = 0, []
    while (began := time.perf_counter()) < until:
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 204"):
            acknowledged += 1
            latencies.append(time.perf_counter() - began)
    writer.close()
    return acknowledged, latencies


async def load(port: int, raw: bytes) -> tuple[float, float]:
    """Requests acknowledged a second and the 99th percentile of their latency in ms."""
    until = time.perf_counter() + SECONDS
    results = await asyncio.gather(*(connection(port, raw, until) for _ in range(CONNECTIONS)))
    latencies = sorted(latency for _, some in results for latency in some)
    return sum(number for number, _ in results) / SECONDS, latencies[int(len(latencies) * 0.99)] * 1000


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, RunningGateway(Path(folder) / "var") as gateway:
        assert gateway.process is not None
        if hasattr(os, "sched_setaffinity"):
            for task in Path(f"/proc/{gateway.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {0})
            os.sched_setaffinity(0, {1})
        for ticks in (1, 100):
            rate, slowest = asyncio.run(load(gateway.port("http", "tcp"), request(ticks)))
            what = "single ticks" if ticks == 1 else f"ticks in bodies of {ticks}"
            yield Figure(f"{what} acknowledged", rate * ticks, "ticks/s", f"p99 {slowest:.1f} ms a request")
