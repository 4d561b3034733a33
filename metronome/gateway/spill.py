"""Bytes that are kept for a while, some in memory and the rest in files.

The first of them, up to so many bytes at a time, stay in memory.  What is more goes into files that
have no name any more, one after the other: such a file is gone when nothing in it is kept, or
with the process.  What cannot be written stays in memory.

A file is written and read at once, without a thread: these are copies from and to the system's cache, of
some microseconds each, and nothing waits for a disk.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from metronome.limits import SPILL_FILE_BYTES


class _File:
    """A file without a name; it goes with this object."""

    def __init__(self, folder: Path):
        self._number, path = tempfile.mkstemp(prefix="spill-", dir=folder)
        os.unlink(path)
        self.size = 0

    def __del__(self) -> None:
        if hasattr(self, "_number"):
            os.close(self._number)

    def write(self, data: bytes) -> Place:
        """Put bytes behind what is there; ``OSError`` when not all of them could be written."""
        written = os.pwrite(self._number, data, self.size)
        if written != len(data):
            raise OSError(f"{written} of {len(data)} bytes could be written")
        self.size += written
        return Place(self, self.size - written, written)

    def read(self, at: int, length: int) -> bytes:
        """Bytes that were written; ``OSError`` when they cannot be read."""
        data = os.pread(self._number, length, at)
        if len(data) != length:
            raise OSError(f"{len(data)} of {length} bytes could be read")
        return data


class Place(NamedTuple):
    """Where bytes are that are not in memory."""

    file: _File
    at: int
    length: int


Kept = bytes | Place


class Spill:
    """Keeps bytes; whoever has put them drops them again."""

    def __init__(self, folder: Path | None, memory: int):
        """``memory`` bytes stay there; all where there is no ``folder`` for files."""
        self._folder = folder
        self._memory = memory
        self._held = 0
        self._file: _File | None = None

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self._held

    def keep(self, data: bytes) -> Kept:
        """Keep bytes."""
        if self._folder is not None and self._held + len(data) > self._memory:
            try:
                return self._open(self._folder).write(data)
            except OSError:
                self._file = None
        self._held += len(data)
        return data

    def read(self, kept: Kept) -> bytes:
        """What was kept; ``OSError`` when it cannot be read any more."""
        return kept if isinstance(kept, bytes) else kept.file.read(kept.at, kept.length)

    def drop(self, kept: Kept) -> None:
        """Keep this no longer."""
        if isinstance(kept, bytes):
            self._held -= len(kept)

    def rest(self) -> None:
        """Nothing is kept at present: no file is needed."""
        self._file = None

    def _open(self, folder: Path) -> _File:
        """The file that is written at present."""
        if self._file is None or self._file.size >= SPILL_FILE_BYTES:
            self._file = _File(folder)
        return self._file


def size_of(kept: Kept) -> int:
    """How many bytes were kept."""
    return len(kept) if isinstance(kept, bytes) else kept.length
