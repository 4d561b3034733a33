"""A client and a cluster that do not fit: the gateway does not start, and says what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.gateway import RunningGateway
from tests.live.search import Clusters
from tests.live.search_servers import KINDS, OLDER, RunningServer

pytestmark = pytest.mark.live


def test_the_wrong_pair_is_an_error_of_the_settings(clusters: Clusters, tmp_path: Path) -> None:
    """The other product's scheme; and, of a server of version 8, the client of version 9."""

    def work(server: RunningServer) -> None:
        other = "opensearch" if server.kind.name == "elasticsearch" else "elasticsearch"
        wrongs = {f"{other}+http://127.0.0.1:{server.port}": f"{server.kind.name}+http://"}
        if server.kind == OLDER[0]:
            wrongs[server.url] = "elasticsearch>=8.19,<9"
        for number, (url, told) in enumerate(wrongs.items()):
            gateway = RunningGateway(tmp_path / f"{server.kind.name}{number}", store=url)
            gateway.environment = {"PYTHONPATH": ""}  # what is installed, not what tests put before it
            with pytest.raises(RuntimeError, match="did not start"):
                gateway.start()
            assert told in gateway.log

    assert len(KINDS) == 2
    clusters.on_each(work)
