"""Stores over a real cluster, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from metronome.store import open_store
from metronome.store.elastic_client import Client, connect
from metronome.store.elastic_url import read_url
from metronome.store.interface import Store
from metronome.threads.memory import ImmediateWorker
from tests.live.carbon import free_ports
from tests.live.conftest import require
from tests.live.search_servers import SOON, Kind, RunningServer, built

MEMORY_FOLDER = Path("/dev/shm")
"""Files here cost no disk; every change of a cluster's state is synced."""


def serving(kind: Kind, factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A node for a session: what a session fixture is made of."""
    build = built(kind)
    require(build, f"Maven and a JDK {kind.java} for {kind.name} {kind.version}")
    assert build is not None
    (port,) = free_ports(1)
    folder = factory.mktemp(kind.name)
    data = MEMORY_FOLDER / f"metronome-{kind.name}-{port}" if MEMORY_FOLDER.is_dir() else folder / "node"
    with RunningServer(kind, build, data, port, SOON) as server:
        yield server
    server.clean()


def store_of(server: RunningServer, prefix: str = "metronome", **context: Any) -> Store:
    """A store over the cluster, not started; everything happens at once."""
    context = {"worker": ImmediateWorker(), **context}
    return open_store(f"{server.url}?prefix={prefix}", **context)


def client_of(server: RunningServer) -> Client:
    """A client of its own."""
    return connect(read_url(server.url))


def empty(server: RunningServer) -> None:
    """Delete every index; templates stay."""
    client = client_of(server)
    params = {"allow_no_indices": True, "expand_wildcards": "open"}
    if names := list(client.call("GET", "/*/_settings/index.creation_date", params=params)):
        client.call("DELETE", "/" + ",".join(names))
    client.close()
