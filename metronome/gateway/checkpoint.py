"""What of the folding table survives kill -9: the open period as of a second ago, and gauges.

Samples cannot be acknowledged, so what is folded and not yet flushed would be lost with the
process.  Every second, if anything came in, the tables' open period is written to a file
beside the journal, with how far running totals (``C``) are, and at each flush every gauge's
value, so that differences and signed changes go on from where they were.  The files are
replaced whole and not synced: they are for a process that dies, not for a machine that loses
power.

**Nothing twice.**  A checkpoint says where the journal ended when it was made.  Flushed
parts carry the period that they are of (``model.Parts.flush``), and an append is in the
journal whole or not at all.  So a start looks behind that position: is the period's flush
there, the checkpoint is spent; is it not, its rows are journalled as that flush.  The journal
is pinned at the position until the next checkpoint has replaced the file, and a start deletes
nothing before it has looked, so that what is looked for cannot have been trimmed.  Where it is
spent, running totals are further by what the flush has beyond it, or that would count twice.

File: ``u32 length | JSON {"position", "start", "period", "lengths", "totals"} | payloads | u32 CRC-32``
of all before; the payloads are records of parts (``wire/records.py``), the last ``totals`` of them
running totals.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import JournalUnavailable
from metronome.fold.columns import keys_of
from metronome.gateway.flusher import Flusher
from metronome.gateway.intake import Intake
from metronome.gateway.ledger import Ledger
from metronome.journal.interface import Entry, Journal
from metronome.limits import CHECKPOINT_INTERVAL, READ_BYTES
from metronome.model import Columns, Flushed, Kind, Parts
from metronome.threads.interface import Worker
from metronome.wire import records

OPEN = "open-period"
GAUGES = "gauges"


class Checkpoint(NamedTuple):
    """What a file holds."""

    position: int
    """Where the journal ended when it was made."""
    start: int
    """Start of the open period, ms."""
    period: float
    parts: list[Parts]
    """One for each stream; not empty ones."""
    totals: list[Parts]
    """The same of running totals."""


def encode(checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint file."""
    payloads = [records.encode_parts(*parts) for parts in (*checkpoint.parts, *checkpoint.totals)]
    header = orjson.dumps(
        {
            "position": checkpoint.position,
            "start": checkpoint.start,
            "period": checkpoint.period,
            "lengths": [len(payload) for payload in payloads],
            "totals": len(checkpoint.totals),
        }
    )
    pieces = [len(header).to_bytes(4, "little"), header, *payloads]
    check = 0
    for piece in pieces:
        check = zlib.crc32(piece, check)
    return b"".join([*pieces, check.to_bytes(4, "little")])


def decode(data: bytes) -> Checkpoint:
    """Read a file; ``ValueError`` when it is damaged."""
    body, check = data[:-4], data[-4:]
    if len(data) < 8 or zlib.crc32(body).to_bytes(4, "little") != check:
        raise ValueError("its checksum does not fit")
    begin = 4 + int.from_bytes(body[:4], "little")
    header = orjson.loads(body[4:begin])
    parts = []
    for length in header["lengths"]:
        content = records.decode(records.KIND_PARTS, body[begin : begin + length])
        assert isinstance(content, Parts)
        parts.append(content)
        begin += length
    first = len(parts) - header.get("totals", 0)
    return Checkpoint(header["position"], header["start"], header["period"], parts[:first], parts[first:])


class Checkpoints:
    """Writes checkpoints while the gateway runs, and restores from them at its start."""

    log = Logger()

    def __init__(
        self,
        folder: Path,
        intake: Intake,
        flusher: Flusher,
        journal: Journal,
        ledger: Ledger,
        worker: Worker,
        clock: IReactorTime,
    ):
        """``worker`` is where files are written."""
        self._folder = folder
        self._intake = intake
        self._flusher = flusher
        self._journal = journal
        self._ledger = ledger
        self._worker = worker
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._pins: list[int] = []
        """Of the checkpoint in the file, and of those that are being written, in this order."""
        self._seen: dict[str, tuple[int, int]] = {}
        self._gauges_of = -1
        self._writing: Deferred[Any] = succeed(None)

    # --- while it runs -----------------------------------------------------------------------

    def start(self) -> None:
        """Write from now on."""
        self._call = self._clock.callLater(CHECKPOINT_INTERVAL, self._on_time)

    def stop(self) -> Deferred[Any]:
        """Keep the gauges once more; the open period was flushed before."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self._gauges_of = -1
        self.write()
        return self._writing.addCallback(lambda _: self._worker.stop())

    def write(self) -> None:
        """Write what has changed since the last time."""
        flusher = self._flusher
        if self._gauges_of != flusher.open_period:
            self._gauges_of = flusher.open_period
            self._save(GAUGES, lambda table: table.gauges())
        now = {stream: (table.counts()["samples"], table.waiting) for stream, table in self._tables()}
        if now != self._seen:
            self._seen = now
            start, period = flusher.open_period, flusher.period
            pin = self._journal.pin(self._journal.synced_end)
            self._pins.append(pin)
            self._save(OPEN, lambda table: table.snapshot(start, period), pin)

    def _tables(self) -> list[tuple[str, Any]]:
        return list(self._intake.tables.items())

    def _save(self, name: str, columns_of: Callable[[Any], Columns], pin: int = -1) -> None:
        position, flusher = self._journal.synced_end, self._flusher
        parts = self._told(columns_of)
        totals = self._told(lambda table: table.totals()) if name == OPEN else []
        checkpoint = Checkpoint(position, flusher.open_period, flusher.period, parts, totals)
        self._writing = self._worker.do(lambda: _replace(self._folder / name, encode(checkpoint)))
        self._writing.addCallbacks(self._written, self._not_written, callbackArgs=(pin,), errbackArgs=(pin,))

    def _told(self, columns_of: Callable[[Any], Columns]) -> list[Parts]:
        found = [(stream, columns_of(table)) for stream, table in self._tables()]
        return [Parts(stream, rows, (), self._flusher.open_period) for stream, rows in found if len(rows)]

    def _written(self, _: None, pin: int) -> None:
        """The file is this one now: what was pinned for those before may go."""
        while pin in self._pins and self._pins[0] != pin:
            self._journal.unpin(self._pins.pop(0))

    def _on_time(self) -> None:
        self._call = self._clock.callLater(CHECKPOINT_INTERVAL, self._on_time)
        self.write()

    def _not_written(self, failure: Failure, pin: int) -> None:
        if pin in self._pins:
            self._pins.remove(pin)
            self._journal.unpin(pin)
        if not isinstance(failure.value, OSError):
            self.log.failure("a checkpoint failed", failure)
        else:
            self.log.warn("no checkpoint could be written: {text}", text=failure.getErrorMessage())

    # --- at the start ------------------------------------------------------------------------

    @inlineCallbacks
    def restore(self) -> Generator[Deferred[Any], Any, None]:
        """Put gauges back, and journal what the last run had folded and not flushed.

        To be called before anything is taken in and before consumers start.
        """
        for name in (OPEN, GAUGES):  # the later values first: a gauge that has one keeps it
            checkpoint = self._load(name)
            if checkpoint is None:
                continue
            checkpoint = self._owned(checkpoint)
            for parts in checkpoint.parts:
                rows = np.flatnonzero(parts.columns.kinds == Kind.GAUGE)
                values = parts.columns.n[rows].tolist()
                self._intake.table(parts.stream).restore_gauges(keys_of(parts.columns, rows), values)
            if name == OPEN and (checkpoint.parts or checkpoint.totals):
                yield self._journal_rest(checkpoint)

    def _owned(self, checkpoint: Checkpoint) -> Checkpoint:
        """Without what is of streams that were deleted since."""
        position, owns = checkpoint.position, self._intake.owns
        parts, totals = (
            [one for one in some if owns(one.stream, position)]
            for some in (checkpoint.parts, checkpoint.totals)
        )
        return checkpoint._replace(parts=parts, totals=totals)

    def _load(self, name: str) -> Checkpoint | None:
        try:
            return decode((self._folder / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.log.error("{name} cannot be used: {error}", name=name, error=error)
            return None

    @inlineCallbacks
    def _journal_rest(self, checkpoint: Checkpoint) -> Generator[Deferred[Any], Any, None]:
        flushed, ended = yield self._journalled(checkpoint)
        for totals in checkpoint.totals:
            keys = keys_of(totals.columns, np.arange(len(totals.columns)))
            counted = [parts.columns for parts in checkpoint.parts if parts.stream == totals.stream]
            values = _caught_up(totals.columns, counted, flushed.get(totals.stream, []))
            self._intake.table(totals.stream).restore_totals(keys, values)
        for parts in checkpoint.parts:
            if parts.stream not in flushed:
                yield self._journal_parts(parts)
        now = int(self._clock.seconds() * 1000)
        if now >= checkpoint.start + checkpoint.period * 1000:
            marks = [
                records.encode_flushed(Flushed(parts.stream, checkpoint.start, checkpoint.period))
                for parts in checkpoint.parts
                if parts.stream not in ended
            ]
            if marks:
                yield self._journal.append(records.KIND_FLUSHED, marks).addErrback(self._refused)

    def _journal_parts(self, parts: Parts) -> Deferred[Any]:
        samples = int(parts.columns.counts.sum())
        pieces = records.split(parts.columns)
        payloads = [records.encode_parts(parts.stream, piece, flush=parts.flush) for piece in pieces]
        self._ledger.recovered(parts.stream, samples)
        self.log.info("{samples} samples of a period that was not flushed are recovered", samples=samples)
        done: Deferred[Any] = self._journal.append(records.KIND_PARTS, payloads)
        return done.addErrback(self._lost, parts.stream, samples)

    @inlineCallbacks
    def _journalled(
        self, checkpoint: Checkpoint
    ) -> Generator[Deferred[Any], Any, tuple[dict[str, list[Columns]], set[str]]]:
        """What the journal has of the period's flush by stream, and streams whose period is ended."""
        flushed: dict[str, list[Columns]] = {}
        ended: set[str] = set()
        position = checkpoint.position
        while position < self._journal.synced_end:
            entries: list[Entry] = yield self._journal.read(position, READ_BYTES)
            if not entries:
                break
            for entry in entries:
                _note(entry, checkpoint.start, flushed, ended)
            position = entries[-1].end
        return flushed, ended

    def _refused(self, failure: Failure) -> None:
        """The journal takes nothing: the period is ended by the next flush."""
        if not isinstance(failure.value, JournalUnavailable):
            failure.raiseException()

    def _lost(self, failure: Failure, stream: str, samples: int) -> None:
        self._refused(failure)
        self._ledger.shed_waiting(stream, "journal_unwritable", samples)


def _caught_up(totals: Columns, counted: list[Columns], flushed: list[Columns]) -> list[float]:
    """Running totals as far as the flush has counted, which may be further than the checkpoint had."""
    further = dict.fromkeys(totals.ids.tolist(), 0.0)
    for sign, some in ((1, flushed), (-1, counted if flushed else [])):
        for columns in some:
            for series, n in zip(columns.ids.tolist(), columns.n.tolist(), strict=True):
                if series in further:
                    further[series] += sign * n
    return [n + further[series] for series, n in zip(totals.ids.tolist(), totals.n.tolist(), strict=True)]


def _note(entry: Entry, start: int, flushed: dict[str, list[Columns]], ended: set[str]) -> None:
    if entry.kind not in (records.KIND_PARTS, records.KIND_FLUSHED):
        return
    try:
        content = records.decode(entry.kind, entry.payload)
    except ValueError:
        return  # counted and logged by the consumers, which meet it too
    if isinstance(content, Parts) and content.flush == start:
        flushed.setdefault(content.stream, []).append(content.columns)
    elif isinstance(content, Flushed) and content.time == start:
        ended.add(content.stream)


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(beside, path)
