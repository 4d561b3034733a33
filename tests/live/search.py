"""Real clusters, a node of each product, which all tests share, and stores over them.

What waits for Elasticsearch can wait for OpenSearch meanwhile: such tests are functions of a
server, and ``on_each`` has them called for both at the same time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from tests.live.search_servers import KINDS, SOON, RunningServer, built

MEMORY_FOLDER = Path("/dev/shm")
"""Files here cost no disk; every change of a cluster's state is synced."""
MEMORY_BYTES = 6 << 30
"""What must be free there: a container may have next to nothing."""


class Clusters:
    """The nodes of a session.  A test may kill one, and does not have to start it again."""

    def __init__(self, servers: list[RunningServer]):
        self._servers = {server.kind.name: server for server in servers}

    def empty(self, product: str) -> RunningServer:
        """The node of a product, without an index."""
        server = self._servers[product]
        if not server.running:
            server.start()
        empty(server)
        return server

    def on_each(self, work: Callable[[RunningServer], None]) -> None:
        """Have this done with an empty node of each product, at the same time; fails as they fail."""

        def do(product: str) -> None:
            work(self.empty(product))

        with ThreadPoolExecutor(len(self._servers)) as pool:
            going = {product: pool.submit(do, product) for product in self._servers}
        failed = []
        for product, one in going.items():
            if error := one.exception():
                error.add_note(f"That was with {product}.")
                failed.append(error)
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise BaseExceptionGroup("with every product", failed)


def serving(factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Nodes for a session: what a session fixture is made of."""
    servers = []
    for kind in KINDS:
        build = built(kind)
        require(build, f"Maven and a JDK {kind.java} for {kind.name} {kind.version}")
        assert build is not None
        (port,) = free_ports(1)
        roomy = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_BYTES
        folder = MEMORY_FOLDER if roomy else factory.mktemp(kind.name)
        servers.append(RunningServer(kind, build, folder / f"metronome-{kind.name}-{port}", port, SOON))
    try:
        for server in servers:
            server.launch()
        for server in servers:
            server.wait()
        yield Clusters(servers)
    finally:
        for server in servers:
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
