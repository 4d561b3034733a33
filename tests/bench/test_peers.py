"""The load and the sink are right: what is measured rests on them."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest

from metronome.kernel import parse_graphite, parse_statsd
from metronome.kernel.interface import Dialect
from metronome.model import Kind
from tests.bench.peers import Peer, Sink, watch
from tests.bench.peers.pickles import frames
from tests.bench.peers.running import Running
from tests.bench.peers.tools import built, found
from tests.live.conftest import require
from tests.live.tools import which

pytestmark = pytest.mark.live


def load(port: int, *words: str) -> bytes:
    """What the load says of itself."""
    require(which("cc"), "a C compiler")
    return subprocess.run(
        [built("generate"), "-p", str(port), *words], check=True, capture_output=True
    ).stdout


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("-k", "100", "-n", "200"), {Kind.COUNTER: 200}),
        (("-k", "100", "-n", "200", "-g", "8"), {Kind.COUNTER: 200}),
        (("-k", "100", "-n", "200", "-z", "1432", "-t"), {Kind.COUNTER: 200}),
        (
            ("-k", "100", "-n", "200", "-z", "1432", "-m"),
            {Kind.COUNTER: 120, Kind.TIMER: 50, Kind.GAUGE: 20, Kind.SET: 10},
        ),
    ],
)
def test_datagrams_hold_the_lines_that_were_asked_for(words: tuple[str, ...], kinds: dict[Kind, int]) -> None:
    """So many valid lines, each name equally often, the kinds in their shares."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as into:
        into.bind(("127.0.0.1", 0))
        into.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        load(into.getsockname()[1], *words)
        into.setblocking(False)
        got = []
        while True:
            try:
                got.append(into.recv(65536))
            except BlockingIOError:
                break
    samples, rejects = parse_statsd(b"\n".join(got), Dialect())
    assert rejects == []
    counted = dict.fromkeys(kinds, 0)
    for sample in samples:
        counted[Kind(sample.kind)] += 1
    assert counted == kinds
    assert max(map(len, got)) <= 1432


def test_what_graphite_gets_reaches_the_sink(tmp_path: Path) -> None:
    """Twenty connections of whole lines; the sink counts those whose name fits."""
    require(which("cc") and which("taskset"), "a C compiler and taskset")
    require((os.cpu_count() or 1) > 1, "two cores")
    server = Peer("sink", (built("sink"), "$PORT", "$DIR/own", "bench", ""), Sink("bench"), transport="tcp")
    one = Running(server, tmp_path)
    try:
        one.start()
        sent = one.load("-P", "tcp", "-f", "graphite", "-n", 5000, "-k", 100, "-c", 20, "-w")
        assert sent.lines == 5000
        lines, matched, _ = struct.unpack("<QQd", (tmp_path / "own").read_bytes()[:24])
        assert (lines, matched) == (5000, 5000)
        assert watch.resident(one.pid) > 0.1
    finally:
        one.stop()


def test_graphite_lines_are_valid() -> None:
    """As our own parser reads them."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(65536):
                    got.append(data)

        thread = threading.Thread(target=take)
        thread.start()
        load(server.getsockname()[1], "-P", "tcp", "-f", "graphite", "-n", "300", "-k", "100", "-w")
        thread.join()
    samples, rejects = parse_graphite(b"".join(got), Dialect())
    assert (len(samples), rejects) == (300, [])


def test_pickled_frames_hold_the_points_that_were_asked_for() -> None:
    """In carbon's form: a length, then a list of path, time and value."""
    built_frames = frames(1200, 100)
    rows = [row for frame in built_frames for row in pickle.loads(frame[4:])]
    assert [struct.unpack("!L", frame[:4])[0] for frame in built_frames] == [
        len(one) - 4 for one in built_frames
    ]
    assert len({(path, time) for path, (time, _) in rows}) == 1200


def test_a_program_that_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither without the folder nor in an empty one; its version stands beside it."""
    monkeypatch.delenv("METRONOME_PEERS", raising=False)
    assert found("brubeck") == ("", "")
    monkeypatch.setenv("METRONOME_PEERS", str(tmp_path))
    assert found("brubeck") == ("", "")
    (tmp_path / "brubeck").touch(mode=0o755)
    (tmp_path / "brubeck.version").write_text("1.2\n")
    assert found("brubeck") == (str(tmp_path / "brubeck"), "1.2")
