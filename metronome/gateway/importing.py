"""Moves everything that one store has into another, which may have more of its own.

The source is read twice.  The first pass counts: how much there is, and how many samples,
points and events of each stream and day.  The second hands its pages to the target, as batches
of a gateway that is named after the source, so that the target's ``applied`` says how far that
is: an import that was broken off goes on there, and one that is done changes nothing.  Then
the target is asked for the same counts, and must have at least as many.

The name is made of what the source has applied and of how much it holds.  A source that was
written to after an import of it began has another name, and is refused: part of it would be
counted twice.

What the source has applied of its gateways, the target has applied as well from the beginning
on: so a gateway that moves to the target with its journal does not write again what comes by
the import.  The import's own name begins with a dot and so stands before the gateways' in the
order of names: of gauges of one time a gateway's own stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from metronome.errors import ClientError, ConfigError, StoreRejected, StoreUnavailable
from metronome.fold.columns import expanded
from metronome.fold.events import SLOT_MS
from metronome.gateway.dead_letters import Kept
from metronome.gateway.ledger import day_of
from metronome.gateway.writer import without
from metronome.limits import IMPORT_PATIENCE, RETRY_FIRST, RETRY_MOST, VERIFY_DAYS, VERIFY_SECONDS
from metronome.model import Batch, Events, EventSelection, Kind, Parts, Record, Selection
from metronome.store.interface import Counted, Exported, Fetched, Store

PREFIX: Final = ".import-"
DAY_MS: Final = 86_400_000


class Line(NamedTuple):
    """Something that is counted in both stores: samples of a kind, events, or an outcome in the books
    with its reason."""

    stream: str
    day: str
    what: str


class Progress(NamedTuple):
    """How far an import is; places of the source, and why it has to wait, if so."""

    phase: str
    done: int
    total: int
    waiting: str = ""


class Imported(NamedTuple):
    """What an import did."""

    rows: int
    """Parts, events, ids and lines of the books that the source has."""
    again: bool
    """Whether all of it was there from a former run."""
    streams: tuple[str, ...]
    refused: int
    """Records that the target will never take; they were put aside."""
    missing: tuple[tuple[Line, int], ...]
    """Where the target has fewer than the source, and how many fewer."""
    unverified: tuple[str, ...]
    """Streams whose counts the target could not answer."""


class _Survey:
    """What the first pass finds."""

    def __init__(self) -> None:
        self.counts: Counter[Line] = Counter()
        self.streams: set[str] = set()
        self.days: dict[str, set[int]] = {}
        self.rows = 0
        self.end = 0

    def add(self, page: Exported) -> None:
        """Count a page."""
        self.end = page.end
        for record in page.records:
            content = record.content
            if isinstance(content, Parts):
                self.streams.add(content.stream)
                self.rows += len(content.columns) or len(content.ids)
                self._add_parts(content)
            elif isinstance(content, Events):
                self.streams.add(content.stream)
                self.rows += len(content.events)
                for event in content.events:
                    self._add(content.stream, event["time"] // DAY_MS, "events", 1)
            elif isinstance(content, list):
                self.streams.update(tally.stream for tally in content)
                self.rows += len(content)

    def _add_parts(self, parts: Parts) -> None:
        columns = expanded(parts.columns)
        codes = columns.times // DAY_MS * len(Kind) + columns.kinds
        present, place = np.unique(codes, return_inverse=True)
        sums = np.bincount(place, weights=columns.counts, minlength=len(present))
        for code, number in zip(present.tolist(), sums.tolist(), strict=True):
            day, kind = divmod(code, len(Kind))
            self._add(parts.stream, day, Kind(kind).word, int(number))

    def _add(self, stream: str, day: int, what: str, number: int) -> None:
        self.counts[Line(stream, day_of(day * 86_400), what)] += number
        self.days.setdefault(stream, set()).add(day)


class Import:
    """One import."""

    def __init__(
        self,
        source: Store,
        target: Store,
        clock: IReactorTime,
        put: Callable[[str, Record, str], Kept],
        tell: Callable[[Progress], None],
    ):
        """Both stores are started.  ``put`` puts aside what the target refuses."""
        self._source = source
        self._target = target
        self._clock = clock
        self._put = put
        self._tell = tell
        self._refused = 0

    @inlineCallbacks
    def run(self) -> Generator[Deferred[Any], Any, Imported]:
        """Do it, or go on with it.  ``ConfigError`` when the source has changed since it began,
        ``StoreUnavailable`` when a store stays away; later it goes on where it was."""
        survey: _Survey = yield self._survey()
        applied: dict[str, int] = yield self._source.applied()
        name, of_source = _names(applied, survey.end)
        there: dict[str, int] = yield self._target.applied()
        former = [one for one in there if one.startswith(of_source) and one != name]
        if former:
            raise ConfigError(
                "the source was written to since an import of it began: what was imported would be"
                " counted twice; an empty target, or the source as it was, would be right"
            )
        for gateway, position in sorted(applied.items()):
            if there.get(gateway, 0) < position:
                yield self._write(Batch(gateway, [], position))
        begin = there.get(name, 0)
        yield self._copy(name, begin, survey.end)
        missing, unverified = yield self._verify(survey)
        return Imported(
            rows=survey.rows,
            again=begin >= survey.end,
            streams=tuple(sorted(survey.streams)),
            refused=self._refused,
            missing=tuple(sorted((+missing).items())),
            unverified=tuple(sorted(unverified)),
        )

    @inlineCallbacks
    def _survey(self) -> Generator[Deferred[Any], Any, _Survey]:
        survey = _Survey()
        while True:
            page: Exported = yield self._source.export(survey.end)
            if not page.records:
                return survey
            survey.add(page)
            self._tell(Progress("reading", survey.rows, 0))

    @inlineCallbacks
    def _copy(self, name: str, place: int, end: int) -> Generator[Deferred[Any], Any, None]:
        """Hand over every page from a place on; the next one is read while one is written."""
        page: Exported = yield self._source.export(place)
        while page.records:
            following = self._source.export(page.end)
            try:
                yield self._write(Batch(name, page.records, page.end))
            except BaseException:
                following.addErrback(lambda _: None)
                raise
            self._tell(Progress("writing", page.end, end))
            page = yield following

    @inlineCallbacks
    def _write(self, batch: Batch) -> Generator[Deferred[Any], Any, None]:
        """Write a batch, without what is refused; try for some minutes while the target is away."""
        pause, until = RETRY_FIRST, self._clock.seconds() + IMPORT_PATIENCE
        while True:
            try:
                yield self._target.write(batch)
                return
            except StoreRejected as refusal:
                batch, reasons = without(batch, refusal, self._put)
                self._refused += len(reasons)
            except StoreUnavailable as away:
                if self._clock.seconds() >= until:
                    raise
                self._tell(Progress("waiting", 0, 0, str(away)))
                yield deferLater(self._clock, pause)
                pause = min(pause * 2, RETRY_MOST)

    # --- the same counts -----------------------------------------------------------------------

    @inlineCallbacks
    def _verify(self, survey: _Survey) -> Generator[Deferred[Any], Any, tuple[Counter[Line], set[str]]]:
        """What the target lacks, and the streams that it could not be asked about.  A cluster shows
        what was written after a moment, so it is asked again for a while."""
        until = self._clock.seconds() + VERIFY_SECONDS
        while True:
            missing: Counter[Line] = Counter()
            unverified: set[str] = set()
            for stream in sorted(survey.streams):
                self._tell(Progress("verifying", 0, 0))
                wanted = Counter({line: n for line, n in survey.counts.items() if line.stream == stream})
                found: Counter[Line] | None = yield self._counts(stream, survey.days.get(stream, set()))
                if found is None:
                    unverified.add(stream)
                else:
                    missing.update(wanted - found)
                here: Counter[Line] = yield self._books(self._source, stream)
                missing.update(here - (yield self._books(self._target, stream)))
            if not missing or self._clock.seconds() >= until:
                return missing, unverified
            yield deferLater(self._clock, 1.0)

    @inlineCallbacks
    def _counts(self, stream: str, days: set[int]) -> Generator[Deferred[Any], Any, Counter[Line] | None]:
        """The target's counts of a stream on these days; None when they are too many to ask for."""
        found: Counter[Line] = Counter()
        for month in sorted({day // VERIFY_DAYS for day in days}):
            start, end = month * VERIFY_DAYS * DAY_MS, (month + 1) * VERIFY_DAYS * DAY_MS
            try:
                fetched: Fetched = yield self._target.fetch(
                    Selection(stream, "*", start=start, end=end), DAY_MS, ()
                )
                counted: Counted = yield self._target.count(
                    EventSelection(stream, start=start, end=end), ("slot",)
                )
            except ClientError:
                return None
            for group in fetched.groups:
                for time, number in zip(group.times.tolist(), group.counts.tolist(), strict=True):
                    found[Line(stream, day_of(time // 1000), group.kind.word)] += int(number)
            for (slot,), number in counted.counts.items():
                found[Line(stream, day_of(int(slot) * SLOT_MS // 1000), "events")] += number
        return found

    @inlineCallbacks
    def _books(self, store: Store, stream: str) -> Generator[Deferred[Any], Any, Counter[Line]]:
        """A stream's books but for what was diverted, which may have been replayed in one of them."""
        lines: Counter[Line] = Counter()
        for day, _, outcome, reason, number in (yield store.tallies(stream)):
            if outcome != "diverted":
                lines[Line(stream, day, f"{outcome} {reason}".strip())] += number
        return lines


def _names(applied: dict[str, int], end: int) -> tuple[str, str]:
    """What an import of a source is called, and how the names of all imports of it begin."""
    of_source = f"{PREFIX}{_digest(sorted(applied))}-"
    return of_source + _digest((sorted(applied.items()), end)), of_source


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()
