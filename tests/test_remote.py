"""Finding a gateway by its data directory."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from metronome.data_dir import DataDir
from metronome.errors import ConfigError
from metronome.remote import Remote


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("tcp://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("tcp://0.0.0.0:80", "http://127.0.0.1:80"),
        ("tls://[::]:443", "https://[::1]:443"),
        ("tls://[::1]:443", "https://[::1]:443"),
    ],
)
def test_the_address_is_one_that_can_be_reached(tmp_path: Path, address: str, url: str) -> None:
    """Where it listens on every address, the loopback one is taken."""
    (tmp_path / "addresses.json").write_text(json.dumps({"http": [address]}))
    (tmp_path / "owner.token").write_text("secret\n")
    remote = Remote(tmp_path)
    assert remote.url() == url
    assert remote.dashboard() == f"{url}/#token=secret"


def test_a_gateway_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No token, no address; and with an address that nobody answers, that it does not answer."""
    remote = Remote(tmp_path)
    with pytest.raises(ConfigError, match="has no token"):
        remote.token()
    with pytest.raises(ConfigError, match="no gateway that serves HTTP"):
        remote.url()
    (tmp_path / "addresses.json").write_text(json.dumps({"http": ["tcp://127.0.0.1:1"]}))
    (tmp_path / "owner.token").write_text("secret\n")
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:1 does not answer"):
        next(remote.tail("main"))


def test_a_token_goes_to_nobody_after_a_crash(tmp_path: Path) -> None:
    """Without a lock the addresses are of a run that was killed: the files are used."""
    (tmp_path / "addresses.json").write_text(json.dumps({"http": ["tcp://127.0.0.1:1"]}))
    assert [stream["id"] for stream in Remote(tmp_path).streams()] == ["main"]


def test_a_locked_directory_without_http_is_said_so(tmp_path: Path) -> None:
    """The registry belongs to the process that runs, and that cannot be asked."""
    holder = DataDir(tmp_path)
    holder.open()
    with pytest.raises(ConfigError, match="another Metronome"):
        Remote(tmp_path).streams()
    holder.close()


def test_only_a_gateway_started_since_is_waited_for(tmp_path: Path) -> None:
    """The addresses of a former run do not count."""
    file = tmp_path / "addresses.json"
    file.write_text("{}")
    os.utime(file, (1, 1))
    remote = Remote(tmp_path)
    since = time.time() - 1
    assert not remote.wait(since, 0.1)
    threading.Timer(0.1, file.write_text, ("{}",)).start()
    assert remote.wait(since, 10)
