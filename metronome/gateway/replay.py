"""Puts dead letters into the store again: each is stored once, or stays a letter.

The letters are handed over to a file of the replay's own, which is never changed; new ones
gather in a new file meanwhile.  Piece by piece they are written as batches of
``GATEWAY.letters``, a gateway of their own, whose position in the store counts what it has
taken.  Before a piece is written a note is synced: where it lies in the file, and where that
position is.  So whatever ends the replay, the next one knows: the position has moved, then the
piece is stored and is passed over; or it has not, then nothing of it is (a store applies a
batch whole or not at all) and it is tried again.

With the letters goes the line of the books that takes their being diverted back, in the same
batch.  What is refused again is put back among the letters; so is what the gateway's own
writer has not passed yet: its batch may still be refused and put aside once more.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
from twisted.internet.defer import Deferred, inlineCallbacks

from metronome.errors import ClientError, StoreRejected
from metronome.gateway.dead_letters import DeadLetterFile, Kept, Letter, read_letter, sync_folder
from metronome.gateway.owned import owned
from metronome.gateway.writer import diverted_line, size
from metronome.limits import READ_BYTES, REPLAY_LETTERS
from metronome.model import Batch, Events, Parts, Record
from metronome.store.interface import Store
from metronome.wire import records

SUFFIX: Final = ".letters"


class Replayed(NamedTuple):
    """What became of the letters of one or several pieces."""

    stored: int = 0
    """Letters that are in the store now."""
    inputs: int = 0
    """Samples, points and events in those."""
    refused: int = 0
    """Letters that the store refused again; they stay."""
    early: int = 0
    """Letters whose batch the gateway is still at; they stay."""
    unread: int = 0
    """Lines that cannot be read; they stay."""
    ownerless: int = 0
    """Letters of streams that were deleted; they are dropped."""
    more: bool = False
    """Whether there are further pieces."""
    reasons: tuple[tuple[str, int], ...] = ()
    """What the store said of those it refused, the most frequent first."""

    def plus(self, other: Replayed) -> Replayed:
        """Both together."""
        reasons = Counter(dict(self.reasons)) + Counter(dict(other.reasons))
        return Replayed(
            stored=self.stored + other.stored,
            inputs=self.inputs + other.inputs,
            refused=self.refused + other.refused,
            early=self.early + other.early,
            unread=self.unread + other.unread,
            ownerless=self.ownerless + other.ownerless,
            more=other.more,
            reasons=tuple(reasons.most_common()),
        )


class _Note(NamedTuple):
    """How far a replay is in its file.  ``end`` 0: no piece is in hand; ``over``: all is done,
    and the file is to be removed."""

    begin: int = 0
    end: int = 0
    gateway: str = ""
    place: int = 0
    over: bool = False


class _Sorted(NamedTuple):
    """A piece, taken apart."""

    chosen: list[tuple[Letter, Record]]
    told: Replayed


class Replay:
    """Puts letters in again, a piece at a time."""

    def __init__(
        self,
        letters: DeadLetterFile,
        store: Store,
        identity: str,
        owns: Callable[[str, str, int], bool],
        stored: Callable[[str, int], None] = lambda stream, number: None,
    ):
        """``identity`` is the present journal's.  ``owns`` says whether a record in a gateway's journal,
        of a stream and at a position, is the present stream's.  ``stored`` is told of what is in
        the store now, by stream."""
        self._letters = letters
        self._store = store
        self._identity = identity
        self._owns = owns
        self._stored = stored
        self._file = letters.note
        self._busy = False

    @property
    def size(self) -> int:
        """Bytes of all letters on disk."""
        return self._letters.size

    def step(self) -> Deferred[Replayed]:
        """Replay one piece.  Fails with ``StoreUnavailable``, and with ``OSError`` when the disk
        refuses: then it can be done again.  ``ClientError`` conflict while another one is at it."""
        if self._busy:
            raise ClientError("conflict", 409, "a replay is under way")
        self._busy = True
        return self._step().addBoth(self._free)

    def _free(self, result: Any) -> Any:
        self._busy = False
        return result

    @inlineCallbacks
    def _step(self) -> Generator[Deferred[Any], Any, Replayed]:
        applied: dict[str, int] = yield self._store.applied()
        note = self._read_note()
        if note.over:
            self._end()
            note = _Note()
        if not self._letters.hand_over():
            return Replayed()
        begin = note.begin
        if note.end and applied.get(note.gateway, 0) > note.place:
            begin = note.end
        lines, end = _piece(self._letters.replaying, begin)
        if not lines:
            self._write_note(_Note(over=True))
            self._end()
            return Replayed()
        sorted_ = self._sort(lines, applied)
        told = sorted_.told
        if sorted_.chosen:
            gateway = sorted_.chosen[0][0].gateway + SUFFIX
            place = applied.get(gateway, 0)
            told = told.plus((yield self._write(sorted_.chosen, _Note(begin, end, gateway, place))))
        self._write_note(_Note(end))
        return told._replace(more=True)

    def _sort(self, lines: list[bytes], applied: dict[str, int]) -> _Sorted:
        """Choose what can be put in; what stays is put back."""
        chosen: list[tuple[Letter, Record]] = []
        counts: Counter[str] = Counter()
        for line in lines:
            try:
                letter = read_letter(line)
                record = Record(letter.position, records.decode(letter.kind, letter.payload))
            except ValueError:
                self._letters.put_back_unread(line)
                counts["unread"] += 1
                continue
            if self._letters.holds(letter):
                continue  # put back by a replay that was interrupted
            if letter.gateway == self._identity and applied.get(self._identity, 0) <= letter.position:
                self._letters.put_back(letter)
                counts["early"] += 1
            elif mine := owned([record], partial(self._owns, letter.gateway)):
                chosen.append((letter, mine[0]))
            else:
                counts["ownerless"] += 1
        told = Replayed(early=counts["early"], unread=counts["unread"], ownerless=counts["ownerless"])
        return _Sorted(chosen, told)

    @inlineCallbacks
    def _write(
        self, chosen: list[tuple[Letter, Record]], note: _Note
    ) -> Generator[Deferred[Any], Any, Replayed]:
        refused: Counter[str] = Counter()
        while chosen:
            self._write_note(note)
            batch, of = _batch(chosen, note)
            try:
                yield self._store.write(batch)
                break
            except StoreRejected as refusal:
                again = _refused(refusal, of)
                for letter, text in again.items():
                    self._letters.put_back(letter._replace(reason=text))
                refused.update(again.values())
                chosen = [one for one in chosen if one[0] not in again]
        inputs = 0
        for _, record in chosen:
            if isinstance(record.content, (Parts, Events)):
                self._stored(record.content.stream, size(record))
                inputs += size(record)
        return Replayed(
            stored=len(chosen),
            inputs=inputs,
            refused=sum(refused.values()),
            reasons=tuple(refused.most_common()),
        )

    def _read_note(self) -> _Note:
        if not self._file.exists():
            return _Note()
        return _Note(**orjson.loads(self._file.read_bytes()))

    def _write_note(self, note: _Note) -> None:
        """Replace the note, synced."""
        beside = self._file.with_name(f"{self._file.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(note._asdict()))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._file)
        sync_folder(self._file.parent)

    def _end(self) -> None:
        """Remove the replay's file, then the note: the other way round a crash in between would
        have the file replayed anew."""
        for path in (self._letters.replaying, self._file):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)


def _piece(path: Path, begin: int) -> tuple[list[bytes], int]:
    """Whole lines of one gateway from a place on, and where they end."""
    lines: list[bytes] = []
    end, gateway = begin, None
    with open(path, "rb") as file:
        file.seek(begin)
        for line in file:
            whose = _gateway(line)
            if lines and (
                whose != gateway or len(lines) >= REPLAY_LETTERS or end + len(line) > begin + READ_BYTES
            ):
                break
            gateway = whose
            lines.append(line)
            end += len(line)
    return lines, end


def _gateway(line: bytes) -> str | None:
    try:
        return read_letter(line).gateway
    except ValueError:
        return None


def _batch(chosen: list[tuple[Letter, Record]], note: _Note) -> tuple[Batch, dict[int, Letter]]:
    """What is written of a piece, and whose letter each of its records is of.

    A record's rows have numbers of their own from its position on, so the next one comes
    behind as many bytes as it has.
    """
    contents: list[Record] = []
    of: dict[int, Letter] = {}
    place = note.place
    for letter, record in chosen:
        line = diverted_line(record, Kept("store_rejected", letter.day), -1)
        for content, room in ((record.content, len(letter.payload)), (line, 1)):
            if content:
                contents.append(Record(place, content))
                of[place] = letter
            place += room
    return Batch(note.gateway, contents, place), of


def _refused(refusal: StoreRejected, of: dict[int, Letter]) -> dict[Letter, str]:
    """The letters that a store refuses, and why."""
    found = {}
    for record, text in refusal.items:
        assert isinstance(record, Record)
        found[of[record.position]] = text
    assert found, "a store that refuses says what"
    return found
