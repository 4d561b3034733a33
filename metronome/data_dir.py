"""The data directory: made private, locked against a second process, told where we listen.

The lock is the kernel's (``flock``), so that it ends with the process, however that ends; the
file holds the process id only to name who has it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from metronome.errors import ConfigError

LOCK = "lock"
ADDRESSES = "addresses.json"


class DataDir:
    """One data directory, locked from ``open`` to ``close``."""

    def __init__(self, path: Path):
        self.path = path
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directory (0700) and lock it.  ``ConfigError`` says who has it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(
                f"data-dir = '{self.path}': {error.strerror}; a directory that can be written would be right"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise ConfigError(
                f"data-dir = '{self.path}': another Metronome (process {holder}) works on it;"
                " another directory would be right"
            ) from None
        self._lock = lock
        with suppress(OSError):  # a full disk; the number is for people only
            os.ftruncate(lock, os.pwrite(lock, b"%d\n" % os.getpid(), 0))
        self.forget_addresses()  # of a run that was killed

    def check(self) -> None:
        """Say now what ``open`` would say: before twistd becomes a daemon, whose end nobody sees."""
        self.open()
        self.close()

    def tell_addresses(self, bound: Mapping[str, Sequence[str]]) -> None:
        """Write ``addresses.json``, whole or not at all."""
        beside = self.path / f"{ADDRESSES}.new"
        beside.write_text(json.dumps(bound) + "\n")
        beside.replace(self.path / ADDRESSES)

    def forget_addresses(self) -> None:
        """We listen no longer."""
        (self.path / ADDRESSES).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self.forget_addresses()
            os.close(self._lock)
            self._lock = None
