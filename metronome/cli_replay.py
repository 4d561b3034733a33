"""``metronome replay``: dead letters into the store again, by the gateway or without it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks

from metronome import offline
from metronome.config import Config
from metronome.data_dir import DataDir
from metronome.errors import ConfigError
from metronome.gateway.dead_letters import DeadLetterFile, read_letter
from metronome.gateway.replay import Replay, Replayed
from metronome.gateway.streams import Streams
from metronome.gateway.writer import size
from metronome.journal.opening import IDENTITY
from metronome.model import Events, Parts, Record
from metronome.remote import Remote
from metronome.store.interface import Store
from metronome.wire import records

_STAY: Final = ("refused", "early", "unread")

Tell = Callable[[Replayed], None]


def letter_file(path: Path) -> DeadLetterFile:
    """The letters in a file that is no gateway's.  ``ConfigError`` for a name that is none."""
    if path.suffix != ".ndjson" or not path.parent.is_dir():
        raise ConfigError(f"letters = '{path}': a file whose name ends in .ndjson would be right")
    return DeadLetterFile(path.parent, name=path.stem)


def replay_file(config: Config, path: Path, tell: Tell) -> None:
    """Replay the letters in a file that is no gateway's, an import's, into the store of the settings."""
    letters = letter_file(path)
    lock = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        offline.run(
            lambda reactor: offline.with_store(
                config,
                reactor,
                lambda store: _all(Replay(letters, store, "", lambda gateway, stream, position: True), tell),
            )
        )
    except BlockingIOError:
        raise ConfigError(f"letters = '{path}': another replay of it is under way") from None
    finally:
        os.close(lock)


def replay(config: Config, tell: Tell) -> None:
    """Replay all letters of a data directory; ``tell`` is told of each piece.

    ``ConfigError`` when a gateway works there that serves no HTTP, ``ClientError`` when it
    refuses, ``StoreUnavailable`` without one.
    """
    if not config.data_dir.is_dir():
        raise ConfigError(f"data-dir = '{config.data_dir}': there is no such directory")
    remote = Remote(config.data_dir)
    data_dir = remote.stopped()
    if data_dir is None:
        for piece in remote.replay():
            tell(Replayed(**{**piece, "reasons": tuple(piece["reasons"].items())}))
        return
    try:
        offline.run(
            lambda reactor: offline.with_store(
                config, reactor, lambda store: _all(_replay_of(data_dir, store), tell)
            )
        )
    finally:
        data_dir.close()


def letters(kept: DeadLetterFile) -> Iterator[dict[str, Any]]:
    """What is kept, one after another, changing nothing."""
    for path in (kept.replaying, kept.path):
        if path.exists():
            with open(path, "rb") as file:
                yield from map(_shown, file)


def stays(replayed: Replayed) -> str:
    """A sentence about the letters that stay; empty when none do."""
    counts = {name: getattr(replayed, name) for name in _STAY}
    left = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return f"some letters stay: {left}" if left else ""


def _replay_of(data_dir: DataDir, store: Store) -> Replay:
    """The replay of a directory that is locked."""
    streams = Streams(data_dir.path, time.time, lambda: secrets.token_urlsafe(24))
    streams.load()
    identity = data_dir.path / "journal" / IDENTITY
    journal = identity.read_text(encoding="ascii").strip() if identity.exists() else ""
    return Replay(DeadLetterFile(data_dir.path), store, journal, streams.owned_in)


@inlineCallbacks
def _all(replaying: Replay, tell: Tell) -> Generator[Deferred[Any], Any, bool]:
    told = Replayed(more=True)
    while told.more:
        told = yield replaying.step()
        tell(told)
    return True


def _shown(line: bytes) -> dict[str, Any]:
    """A letter for a person: whose it is, what it holds, what the store said."""
    try:
        letter = read_letter(line)
        content = records.decode(letter.kind, letter.payload)
    except ValueError as error:
        return {"unread": line[:80].decode("utf-8", "replace"), "reason": str(error)}
    shown: dict[str, Any] = {"gateway": letter.gateway, "position": letter.position, "day": letter.day}
    if isinstance(content, (Parts, Events)):
        shown |= {"stream": content.stream, "holds": type(content).__name__.lower()}
    return {**shown, "inputs": size(Record(letter.position, content)), "reason": letter.reason}
