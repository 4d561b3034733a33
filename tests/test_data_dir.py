"""The data directory is private, locked, and says where we listen."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from metronome.data_dir import DataDir
from metronome.errors import ConfigError


def test_it_is_made_private(tmp_path: Path) -> None:
    """Nobody else reads the journal and the tokens."""
    data_dir = DataDir(tmp_path / "a" / "b")
    data_dir.open()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    data_dir.close()


def test_a_second_one_is_refused_by_name(tmp_path: Path) -> None:
    """Who has the directory is said; when it is given back the next may have it."""
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.open()
    with pytest.raises(ConfigError, match=f"another Metronome \\(process {os.getpid()}\\)"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_place_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    """The message names the key and the value."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"data-dir = .*file/x"):
        DataDir(tmp_path / "file" / "x").open()


def test_addresses_are_there_while_we_listen(tmp_path: Path) -> None:
    """Scripts wait for the file; one of a killed run is removed at start."""
    (tmp_path / "addresses.json").write_text("stale")
    data_dir = DataDir(tmp_path)
    data_dir.open()
    assert not (tmp_path / "addresses.json").exists()
    data_dir.tell_addresses({"statsd": ["udp://127.0.0.1:1"]})
    assert json.loads((tmp_path / "addresses.json").read_text()) == {"statsd": ["udp://127.0.0.1:1"]}
    data_dir.close()
    assert not (tmp_path / "addresses.json").exists()


def test_a_check_says_what_opening_would_and_holds_nothing(tmp_path: Path) -> None:
    """A daemon's start is checked while somebody looks."""
    first, second = DataDir(tmp_path), DataDir(tmp_path)
    first.check()
    second.open()
    with pytest.raises(ConfigError, match="another Metronome"):
        first.check()
    second.close()
