"""An older copy of the journal beside a store that is ahead of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.live.gateway import RunningGateway, eventually

pytestmark = pytest.mark.live


def test_a_journal_that_the_store_is_ahead_of_is_refused(tmp_path: Path) -> None:
    """The store would skip what comes next, so the gateway does not start; without the journal it
    does, as a new one, and nothing is lost."""
    gateway = RunningGateway(tmp_path / "var")
    journal, copy = tmp_path / "var" / "journal", tmp_path / "copy"

    def stored() -> int:
        return sum(day["stored"] for day in gateway.get("/ledger.json")["days"])

    with gateway:
        assert gateway.stop() == 0
        shutil.copytree(journal, copy)
        gateway.start()
        for item in range(3):
            assert gateway.request("/tick", b'{"id": "item"}')[0] == 204, item
        assert eventually(stored, lambda number: number == 3) == 3
        assert gateway.stop() == 0
        shutil.rmtree(journal)
        shutil.copytree(copy, journal)
        with pytest.raises(RuntimeError, match="an older copy was put back"):
            gateway.start()
        assert gateway.process is not None
        assert gateway.process.wait(10) == 1
        shutil.rmtree(journal)
        gateway.start()
        assert gateway.request("/tick", b'{"id": "item"}')[0] == 204
        assert sum(gateway.get("/tock/item.json")["views"].values()) == 4
