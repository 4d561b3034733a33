"""A reactor for as long as a command takes.  Each case is a process of its own: a reactor runs once."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from pathlib import Path
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import deferLater
from metronome import offline
from metronome.config import load
from metronome.errors import ConfigError, StoreUnavailable

# Whoever starts tests in the background may have had them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupted(reactor):
    reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGINT)
    return Deferred()

def started(reactor):
    config = load({{"store": "duckdb:" + sys.argv[1]}}, {{}})
    return offline.with_store(config, reactor, lambda store: store.applied())

try:
    print(offline.run({work}))
except BaseException as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("lambda reactor: deferLater(reactor, 0.01, lambda: 5)", "5"),
        ("lambda reactor: fail(StoreUnavailable('away'))", "StoreUnavailable away"),
        ("lambda reactor: open('/none/x')", "ConfigError /none/x: No such file or directory"),
        ("interrupted", "KeyboardInterrupt"),
        ("started", "{}"),
    ],
    ids=["result", "failure", "disk", "interrupted", "store"],
)
def test_work_is_done_and_its_end_is_told(work: str, said: str, tmp_path) -> None:
    """A result is returned; what failed is raised; a signal is an interrupt."""
    script = SCRIPT.format(work=work)
    command = [sys.executable, "-c", script, str(tmp_path / "x.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == said, done.stderr
