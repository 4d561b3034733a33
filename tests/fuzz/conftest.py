"""The sanitizers' run takes a core for minutes, while most live tests wait for something.  So it goes
on beside all other tests: it begins before the first of them, with what time they leave, and the
tests that ask for its outcome come last."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz import sanitized
from tests.kernel.conftest import twin

INPUTS: Final = 200_000
PATIENCE_SECONDS: Final = 1500
"""On a loaded machine it takes twelve minutes from here; what takes longer hangs."""


class Beside:
    """The run, in a process of its own that builds the kernel with sanitizers and feeds it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="metronome-sanitized-"))
        fuzz = [sys.executable, "-m", "tests.fuzz", "--sanitized", "--into", str(self.folder)]
        self._running = subprocess.Popen(
            ["nice", "-n", "10", *fuzz, "--inputs", str(INPUTS), "--seed", "1000000"],
            cwd=sanitized.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._outcome: tuple[int, str, str] | None = None

    def outcome(self) -> tuple[int, str, str]:
        """Exit status and what was printed, once it has ended."""
        if self._outcome is None:
            printed, complained = self._running.communicate(timeout=PATIENCE_SECONDS)
            self._outcome = (self._running.returncode, printed, complained)
        return self._outcome

    def end(self) -> None:
        """End it, whatever it is at."""
        if self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.communicate()
        shutil.rmtree(self.folder)


BESIDE: Final = pytest.StashKey[Beside]()


def _asks(item: pytest.Item) -> bool:
    return "beside" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that ask for the outcome come last."""
    items.sort(key=_asks)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin, if anybody will ask and there is a native kernel to look at."""
    wanted = any(map(_asks, session.items)) and not session.config.option.collectonly
    if wanted and find_spec("metronome.kernel._fast"):
        session.config.stash[BESIDE] = Beside()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session that was broken off leaves nothing running."""
    if BESIDE in session.config.stash:
        session.config.stash[BESIDE].end()


@pytest.fixture
def beside(pytestconfig: pytest.Config) -> Beside:
    """The run beside this session; where there is no native kernel, it is said what that means."""
    twin("native")
    return pytestconfig.stash[BESIDE]
