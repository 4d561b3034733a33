"""What a store promises.  Its docstrings are the contract; ``tests/store/contract.py`` holds
every store to it, with ``store/memory.py`` as the oracle.

A store keeps parts and events of streams and answers selections.  It folds by the algebra
of ``metronome.fold`` (a lower layer), in its own language where it can.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from metronome.fold.events import COUNT_FIELDS, SLOT_MS
from metronome.limits import COUNT_GROUPS, DUPLICATE_PAGE, EXPORT_ROWS
from metronome.model import Batch, Event, EventSelection, Folded, Found, Record, Selection


class Rung(NamedTuple):
    """One rung of the down-sampling ladder: parts older than ``age`` seconds are merged
    into steps of ``step`` seconds.  The last rung's parts are deleted at ``keep``."""

    step: int
    keep: int


LADDER = (Rung(10, 2 * 86400), Rung(60, 30 * 86400), Rung(600, 730 * 86400))
"""10 s for 2 days, 60 s for 30 days, 600 s for 2 years, as carbon's retentions are written."""


class Retention(NamedTuple):
    """How long a stream's data is kept."""

    ladder: tuple[Rung, ...] = LADDER
    events: int = 730 * 86400
    """Seconds that events are kept."""


class Fetched(NamedTuple):
    """An answer and what it includes: every record of ``gateway`` before ``applied``."""

    groups: list[Folded]
    applied: dict[str, int]


class Counted(NamedTuple):
    """Event counts by group, and what they include."""

    counts: dict[tuple[str | int, ...], int]
    applied: dict[str, int]


class Exported(NamedTuple):
    """A page of what a store keeps, and the place at which the next one begins."""

    records: list[Record]
    end: int


__all__ = [
    "COUNT_FIELDS",
    "LADDER",
    "SLOT_MS",
    "Counted",
    "EventSelection",
    "Exported",
    "Fetched",
    "Health",
    "Retention",
    "Rung",
    "Store",
]


class Health(NamedTuple):
    """``state`` is ``ok``, ``degraded`` or ``away``; ``detail`` says why."""

    state: str
    detail: str = ""


class Store(Protocol):
    """Where parts and events live.

    Failures: ``StoreUnavailable`` (the same call may work later) and, from ``write``,
    ``StoreRejected`` (put these items aside, then write the batch without them).
    """

    def start(self) -> Deferred[None]:
        """Open, create or upgrade.  ``ConfigError`` when written by a newer version."""
        ...

    def stop(self) -> Deferred[None]: ...

    def write(self, batch: Batch) -> Deferred[None]:
        """Apply a batch, all of it or nothing, durably.  Records of the batch's gateway
        before its applied position are skipped, so that a replay changes nothing.

        Of a batch that holds records which the store will never take nothing is applied: it
        fails with ``StoreRejected``, again and again, until it comes without them.  So a crash
        or a lost answer between the refusal and its being put aside loses nothing."""
        ...

    def applied(self) -> Deferred[dict[str, int]]:
        """For each gateway the position up to which its records are applied."""
        ...

    def find(self, selection: Selection) -> Deferred[list[Found]]:
        """Series that have parts in the selection's time, by key, ascending."""
        ...

    def fetch(
        self,
        selection: Selection,
        step: int,
        by: tuple[str, ...] | None,
        *,
        sketches: bool = False,
        members: bool = False,
    ) -> Deferred[Fetched]:
        """Fold the selected parts into steps of ``step`` ms (aligned to the epoch) and
        groups by the labels ``by`` (a series without a label has it as the empty string);
        ``None`` keeps every series apart under its own labels and name.  One ``Folded`` for
        each group and kind, ordered by labels, then kind, then name.  ``sketches`` and ``members`` ask
        for what percentiles and distinct counts over several parts need."""
        ...

    def events(self, selection: EventSelection) -> Deferred[list[Event]]:
        """The newest events of a selection, newest first."""
        ...

    def count(
        self, selection: EventSelection, by: tuple[str, ...], most: int = COUNT_GROUPS
    ) -> Deferred[Counted]:
        """How many events there are for each combination of ``by`` (see COUNT_FIELDS).

        The ``most`` largest groups as they are (of equal ones the first in order), the others
        summed up as ``fold.events.bounded`` says, so that an answer's size is bounded whatever
        texts the senders chose."""
        ...

    def recent_ids(
        self, since: int, before: tuple[int, str] | None = None, most: int = DUPLICATE_PAGE
    ) -> Deferred[list[tuple[int, str]]]:
        """``(received, eid)`` of events and points received since then (ms) that carry an eid; the
        eid is prefixed with its stream and a NUL.  The ``most`` greatest, greatest first, of
        those less than ``before``: the last of an answer asks for the next."""
        ...

    def tallies(self, stream: str) -> Deferred[list[tuple[str, str, str, str, int]]]:
        """The stream's books: ``(day, source, outcome, reason, count)``; ``stored`` with an
        empty reason counts samples, points and events of the records applied."""
        ...

    def export(self, after: int, most: int = EXPORT_ROWS) -> Deferred[Exported]:
        """A page of everything that is kept, about ``most`` rows, from a place on: 0, then the
        ``end`` of the page before.  One without records is the last.

        The records are as ``write`` takes them: given in order to an empty store, as batches of
        one gateway that end where the pages end, they make it answer as this one does.  Their
        positions are places too, with a number for each row.  While nothing is written, merged
        or deleted, the same place always begins the same records, so what a store has applied
        of that gateway says where to go on.  Which records of which gateway are applied here
        is not among it: that is what ``applied`` answers."""
        ...

    def expire(self, now: int, retention: dict[str, Retention]) -> Deferred[dict[str, int]]:
        """Climb the ladder and delete what is past keeping (``now`` in ms; a stream that
        is not named has the default).  Fires with what was done, for the log: parts
        ``merged``, ``deleted``, ``events_deleted``.  Safe to repeat at any time."""
        ...

    def forget(self, stream: str) -> Deferred[None]:
        """Delete everything of a stream."""
        ...

    def health(self) -> Deferred[Health]: ...

    def statistics(self) -> dict[str, float]:
        """For ``/metrics``: at least ``bytes``, ``series`` and ``parts`` where known."""
        ...
