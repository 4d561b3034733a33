"""The dead-letter file: one JSON object a line, in the order in which records were refused.

``{"gateway", "position", "day", "kind", "reason", "payload"}``, the payload as it stood in the
journal, in base64, so that nothing of it is lost: it can be looked at, and put in again
(``gateway/replay.py``).

- A letter is named by the gateway and the position of its record.  Putting one aside that is
  there already changes nothing, so a batch may be refused and put aside again after a crash.
- The file is bounded.  What is refused while it is full is counted as ``dead_letters_full``
  and is gone: the first letters, which show how the trouble began, are the ones that are kept.
- A crash while a line is written leaves a torn end; nobody was told that it was kept, and it
  is cut off.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from metronome.limits import DEAD_LETTER_BYTES, DEAD_LETTER_REASON
from metronome.model import Record
from metronome.wire import records

NAME: Final = "dead-letters"


class Kept(NamedTuple):
    """How a refused record is counted: the reason, of ``DIVERT_REASONS``, and the UTC day."""

    reason: str
    day: str


class Letter(NamedTuple):
    """One record that was refused, as it stands in the file."""

    gateway: str
    position: int
    day: str
    """The day that it is counted for."""
    kind: int
    """Of the journal's record."""
    reason: str
    """What the store said."""
    payload: bytes

    @property
    def line(self) -> bytes:
        """The letter as it is written."""
        told: dict[str, Any] = self._asdict()
        told["payload"] = base64.b64encode(self.payload).decode()
        return orjson.dumps(told) + b"\n"


def read_letter(line: bytes) -> Letter:
    """Read a line back.  ``ValueError`` when it is none of ours."""
    try:
        told = orjson.loads(line)
        letter = Letter(**{**told, "payload": base64.b64decode(told["payload"], validate=True)})
    except (TypeError, KeyError) as error:
        raise ValueError(f"no dead letter: {error}") from error
    wanted = (str, int, str, int, str, bytes)
    if any(type(value) is not kind for value, kind in zip(letter, wanted, strict=True)):
        raise ValueError("no dead letter: a value is of the wrong type")
    return letter


class DeadLetterFile:
    """Appends refused records to ``dead-letters.ndjson`` and syncs each."""

    def __init__(self, folder: Path, most: int = DEAD_LETTER_BYTES, name: str = NAME):
        """``most``: bytes that the file, and what a replay has in hand, may have together.  A gateway's
        file has the usual name."""
        self._most = most
        self._known: dict[tuple[str, int], str] | None = None
        self.path = folder / f"{name}.ndjson"
        self.replaying = folder / f"{name}.replaying.ndjson"
        """What a replay has in hand; see ``gateway/replay.py``."""
        self.note = folder / f"{name}.replay.json"
        """How far that is."""

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in (self.path, self.replaying) if path.exists())

    def put(self, gateway: str, record: Record, reason: str, day: str) -> Kept:
        """Keep a record durably; raises OSError when the disk refuses."""
        known = self._index().get((gateway, record.position))
        if known is not None:
            return Kept("store_rejected", known)
        kind, payload = records.encode(record.content)
        letter = Letter(gateway, record.position, day, kind, reason[:DEAD_LETTER_REASON], payload)
        line = letter.line
        if self.size + len(line) > self._most:
            return Kept("dead_letters_full", day)
        self._append(line)
        self._index()[gateway, record.position] = day
        return Kept("store_rejected", day)

    def put_back(self, letter: Letter) -> None:
        """Keep a letter that a replay could not place; raises OSError when the disk refuses."""
        if not self.holds(letter):
            self._append(letter.line)
            self._index()[letter.gateway, letter.position] = letter.day

    def put_back_unread(self, line: bytes) -> None:
        """Keep a line that cannot be read: somebody may know what it was."""
        self._append(line)

    def holds(self, letter: Letter) -> bool:
        """Whether the file has this letter, apart from what a replay has in hand."""
        return (letter.gateway, letter.position) in self._index()

    def hand_over(self) -> bool:
        """Give all letters to a replay, unless it has some in hand; whether it has any now."""
        if self.replaying.exists():
            return True
        self._index()  # cuts a torn end off
        if not self.path.exists():
            return False
        os.replace(self.path, self.replaying)
        sync_folder(self.path.parent)
        self._known = None
        return True

    def _index(self) -> dict[tuple[str, int], str]:
        """The day of each letter in the file, by its name."""
        if self._known is not None:
            return self._known
        known: dict[tuple[str, int], str] = {}
        if self.path.exists():
            whole = 0
            with open(self.path, "rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    whole += len(line)
                    try:
                        letter = read_letter(line)
                    except ValueError:
                        continue  # nothing can be the same as it
                    known[letter.gateway, letter.position] = letter.day
            os.truncate(self.path, whole)
        self._known = known
        return known

    def _append(self, line: bytes) -> None:
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._write(descriptor, line)
        finally:
            os.close(descriptor)
        if new:
            sync_folder(self.path.parent)

    def _write(self, descriptor: int, line: bytes) -> None:
        """All of a line, synced; or nothing of it, so that the next one begins anew."""
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(descriptor, line[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            raise


def sync_folder(folder: Path) -> None:
    """Make what was made, renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
