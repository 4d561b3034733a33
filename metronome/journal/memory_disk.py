"""A disk in memory that loses power, fills up, fails and rots when it is told to.

What ``crash`` keeps is what a real disk would have to keep: synced bytes and names.  Of
what came after the last sync it keeps some prefix: of the bytes as they are, or as they
were before a truncation that was not synced either; and of the changes of names.
A failed sync is as bad as on Linux: the bytes it should have written never become
durable, though later syncs of that file succeed.
"""

from __future__ import annotations

import errno
from random import Random


class Died(Exception):
    """The process is no more; only a test that plays its death sees this.

    No ``OSError``: a journal must not get to undo anything.
    """


class _File:
    """``data[:synced]`` is durable.  ``ghosts``: what stood behind it before a cut."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = 0
        self.lying = False
        self.ghosts: list[bytes] = []

    def truncate(self, size: int) -> None:
        if size < self.synced:
            lost = bytes(self.data[size : self.synced])
            self.ghosts = [lost + ghost for ghost in self.ghosts]
            self.synced = size
        self.ghosts.append(bytes(self.data[size:]))
        del self.data[size:]

    def sync(self) -> None:
        if not self.lying:
            self.synced = len(self.data)
            self.ghosts.clear()

    def crash(self, random: Random) -> None:
        tail = random.choice([bytes(self.data[self.synced :]), *self.ghosts])
        self.data[self.synced :] = tail[: random.randint(0, len(tail))]
        self.synced = len(self.data)
        self.lying = False
        self.ghosts.clear()


class MemoryDisk:
    """A ``Disk`` with faults.  ``capacity`` is bytes in all files together.

    Faults, all settable at any time: ``capacity``; ``fail_write_after`` (bytes until a
    write fails with EIO, having written up to there; once); ``fail_syncs`` (how many of
    the next syncs of files fail); ``broken`` (everything but reading fails);
    ``reading_fails``; ``die_after`` (how many more changes the process lives to make).
    """

    def __init__(self, capacity: int = 1 << 40):
        self.capacity = capacity
        self.fail_write_after: int | None = None
        self.fail_syncs = 0
        self.broken = False
        self.reading_fails = False
        self.die_after: int | None = None
        self._files: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        self._renames: list[dict[str, _File]] = []

    # --- Disk -----------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """Every file's name and size."""
        return {name: len(file.data) for name, file in self._files.items()}

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer only at the end of the file."""
        if self.reading_fails:
            raise OSError(errno.EIO, "read refused")
        return bytes(self._known(name).data[offset : offset + size])

    def write(self, name: str, data: bytes) -> None:
        """Make the file, or empty it, and write ``data``."""
        self._opened(name).truncate(0)
        if data:
            self.append(name, data)

    def append(self, name: str, data: bytes) -> None:
        """Write behind the end; a prefix when a fault strikes."""
        file = self._opened(name)
        room = min(len(data), max(self.free(), 0))
        after = self.fail_write_after
        if after is not None and after < room:
            file.data += data[:after]
            self.fail_write_after = None
            raise OSError(errno.EIO, "write refused")
        file.data += data[:room]
        if after is not None:
            self.fail_write_after = after - room
        if room < len(data):
            raise OSError(errno.ENOSPC, "no room")

    def sync(self, name: str) -> None:
        """Make the file's bytes durable."""
        file = self._opened(name)
        if self.fail_syncs > 0:
            self.fail_syncs -= 1
            file.lying = True
            raise OSError(errno.EIO, "sync refused")
        file.sync()

    def sync_folder(self) -> None:
        """Make the names durable."""
        self._check()
        self._durable = dict(self._files)
        self._renames.clear()

    def truncate(self, name: str, size: int) -> None:
        """Cut the file."""
        self._opened(name).truncate(size)

    def replace(self, source: str, target: str) -> None:
        """Rename."""
        self._check()
        self._known(source)
        self._files[target] = self._files.pop(source)
        self._renamed()

    def remove(self, name: str) -> None:
        """Delete."""
        self._check()
        self._known(name)
        del self._files[name]
        self._renamed()

    def free(self) -> int:
        """What is left of the capacity."""
        return self.capacity - sum(len(file.data) for file in self._files.values())

    def close(self) -> None:
        """Nothing is held open."""

    # --- faults ---------------------------------------------------------------------------

    @property
    def dead(self) -> bool:
        """Whether ``die_after`` has struck."""
        return self.die_after is not None and self.die_after < 0

    def lies_about(self, name: str) -> bool:
        """Whether a sync of this file has failed, so that later ones only seem to work."""
        return self._known(name).lying

    def heal(self) -> None:
        """Take back all faults but the capacity; what they have done stays done."""
        self.fail_write_after = self.die_after = None
        self.fail_syncs = 0
        self.broken = self.reading_fails = False

    def crash(self, random: Random) -> None:
        """Lose power; then ``heal``."""
        states = [self._durable, *self._renames]
        self._files = dict(random.choice(states))
        for file in self._files.values():
            file.crash(random)
        self._durable = dict(self._files)
        self._renames.clear()
        self.heal()

    def flip(self, name: str, offset: int, mask: int = 0xFF) -> None:
        """Change bits of one byte, durably."""
        self._known(name).data[offset] ^= mask

    def cut(self, name: str, size: int) -> None:
        """Take bytes off the end, durably."""
        file = self._known(name)
        del file.data[size:]
        file.synced = min(file.synced, size)

    def _check(self) -> None:
        if self.die_after is not None:
            self.die_after -= 1
            if self.dead:
                raise Died
        if self.broken:
            raise OSError(errno.EIO, "the disk is broken")

    def _known(self, name: str) -> _File:
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return self._files[name]

    def _opened(self, name: str) -> _File:
        self._check()
        if name not in self._files:
            self._files[name] = _File()
            self._renamed()
        return self._files[name]

    def _renamed(self) -> None:
        self._renames.append(dict(self._files))
