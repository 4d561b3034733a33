"""The disk fills up under a running gateway: ticks are refused with 503, the process stays up, and
goes on when there is room again; nothing that was acknowledged is lost or counted twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.tools import which

pytestmark = pytest.mark.live

DISK_BYTES = 40 << 20
PADDING = "x" * 900
"""Makes a tick a kilobyte, so that the disk is full after some thousands."""
BATCH = 200
ITEM = "full"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "metronome-test", str(folder)]
    can = os.geteuid() == 0 and which("mount") and not subprocess.run(mount, check=False).returncode
    require(can, "root, who may mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Ticks:
    """Sends ticks with ids, and remembers how many were acknowledged."""

    def __init__(self, gateway: RunningGateway):
        self._gateway = gateway
        self._next = 0
        self.acknowledged = 0

    def send(self, number: int = BATCH) -> tuple[int, dict[str, str]]:
        """Status and headers of a body of so many ticks; the same ticks again after a refusal."""
        ticks = [
            {"id": ITEM, "tick": str(index), "note": PADDING}
            for index in range(self._next, self._next + number)
        ]
        status, headers, body = self._gateway.request("/tick", json.dumps(ticks).encode())
        if status == 204:
            self._next += number
            self.acknowledged += number
        else:
            assert status == 503, (status, body)
        return status, headers


def test_a_full_disk_refuses_ticks_until_there_is_room(small_disk: Path) -> None:
    """Journal and store on a disk that somebody else fills, emptied again; then a restart."""
    with RunningGateway(small_disk / "var") as gateway:
        ticks = Ticks(gateway)
        assert ticks.send()[0] == 204
        _fill(small_disk / "ballast")
        statuses = [ticks.send() for _ in range(20)]
        refusals = [headers for status, headers in statuses if status == 503]
        assert refusals, "the disk was not full"
        assert statuses[-1][0] == 503
        assert all(int(headers["Retry-After"]) > 0 for headers in refusals)
        assert gateway.request("/health")[0] == 200
        assert gateway.request("/ready")[0] == 503
        assert gateway.process is not None
        assert gateway.process.poll() is None

        (small_disk / "ballast").unlink()
        assert eventually(lambda: ticks.send()[0], lambda status: status == 204) == 204
        assert eventually(lambda: gateway.request("/ready")[0], lambda status: status == 200) == 200
        assert _views(gateway) == ticks.acknowledged
        settled = eventually(lambda: _books(gateway), lambda books: books["waiting"] == 0)
        assert settled["stored"] == ticks.acknowledged
        assert gateway.stop() == 0
        gateway.start()
        assert _views(gateway) == ticks.acknowledged


def test_a_gateway_starts_on_a_full_disk(small_disk: Path) -> None:
    """Killed while the disk is full it starts again, and is there when there is room."""
    with RunningGateway(small_disk / "var") as gateway:
        ticks = Ticks(gateway)
        assert ticks.send()[0] == 204
        _fill(small_disk / "ballast")
        gateway.kill()
        Timer(3, (small_disk / "ballast").unlink).start()
        gateway.start()  # until it has written where it listens
        assert eventually(lambda: ticks.send()[0], lambda status: status == 204) == 204
        assert _views(gateway) == ticks.acknowledged == 2 * BATCH


def test_a_gateway_fills_its_own_disk_and_goes_on(small_disk: Path) -> None:
    """Ticks until the disk is full of them: no crash, and every acknowledged one is counted."""
    with RunningGateway(small_disk / "var") as gateway:
        ticks = Ticks(gateway)
        statuses = []
        for _ in range(2 * DISK_BYTES // (BATCH * len(PADDING))):
            statuses.append(ticks.send()[0])
            if statuses[-3:] == [503] * 3:
                break
        assert 503 in statuses
        assert gateway.process is not None
        assert gateway.process.poll() is None
        assert gateway.request("/health")[0] == 200
        subprocess.run(["mount", "-o", "remount,size=200M", str(small_disk)], check=True)
        assert eventually(lambda: ticks.send()[0], lambda status: status == 204, 40) == 204
        assert eventually(lambda: _books(gateway)["waiting"], lambda waiting: waiting == 0, 60) == 0
        assert _views(gateway) == ticks.acknowledged
        assert _books(gateway)["stored"] == ticks.acknowledged


def _fill(ballast: Path) -> None:
    """Take every byte that is left."""
    with open(ballast, "wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def _views(gateway: RunningGateway) -> int:
    answer = gateway.get(f"/tock/{ITEM}.json")
    return sum(answer["views"].values())


def _books(gateway: RunningGateway) -> dict[str, int]:
    """What is stored and what waits, of all days (midnight may have passed)."""
    days = gateway.get("/ledger.json")["days"]
    return {name: sum(day[name] for day in days) for name in ("stored", "waiting")}
