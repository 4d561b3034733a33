"""What ``twistd`` is given: a plugin, and options that resolve to settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from metronome.tap import Options


def test_the_plugin_is_found_by_its_name() -> None:
    """``twistd metronome`` exists wherever the package is installed."""
    found = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "metronome"]
    assert [(maker.module, maker.options) for maker in found] == [("metronome.tap", Options)]


def test_options_resolve_to_settings(tmp_path: Path) -> None:
    """Nothing is opened before the service starts; ``test_twistd.py`` starts it."""
    options = Options()
    options.parseOptions(["--data-dir", str(tmp_path / "data"), "--statsd", "", "--flush-interval=2"])
    assert options.config.statsd == ()
    assert options.config.flush_interval == 2
    assert not (tmp_path / "data").exists()


def test_bad_options_end_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The key, the value, what would be right."""
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["--http", "8080"])
    assert ended.value.code == 1
    assert 'http = "8080" (option --http): it has no transport' in capsys.readouterr().err


def test_check_config_prints_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with status 0."""
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["--check-config"])
    assert ended.value.code == 0
    assert 'http = ["tcp://127.0.0.1:8080"]' in capsys.readouterr().out
