"""Several processes on one port: the numbers of one, and what the death of each of them costs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.gateway import RunningGateway, eventually

pytestmark = pytest.mark.live

OUTCOMES = ("stored", "rejected", "filtered", "shed", "diverted")


def numbers(gateway: RunningGateway) -> Counter[str]:
    """Our own numbers on ``/metrics``, each added up over its labels."""
    status, _, body = gateway.request("/metrics")
    assert status == 200
    found: Counter[str] = Counter()
    for line in body.decode().splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith("metronome_"):
            found[name.partition("{")[0]] += float(value)
    return found


def books(gateway: RunningGateway) -> tuple[int, int]:
    """What was received, and what is known to have become of it."""
    found = numbers(gateway)
    accounted = found["metronome_waiting"] + sum(found[f"metronome_{name}_total"] for name in OUTCOMES)
    return int(found["metronome_received_total"]), int(accounted)


def children(gateway: RunningGateway) -> list[int]:
    """Process ids of its children."""
    assert gateway.process is not None
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
        except OSError:
            continue  # it has ended meanwhile
        if int(stat.rpartition(")")[2].split()[1]) == gateway.process.pid:
            found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Client:
    """One statsd client: a socket of its own, so that all it sends comes to one worker."""

    def __init__(self, gateway: RunningGateway):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", gateway.port("statsd", "udp")))

    def send(self, *lines: str) -> None:
        self._socket.send("\n".join(lines).encode())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> Iterator[list[Client]]:
    """Clients that a test opens; closed after it."""
    opened: list[Client] = []
    yield opened
    for client in opened:
        client.close()


def load(gateway: RunningGateway) -> None:
    """The same lines each time, from 24 clients, gauges set only before they are changed."""
    clients = [Client(gateway) for _ in range(24)]
    clients[0].send("level:100|g")
    eventually(lambda: gateway.total("level", "last"), lambda found: found == 100)
    minutes_ago = int(time.time()) - 600
    for round_ in range(40):
        for number, client in enumerate(clients):
            client.send(
                "hits:3|c|@0.5",
                f"page.{number % 5}:1|c|#env:prod",
                f"time:{round_ * 24 + number}|ms",
                f"users:{(round_ + number) % 57}|s",
                f"own.{number}:{round_}|g",
                "level:+2|g",
                f"old:{number}|c|T{minutes_ago + round_}",
            )
            if round_ == number:
                client.send("broken", "_e{5,4}:title|text")
        time.sleep(0.02)
    for client in clients:
        client.close()


QUESTIONS = [
    ("hits", "n", {}),
    ("hits", "d", {}),
    ("page.*", "n", {"by": "env"}),
    ("time", "n", {}),
    ("time", "p50", {}),
    ("time", "p99", {}),
    ("time", "max", {}),
    ("users", "distinct", {}),
    ("own.*", "last", {}),
    ("level", "last", {}),
    ("old", "n", {}),
]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_numbers_are_those_of_one_process(tmp_path: Path, workers: str) -> None:
    """All kinds of samples, from many senders, whoever folds them; the books balance."""
    with RunningGateway(tmp_path / "data", workers=workers) as gateway:
        load(gateway)
        samples = 24 * 40 * 7 + 1
        received = samples + 2 * 24
        assert eventually(lambda: books(gateway), lambda found: found == (received,) * 2) == (received,) * 2
        # Samples with a time of their own come out of the table apart from the others.
        eventually(lambda: gateway.total("old"), lambda total: total == 40 * sum(range(24)))
        eventually(lambda: gateway.total("hits"), lambda total: total == 24 * 40 * 6)
        expected = [24 * 40 * 6, 24 * 40 * 2, 24 * 40, sum(range(960)), None, None, 959, 57, 24 * 39, 2020]
        expected.append(40 * sum(range(24)))
        found = [gateway.total(name, stat, **query) for name, stat, query in QUESTIONS]
        for wanted, answer in zip(expected, found, strict=True):
            assert wanted is None or answer == wanted, (expected, found)
        assert found[4] == pytest.approx(479.5, rel=0.01)
        assert found[5] == pytest.approx(949.5, rel=0.01)
        told = numbers(gateway)
        assert told["metronome_datagrams_total"] == 24 * 40 + 24 + 1
        assert told["metronome_rejected_total"] == 24
        assert told["metronome_workers"] == (3 if workers == "3" else 0)
        assert len(children(gateway)) == (3 if workers == "3" else 0)


def test_a_worker_that_is_killed_costs_its_last_second(tmp_path: Path, clients: list[Client]) -> None:
    """The others go on, it is started anew, and what lies in its socket meanwhile is read."""
    with RunningGateway(tmp_path / "data", workers="3") as gateway:
        clients += [Client(gateway) for _ in range(30)]
        eventually(lambda: numbers(gateway)["metronome_workers"], lambda found: found == 3)
        sent = 0
        killed = time.monotonic() + 1.7
        until = killed + 2.5
        victim = children(gateway)[0]
        while time.monotonic() < until:
            for number, client in enumerate(clients):
                client.send(f"client.{number}:1|c")
            sent += 1
            if victim and time.monotonic() > killed:
                os.kill(victim, signal.SIGKILL)
                victim = 0
            time.sleep(0.01)
        received, _ = eventually(lambda: books(gateway), lambda found: _still(gateway, found), 5)
        eventually(lambda: gateway.total("client.*"), lambda total: total == received)
        totals = [gateway.total(f"client.{number}") for number in range(len(clients))]
        assert sum(totals) == received
        assert books(gateway) == (received, received)
        lost = [sent - total for total in totals]
        spared = [one for one in lost if one == 0]
        # A third of the clients is the victim's, give or take (none of them loses anything if it dies
        # in the instant after it handed over); the loop sends no more than 100 a second.
        assert len(spared) >= 8, lost
        assert 0 <= max(lost) <= 130, lost
        assert min(lost) == 0, lost
        told = numbers(gateway)
        assert told["metronome_worker_restarts_total"] == 1
        assert told["metronome_workers"] == 3
        assert "worker " in gateway.log
        assert "signal 9" in gateway.log


def _still(gateway: RunningGateway, before: tuple[int, int]) -> bool:
    """Whether nothing comes in any more."""
    time.sleep(2.2)
    return books(gateway) == before


def test_sigterm_loses_nothing_and_leaves_nobody_behind(tmp_path: Path, clients: list[Client]) -> None:
    """What was sent just before is there after the next start; the whole group may be signalled."""
    gateway = RunningGateway(tmp_path / "data", workers="3", flush_interval="3600")
    with gateway:
        eventually(lambda: numbers(gateway)["metronome_workers"], lambda found: found == 3)
        clients += [Client(gateway) for _ in range(40)]
        for _ in range(50):
            for client in clients:
                client.send("last:1|c")
        pids = children(gateway)
        assert len(pids) == 3
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        assert gateway.stop() == 0
        assert not any(map(alive, pids))
    with RunningGateway(tmp_path / "data") as again:
        assert eventually(lambda: again.total("last"), lambda total: total == 2000) == 2000


def test_workers_do_not_outlive_their_gateway(tmp_path: Path) -> None:
    """However it ends; the next one gets the port at once."""
    gateway = RunningGateway(tmp_path / "data", workers="2")
    with gateway:
        eventually(lambda: numbers(gateway)["metronome_workers"], lambda found: found == 2)
        pids = children(gateway)
        port = gateway.port("statsd", "udp")
        gateway.kill()
        assert not eventually(lambda: [pid for pid in pids if alive(pid)], lambda left: not left, 5)
        gateway.options["statsd"] = f"udp://127.0.0.1:{port}"
        gateway.start()
        assert gateway.port("statsd", "udp") == port


def test_new_rules_reach_the_workers(tmp_path: Path, clients: list[Client]) -> None:
    """SIGHUP has every process read names by the new ones."""
    rules = tmp_path / "rules.yaml"
    rules.write_text('mappings: [{match: "web.*", name: web, labels: {page: "$1"}}]\n')
    with RunningGateway(tmp_path / "data", workers="3", mapping=str(rules)) as gateway:
        clients += [Client(gateway) for _ in range(30)]
        for client in clients:
            client.send("web.home:1|c")
        assert eventually(lambda: gateway.total("web", page="home"), lambda total: total == 30) == 30
        rules.write_text('mappings: [{match: "web.*", name: site, labels: {page: "$1"}}]\n')
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: gateway.log.count("mapping rules were read again"), lambda found: found == 1)

        def by_new_rules() -> float:
            """Of one more sample from each client, how many were named by the new rules."""
            before = {name: gateway.total(name) for name in ("site", "web")}
            for client in clients:
                client.send("web.home:1|c")
            wanted = sum(before.values()) + len(clients)
            eventually(lambda: gateway.total("site") + gateway.total("web"), lambda total: total == wanted)
            return gateway.total("site") - before["site"]

        # The rules are handed to the workers behind the log's line, and each takes them in turn.
        assert eventually(by_new_rules, lambda found: found == len(clients)) == len(clients)
