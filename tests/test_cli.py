"""The console script: what becomes of input, settings, streams and the live tail."""

from __future__ import annotations

import base64
import io
import json
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metronome import __version__
from metronome.cli import main
from tests.live.gateway import RunningGateway, eventually


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch):
    """Runs a command; its status, its output as lines, and its error text."""

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, list[str], str]:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capsysbinary.readouterr()
        return status, out.decode().splitlines(), err.decode()

    return run


def test_the_version_is_printed(run) -> None:
    """The package's own."""
    assert run("--version") == (0, [f"metronome {__version__}"], "")


def test_parse_prints_one_object_a_line(run) -> None:
    """Samples and rejects, in order, empty lines passed over."""
    status, out, _ = run("parse", "statsd", stdin=b"a:1|c\n\nb\nc:2|g|#k:\xc3\xa9\n")
    assert status == 0
    first, second, third = map(json.loads, out)
    assert first == {"name": "a", "labels": {}, "kind": "counter", "value": 1, "rate": 1, "delta": False}
    assert second == {"reject": "malformed_line", "excerpt": "b"}
    assert third["labels"] == {"k": "é"}


def test_parse_base64_prints_one_array_for_each_datagram(run) -> None:
    """Also for an empty one, so that output lines match input lines."""
    lines = [base64.b64encode(block) for block in (b"a:1|c\nb:2|c", b"", b"x")]
    _, out, _ = run("parse", "statsd", "--base64", stdin=b"\n".join(lines) + b"\n")
    found = [json.loads(line) for line in out]
    assert [[told.get("name", told.get("reject")) for told in one] for one in found] == [
        ["a", "b"],
        [],
        ["malformed_line"],
    ]


def test_parse_knows_graphite_and_ticks_and_files(run, tmp_path: Path) -> None:
    """Each format by its name; input may be a file."""
    _, out, _ = run("parse", "graphite", stdin=b"a.b;x=y 1.5 1700000000\n")
    assert json.loads(out[0])["time"] == 1700000000
    file = tmp_path / "ticks"
    file.write_bytes(b'{"id": "p", "type": "view"}\n[1]\n')
    _, out, _ = run("parse", "tick", str(file))
    assert json.loads(out[0])["event"]["id"] == "p"
    assert json.loads(out[1])["reject"] == "not_an_object"


def test_parse_reads_signs_as_it_is_told(run) -> None:
    """As the receiver's dialect does."""
    _, out, _ = run("parse", "statsd", "--gauge-sign", "absolute", stdin=b"a:-1|g\n")
    assert (json.loads(out[0])["value"], json.loads(out[0])["delta"]) == (-1, False)


def test_bad_base64_and_missing_files_are_named(run, tmp_path: Path) -> None:
    """One line on standard error and status 1."""
    status, _, err = run("parse", "statsd", "--base64", stdin=b"?!\n")
    assert (status, err.startswith("metronome: b'?!' is not base64")) == (1, True)
    status, _, err = run("parse", "statsd", str(tmp_path / "none"))
    assert (status, "No such file" in err) == (1, True)


def test_check_config_says_yes_or_no(run, tmp_path: Path) -> None:
    """The resolved settings, or what is wrong with them: values, files, rules."""
    status, out, _ = run("check-config", "--statsd", "udp://:0")
    assert status == 0
    assert any(line.startswith('statsd = ["udp://:0"]') for line in out)
    assert run("run", "--check-config")[0] == 0
    rules = tmp_path / "rules.yml"
    rules.write_text("mappings: 5\n")
    none = str(tmp_path / "none")
    for arguments in (["--http", "x"], ["--config", none], ["--mapping", str(rules)], ["--store", "x:"]):
        status, out, err = run("check-config", *arguments)
        assert (status, out) == (1, [])
        assert err.startswith("metronome: ")


def test_a_wrong_command_line_has_status_2(run) -> None:
    """As every program's."""
    for arguments in ([], ["nonsense"], ["parse", "xml"], ["run", "--flush-interva", "5"]):
        assert run(*arguments)[0] == 2


def test_streams_are_made_in_the_files_while_nothing_runs(run, tmp_path: Path) -> None:
    """The registry is locked meanwhile and left consistent."""
    place = ["--data-dir", str(tmp_path / "data")]
    status, _, err = run("token", *place)
    assert (status, "has no token" in err) == (1, True)
    made = json.loads(run("stream", "create", "shop", "--public", "--points", "30", *place)[1][0])
    assert made["id"] == made["name"] == "shop"
    listed = [json.loads(line) for line in run("stream", "list", *place)[1]]
    assert [(one["id"], one["public"]) for one in listed] == [("main", False), ("shop", True)]
    turned = json.loads(run("stream", "rotate", "shop", *place)[1][0])
    assert turned["token"] != made["token"]
    assert turned["write_key"] != made["write_key"]
    assert len(run("token", *place)[1][0]) > 20
    status, _, err = run("stream", "create", "shop", *place)
    assert (status, "conflict" in err) == (1, True)
    status, _, err = run("token", "--url", *place)
    assert (status, "no gateway" in err) == (1, True)


def test_a_running_gateway_is_asked_through_http(run, tmp_path: Path) -> None:
    """Streams, the dashboard's address, and the live tail of samples and rejects."""
    place = ["--data-dir", str(tmp_path / "data")]
    with RunningGateway(tmp_path / "data") as gateway:
        assert run("token", *place)[1] == [gateway.token]
        assert run("token", "--url", *place)[1] == [f"{gateway.url}/#token={gateway.token}"]
        made = json.loads(run("stream", "create", "shop", "--origin", "https://shop.example", *place)[1][0])
        listed = [json.loads(line)["id"] for line in run("stream", "list", *place)[1]]
        assert listed == ["main", "shop"]
        turned = json.loads(run("stream", "rotate", "shop", *place)[1][0])
        assert turned["token"] != made["token"]
        status, _, err = run("stream", "rotate", "none", *place)
        assert (status, "not_found" in err) == (1, True)
        assert tailed(gateway, place) == ["a", "malformed_line"]
        assert top(place)["senders"]["samples"][0]["sender"] == "127.0.0.1"


def top(place: list[str]) -> dict[str, Any]:
    """Who sent most, once it is known."""
    command = [str(Path(sys.executable).with_name("metronome")), "tail", "--top", *place]

    def ask() -> dict[str, Any]:
        told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        assert isinstance(told["top"], dict)
        return told["top"]

    return eventually(ask, lambda found: bool(found["senders"]["samples"]))


def tailed(gateway: RunningGateway, place: list[str]) -> list[str]:
    """The first two things that the tail shows of a datagram sent over and over."""
    command = [str(Path(sys.executable).with_name("metronome")), "tail", *place]
    shown: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", gateway.port("statsd", "udp")))
            while not shown:
                sender.send(b"a:1|c\nbad")
                shown = _ready(tail)
        tail.terminate()
    return shown


def _ready(tail: subprocess.Popen[str]) -> list[str]:
    assert tail.stdout is not None
    if not select.select([tail.stdout], [], [], 0.1)[0]:
        return []
    told = [json.loads(tail.stdout.readline()) for _ in range(2)]
    return [one.get("name", one.get("reject")) for one in told]
