"""``metronome import``: everything of one store into another."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from twisted.internet.defer import Deferred, inlineCallbacks

from metronome import offline, store
from metronome.cli_replay import letter_file
from metronome.config import Config
from metronome.errors import ConfigError
from metronome.gateway.dead_letters import Kept
from metronome.gateway.importing import Import, Imported, Progress
from metronome.gateway.ledger import day_of
from metronome.model import Record
from metronome.receivers.interface import IReactor
from metronome.store.interface import Store

_EVERY: Final = {True: 0.2, False: 10.0}
"""Seconds between two lines of progress, on a terminal and elsewhere."""


class Move(NamedTuple):
    """From where to where, and the file for what the target refuses."""

    source: str
    target: str
    letters: Path


def import_store(config: Config, move: Move, meter: Meter) -> Imported:
    """Do it, or go on with it.  ``ConfigError`` when a store cannot be opened or the source has
    changed since a former attempt, ``StoreUnavailable`` when one stays away."""
    for url in (move.source, move.target):
        store.check_url(url)
    if move.source == move.target:
        raise ConfigError(f"from and to are both {move.source}; another store would be right")
    letter_file(move.letters)
    return offline.run(lambda reactor: _opened(config, move, meter, reactor))


@inlineCallbacks
def _opened(
    config: Config, move: Move, meter: Meter, reactor: IReactor
) -> Generator[Deferred[Any], Any, Imported]:
    letters = letter_file(move.letters)

    def put(gateway: str, record: Record, text: str) -> Kept:
        return letters.put(gateway, record, text, day_of(reactor.seconds()))

    def with_source(source: Store) -> Deferred[Imported]:
        target = replace(config, store=move.target)
        return offline.with_store(
            target, reactor, lambda opened: Import(source, opened, reactor, put, meter.tell).run()
        )

    source = replace(config, store=move.source)
    result: Imported = yield offline.with_store(source, reactor, with_source, read_only=True)
    return result


def shown(imported: Imported) -> dict[str, Any]:
    """What an import did, for people and programs."""
    missing = [{**line._asdict(), "number": number} for line, number in imported.missing]
    return {**imported._asdict(), "missing": missing}


def trouble(imported: Imported, letters: Path) -> list[str]:
    """Sentences about what is not as it should be."""
    found = []
    if imported.refused:
        found.append(f"{imported.refused} records were refused; they are in {letters}")
    if imported.missing:
        found.append("the target has less than the source; see missing")
    if imported.unverified:
        streams = ", ".join(imported.unverified)
        found.append(f"the counts of {streams} are too many to compare; their books were compared")
    return found


class Meter:
    """Shows how far an import is, now and then."""

    def __init__(self, out: TextIO, now: Callable[[], float]):
        self._out = out
        self._now = now
        self._end = "\r" if out.isatty() else "\n"
        self._every = _EVERY[out.isatty()]
        self._next = 0.0
        self._phase = ""

    def tell(self, progress: Progress) -> None:
        """Print a line, unless the last one of this phase is still new."""
        now = self._now()
        if now < self._next and progress.phase == self._phase:
            return
        self._next, self._phase = now + self._every, progress.phase
        text = progress.phase
        if progress.waiting:
            text = f"waiting: {progress.waiting}"
        elif progress.total:
            text += f" {progress.done:,} of {progress.total:,} ({100 * progress.done // progress.total} %)"
        elif progress.done:
            text += f" {progress.done:,} rows"
        self._out.write(f"{text:<60}{self._end}" if self._end == "\r" else f"{text}{self._end}")
        self._out.flush()

    def end(self) -> None:
        """Leave the line of a terminal."""
        if self._phase and self._end == "\r":
            self._out.write("\n")
