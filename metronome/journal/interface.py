"""What the journal promises: append, sync, read from a cursor, trim.

The journal knows nothing about what is inside a record but a kind byte that it hands
back.  A position is a byte offset that only ever grows, also over restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred


class Entry(NamedTuple):
    """One record as it stands in the journal."""

    position: int
    """Offset of its first byte."""
    end: int
    """Offset behind its last byte: the cursor of a consumer that has done it."""
    kind: int
    payload: bytes


class Journal(Protocol):
    """A log on disk with consumers.

    ``identity`` is made once with the journal's folder and never changes: it is the
    gateway id.  ``synced_end`` is the position behind the last synced record;
    ``size`` the bytes held on disk, ``budget`` the bytes it may hold.
    """

    identity: str

    def start(self) -> Deferred[None]:
        """Open or create, cut a torn tail, load the cursors."""
        ...

    def stop(self) -> Deferred[None]:
        """Sync what was appended, save the cursors, close."""
        ...

    def append(self, kind: int, payloads: Sequence[bytes]) -> Deferred[list[int]]:
        """Append records; fires with their positions once they are synced to disk.

        All or none of them.  Fails with ``JournalUnavailable``: ``journal_full`` when the
        budget is used up, ``journal_unwritable`` when the disk refuses; then nothing
        of it will be read later.
        """
        ...

    def barrier(self) -> Deferred[None]:
        """Fires when everything appended before this call is synced."""
        ...

    def unavailable(self) -> str:
        """Why an append would be refused now (a shed reason), or the empty string."""
        ...

    def read(self, position: int, most: int) -> Deferred[list[Entry]]:
        """Synced entries from a position on, at least one where there is one, up to about
        ``most`` bytes.  Damage is skipped to the next good record and counted once."""
        ...

    def changed(self) -> Deferred[None]:
        """Fires when ``synced_end`` has grown since the call."""
        ...

    def cursor(self, consumer: str) -> int:
        """Where a consumer goes on; a new one begins at the oldest record kept."""
        ...

    def move(self, consumer: str, position: int) -> None:
        """The consumer has done everything before ``position``.  Segments that all
        consumers and pins have passed are deleted.  Saved soon, not at once: a consumer
        may see records again after a crash."""
        ...

    def consumers(self) -> list[str]:
        """The consumers whose cursors are kept, by name."""
        ...

    def forget(self, consumer: str) -> None:
        """The consumer exists no longer and holds nothing back."""
        ...

    def pin(self, position: int) -> int:
        """Keep everything from ``position`` on until ``unpin`` of the number returned."""
        ...

    def unpin(self, pin: int) -> None: ...

    @property
    def synced_end(self) -> int: ...

    @property
    def oldest(self) -> int:
        """Position of the oldest record kept."""
        ...

    @property
    def size(self) -> int: ...

    @property
    def budget(self) -> int: ...

    def statistics(self) -> dict[str, int]:
        """Counters since start: ``appended_records appended_bytes syncs torn_bytes
        damaged_records damaged_bytes refused`` and gauges ``segments``."""
        ...
