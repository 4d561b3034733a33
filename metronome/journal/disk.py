"""What the journal needs of a disk, and the real one.

The journal writes through this seam only, so that its twin (``memory_disk``) can lose
power, fill up and lie at any byte.  Every method may raise ``OSError``.

``append``, ``write``, ``sync``, ``truncate`` and ``replace`` are called on one thread (the
journal's writer), ``read`` and ``remove`` on another (its reader); they never meet on the
same file but for reading what is synced already.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

if sys.platform == "darwin":
    import fcntl


class Disk(Protocol):
    """One flat folder of files."""

    def names(self) -> dict[str, int]:
        """Every file's name and size."""
        ...

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Make the file, or empty it, and write ``data``."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write behind the end.  After an error any prefix of ``data`` may be there."""
        ...

    def sync(self, name: str) -> None:
        """Return when the file's bytes and size would survive a loss of power."""
        ...

    def sync_folder(self) -> None:
        """The same for names: files made, replaced and removed."""
        ...

    def truncate(self, name: str, size: int) -> None: ...

    def replace(self, source: str, target: str) -> None:
        """Rename; a file named ``target`` is there at every instant, old or new."""
        ...

    def remove(self, name: str) -> None: ...

    def free(self) -> int:
        """Bytes that could still be written."""
        ...

    def close(self) -> None: ...


class FolderDisk:
    """A folder of a real file system; made (0700, with its parents) when it is absent."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._open_name = ""
        self._open_file = -1

    def names(self) -> dict[str, int]:
        """Every file's name and size."""
        with os.scandir(self._folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""
        file = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(file, size, offset)
            # The kernel gives at most 2 GiB at once, and less when a signal comes.
            while len(data) < size and (more := os.pread(file, size - len(data), offset + len(data))):
                data += more
        finally:
            os.close(file)
        return data

    def write(self, name: str, data: bytes) -> None:
        """Make the file, or empty it, and write ``data``."""
        os.ftruncate(self._opened(name), 0)
        self.append(name, data)

    def append(self, name: str, data: bytes) -> None:
        """Write behind the end."""
        file = self._opened(name)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]

    def sync(self, name: str) -> None:
        """Return when the file's bytes and size would survive a loss of power."""
        _sync(self._opened(name))

    def sync_folder(self) -> None:
        """The same for names."""
        file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def truncate(self, name: str, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(self._opened(name), size)

    def replace(self, source: str, target: str) -> None:
        """Rename over ``target``."""
        self.close()
        os.replace(self._folder / source, self._folder / target)

    def remove(self, name: str) -> None:
        """Delete.  A segment that is removed on the reader's thread is never the open file."""
        if name == self._open_name:
            self.close()
        os.remove(self._folder / name)

    def free(self) -> int:
        """Bytes that could still be written by a user that is not root."""
        state = os.statvfs(self._folder)
        return state.f_bavail * state.f_frsize

    def close(self) -> None:
        """Close the file that was appended to last."""
        if self._open_file >= 0:
            file, self._open_file, self._open_name = self._open_file, -1, ""
            os.close(file)

    def _opened(self, name: str) -> int:
        """The file, open to append.  One stays open: the active segment, nearly always."""
        if name != self._open_name:
            self.close()
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._open_file = os.open(self._folder / name, flags, 0o600)
            self._open_name = name
        return self._open_file


def _sync(file: int) -> None:
    if sys.platform == "darwin":
        # fsync hands over to the drive only; this also empties the drive's cache.
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


def put(disk: Disk, name: str, data: bytes) -> None:
    """Make ``name`` hold ``data``, durably, and at every instant the old or the new bytes.

    What an attempt that failed has left is removed, not written over: after a failed sync the
    system may hold pages of that file as clean that never reached the disk.
    """
    with suppress(FileNotFoundError):
        disk.remove(name + NEW)
    disk.write(name + NEW, data)
    disk.sync(name + NEW)
    disk.replace(name + NEW, name)
    disk.sync_folder()


NEW = ".new"
"""Ends the name of a file that was being put; one that is found at start is deleted."""
