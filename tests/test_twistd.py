"""The real ``twistd`` plugin: options, one packet in, one answer out, and a clean end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live.gateway import RunningGateway, eventually

TWISTD = Path(sys.executable).with_name("twistd")

OFF = ["--statsd", "", "--graphite", "", "--pickle", "", "--admin", ""]
"""Receivers that a test has no use for."""


def twistd(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``twistd -n metronome`` to its end."""
    command = [str(TWISTD), "-n", "--pidfile=", "metronome", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory):
    """One gateway for the tests that only talk to it."""
    with RunningGateway(tmp_path_factory.mktemp("run") / "data") as running:
        yield running


def test_one_packet_in_one_answer_out(gateway: RunningGateway) -> None:
    """A counter sent over UDP and one over TCP are read back through HTTP, exactly."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hits:2|c|@0.5\nhits:1|c", ("127.0.0.1", gateway.port("statsd", "udp")))
    with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as sender:
        sender.sendall(b"hits:3|c")
    assert eventually(lambda: gateway.total("hits"), lambda total: total == 8) == 8


def test_the_data_directory_is_private_and_tells_the_addresses(gateway: RunningGateway) -> None:
    """Whoever may not read it has no token; scripts find the ports that were taken."""
    assert (gateway.data_dir.stat().st_mode & 0o777) == 0o700
    assert (gateway.data_dir / "owner.token").stat().st_mode & 0o077 == 0
    found = gateway.addresses()
    assert set(found) == {"statsd", "graphite", "pickle", "admin", "http"}
    assert [address.partition("://")[0] for address in found["statsd"]] == ["udp", "tcp"]
    assert all(not address.endswith(":0") for places in found.values() for address in places)
    for option, places in found.items():
        for place in places:
            assert f"listening {option} {place}" in gateway.log


def test_a_second_process_on_the_same_data_directory_is_refused_by_name(gateway: RunningGateway) -> None:
    """It names the first, ends with status 1, and the first goes on."""
    assert gateway.process is not None
    second = twistd("--data-dir", str(gateway.data_dir), *OFF, "--http", "")
    assert second.returncode == 1
    assert f"process {gateway.process.pid}" in second.stderr
    assert gateway.request("/health")[0] == 200
    assert gateway.addresses()


def test_a_port_that_is_taken_is_named(gateway: RunningGateway, tmp_path: Path) -> None:
    """Status 1 and the address; nothing is left behind that a script would wait for."""
    taken = gateway.addresses()["http"][0]
    second = twistd("--data-dir", str(tmp_path), *OFF, "--http", taken)
    assert second.returncode == 1
    assert f"http = {taken}" in second.stderr
    assert not (tmp_path / "addresses.json").exists()


def test_sigterm_folds_and_journals_what_it_has_and_exits_0(tmp_path: Path) -> None:
    """What was sent just before the stop is there after the next start."""
    gateway = RunningGateway(tmp_path / "data", flush_interval="3600")
    with gateway:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"late:5|c", ("127.0.0.1", gateway.port("statsd", "udp")))
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 10
    assert not gateway.addresses()
    with RunningGateway(tmp_path / "data") as again:
        assert eventually(lambda: again.total("late"), lambda total: total == 5) == 5


def test_sighup_does_not_end_it(gateway: RunningGateway) -> None:
    """It reads its rules again and goes on."""
    assert gateway.process is not None
    gateway.process.send_signal(1)
    time.sleep(0.2)
    assert gateway.request("/health")[0] == 200


def test_check_config_prints_and_ends() -> None:
    """Status 0 and a TOML text for good settings, 1 and the remedy for bad ones."""
    good = twistd("--check-config", "--flush-interval", "5", METRONOME_STORE="memory:")
    assert (good.returncode, good.stderr) == (0, "")
    assert "flush-interval = " in good.stdout
    assert "environment METRONOME_STORE" in good.stdout
    bad = twistd("--check-config", "--flush-interval", "soon")
    assert bad.returncode == 1
    assert 'flush-interval = "soon" (option --flush-interval)' in bad.stderr
    assert bad.stdout == ""


def test_an_unknown_option_is_an_error() -> None:
    """No abbreviation is guessed either."""
    for option in ("--flush", "--nonsense"):
        ended = twistd(option, "5")
        assert ended.returncode != 0
        assert option in ended.stderr


def test_the_console_script_takes_the_same_options(tmp_path: Path) -> None:
    """``metronome run`` is the same service, and prints where the dashboard is."""
    data_dir = tmp_path / "data"
    arguments = ["--data-dir", str(data_dir), *OFF, "--http", "tcp://127.0.0.1:0"]
    script = Path(sys.executable).with_name("metronome")
    running = subprocess.Popen([str(script), "run", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = next(line for line in running.stdout if "Dashboard:" in line)
        (address,) = json.loads((data_dir / "addresses.json").read_text())["http"]
        token = (data_dir / "owner.token").read_text().strip()
        assert line.split()[-1] == f"{address.replace('tcp', 'http')}/#token={token}"
    finally:
        running.terminate()
        assert running.wait(15) == 0
        running.stdout.close()
