"""``metronome replay``: by a running gateway, on a stopped one, and killed in between."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from metronome.cli import main
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.model import Event, Events, EventSelection, Record
from metronome.store.interface import Store
from tests.live.gateway import RunningGateway
from tests.store.child import finish, opened

DAY = "2026-11-20"
NOW = int(time.time() * 1000)
METRONOME = str(Path(sys.executable).with_name("metronome"))


def divert(folder: Path, number: int, time_: int = NOW) -> None:
    """Letters of a former journal, one event each."""
    letters = DeadLetterFile(folder)
    for position in range(number):
        event: Event = {"time": time_, "type": "view", "id": f"i{position}", "received": time_}
        letters.put("former", Record(position, Events("main", [event])), "no", DAY)


def replay(folder: Path, *arguments: str) -> tuple[int, list[Any], str]:
    """The command in a process of its own: status, what it printed, what it complained of."""
    command = [METRONOME, "replay", "--data-dir", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def stored(store: Store) -> list[str]:
    """The items of all events."""
    return [event["id"] for event in finish(store.events(EventSelection("main", limit=100_000)))]


def test_a_stopped_gateways_letters_are_replayed(tmp_path: Path) -> None:
    """The store is opened by the command, and another one locked out meanwhile."""
    folder = tmp_path / "var"
    status, out, err = replay(folder)
    assert (status, out, "no such directory" in err) == (1, [], True)
    folder.mkdir()
    divert(folder, 3)
    (status, listed, _) = replay(folder, "--list")
    assert [(one["stream"], one["holds"], one["inputs"], one["reason"]) for one in listed] == [
        ("main", "events", 1, "no")
    ] * 3
    status, (told,), err = replay(folder)
    assert (status, told["stored"], told["inputs"], told["more"], err) == (0, 3, 3, False, "")
    assert replay(folder)[1][0]["stored"] == 0
    store = opened(folder)
    assert sorted(stored(store)) == ["i0", "i1", "i2"]
    finish(store.stop())


def test_what_stays_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Status 1, a count, and what the store says of each."""
    divert(tmp_path, 1)
    bad = tmp_path / "bad"
    bad.mkdir()
    divert(bad, 2, time_=1 << 60)
    good = (tmp_path / "dead-letters.ndjson").read_bytes().replace(b'"former"', b'"other"')
    with open(bad / "dead-letters.ndjson", "ab") as file:
        file.write(good + b"what?\n")
    status, (told,), err = replay(bad)
    assert (status, told["stored"], told["refused"], told["unread"]) == (1, 1, 2, 1)
    assert told["reasons"] == {"an event has no time between 1970 and 9999": 2}
    assert err == "metronome: some letters stay: 2 refused, 1 unread\n"
    assert main(["replay", "--list", "--data-dir", str(bad)]) == 0
    shown = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one.get("reason", "").partition(" ")[0] for one in shown] == ["an", "an", "unexpected"]


def test_a_running_gateway_is_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Through HTTP; its books and answers have the letters at once."""
    folder = tmp_path / "var"
    folder.mkdir()
    divert(folder, 250)
    with RunningGateway(folder) as gateway:
        assert main(["replay", "--data-dir", str(folder)]) == 0
        told = json.loads(capfd.readouterr().out)
        assert (told["stored"], told["inputs"]) == (250, 250)
        views = gateway.get("/tock/i7.json")["views"]
        assert list(views.values()) == [1]
        days = {day["day"]: day for day in gateway.get("/ledger.json")["days"]}
        assert sum(day["stored"] for day in days.values()) == 250
        assert days[DAY]["diverted"] == {"store_rejected": -250}
        metrics = gateway.request("/metrics")[2].decode()
        assert 'metronome_received_total{source="replay",stream="main"} 250' in metrics
        assert gateway.stop() == 0


def test_kills_in_between_double_and_lose_nothing(tmp_path: Path) -> None:
    """SIGKILL while pieces are written, again and again; at the end each letter is stored once."""
    number = 2500
    divert(tmp_path, number)
    note = tmp_path / "dead-letters.replay.json"
    kills = 0
    for _ in range(4):
        before = note.read_bytes() if note.exists() else b""
        command = [METRONOME, "replay", "--data-dir", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
            while running.poll() is None and (note.read_bytes() if note.exists() else b"") == before:
                time.sleep(0.001)
            if running.poll() is None:
                time.sleep(0.01 * kills)
                running.kill()
                kills += 1
    assert kills >= 2
    assert replay(tmp_path)[0] == 0
    store = opened(tmp_path)
    assert sorted(stored(store)) == sorted(f"i{position}" for position in range(number))
    books = {line[2]: line[4] for line in finish(store.tallies("main"))}
    assert books == {"stored": number, "diverted": -number}
    finish(store.stop())
    assert not list(tmp_path.glob("dead-letters*"))
