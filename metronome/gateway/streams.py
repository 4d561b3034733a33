"""The registry of streams: a named set of series and events with an owner who reads.

Everyone may write to a stream; reading takes the stream's token.  The token of stream
``main`` is the administrator's and reads every stream.  Only tokens' SHA-256 is kept, in
``streams.json``; the administrator's token also stands readable in ``owner.token``, for the
person at the machine.  The file is replaced atomically, so that a crash leaves the old or
the new one; a change that cannot be written is refused, and has changed nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from metronome.errors import ClientError
from metronome.journal.interface import Journal
from metronome.limits import RETRY_AFTER

MAIN = "main"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream.  ``retention`` names how long things are kept: ``points`` and ``events`` in
    days, absent means the default.  ``origins`` are the web origins that may send ticks from
    browsers; none means any."""

    id: str
    name: str
    created: float
    write_key: str
    token_hash: str
    origins: tuple[str, ...] = ()
    retention: dict[str, int] | None = None
    public: bool = False
    born: int = 0
    """Where in the journal it begins: records before are of a deleted stream of this name."""
    journal: str = ""
    """Identity of the journal that ``born`` is a position of; empty: any record is the stream's."""


_NOT_YET = -1
"""``born`` of a stream that was made while no gateway ran: it begins where the next run does."""


class Streams:
    """All streams, in memory and in a file."""

    def __init__(self, folder: Path, now: Callable[[], float], secret: Callable[[], str]):
        """``secret`` makes a fresh unguessable URL-safe string."""
        self._file = folder / "streams.json"
        self._token_file = folder / "owner.token"
        self._now = now
        self._secret = secret
        self._streams: dict[str, Stream] = {}
        self._journal: Journal | None = None

    def load(self) -> None:
        """Read the registry; make stream ``main`` and its token where there is none."""
        if self._file.exists():
            for item in json.loads(self._file.read_text()):
                item["origins"] = tuple(item["origins"])
                self._streams[item["id"]] = Stream(**item)
        if MAIN not in self._streams:
            self._add(MAIN, (), None, False)
        elif not self._token_file.exists() or not self.is_admin(self.owner_token()):
            # The file was removed, or a crash fell between the two files of a rotation.
            self.rotate(MAIN)

    def attach(self, journal: Journal) -> None:
        """Streams are made from now on while this journal runs; it is started."""
        self._journal = journal
        place = journal.synced_end, journal.identity
        born = {
            name: replace(stream, born=place[0], journal=place[1])
            for name, stream in self._streams.items()
            if stream.born == _NOT_YET
        }
        if born:
            self._keep({**self._streams, **born})

    def owns(self, stream_id: str, position: int) -> bool:
        """Whether a record of this stream, at this position of the journal, is the present
        stream's; see ``gateway/owned.py``."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return False
        elsewhere = self._journal is None or stream.journal != self._journal.identity
        return elsewhere or position >= stream.born

    def owned_in(self, journal: str, stream_id: str, position: int) -> bool:
        """The same for the journal of this identity, which may be another one, or one that is not
        open."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.born == _NOT_YET:
            return False
        return stream.journal != journal or position >= stream.born

    def born(self, stream_id: str) -> int:
        """Where in the journal a stream begins."""
        stream = self._streams.get(stream_id)
        return stream.born if stream else 0

    def get(self, stream_id: str) -> Stream | None:
        """The stream of this id, if there is one."""
        return self._streams.get(stream_id)

    def all(self) -> list[Stream]:
        """All streams, ``main`` first, then by id."""
        return _in_order(self._streams)

    def create(
        self,
        name: str,
        origins: tuple[str, ...] = (),
        retention: dict[str, int] | None = None,
        public: bool = False,
    ) -> tuple[Stream, str]:
        """A new stream whose id is its name; the stream and its token, shown this once.

        ``ClientError`` bad_request for an unusable name, conflict for a taken one.
        """
        self.check_new(name)
        token = self._add(name, origins, retention, public)
        return self._streams[name], token

    def check_new(self, name: str) -> None:
        """Whether a stream of this name can be made; ``ClientError`` as ``create``."""
        if not _NAME.fullmatch(name):
            detail = "a stream's name has 1 to 64 letters, digits, dots, dashes and underscores"
            raise ClientError("bad_request", 400, detail)
        if name in self._streams:
            raise ClientError("conflict", 409, f"there is a stream {name}")

    def update(
        self,
        stream_id: str,
        *,
        origins: tuple[str, ...] | None = None,
        retention: dict[str, int] | None = None,
        public: bool | None = None,
    ) -> Stream:
        """Change what is given; ``ClientError`` not_found."""
        stream = self._known(stream_id)
        if origins is not None:
            stream = replace(stream, origins=origins)
        if retention is not None:
            stream = replace(stream, retention=retention or None)
        if public is not None:
            stream = replace(stream, public=public)
        self._keep({**self._streams, stream_id: stream})
        return stream

    def rotate(self, stream_id: str) -> tuple[Stream, str]:
        """New write key and token; the old ones end at once.  ``ClientError`` not_found."""
        stream, token = self._known(stream_id), self._secret()
        stream = replace(stream, write_key=self._secret(), token_hash=_hash(token))
        self._keep({**self._streams, stream_id: stream}, token if stream_id == MAIN else "")
        return stream, token

    def delete(self, stream_id: str) -> None:
        """Forget a stream; ``main`` stays.  ``ClientError`` not_found, forbidden."""
        self._known(stream_id)
        if stream_id == MAIN:
            raise ClientError("forbidden", 403, "stream main cannot be deleted")
        self._keep({name: stream for name, stream in self._streams.items() if name != stream_id})

    def reader_of(self, token: str) -> Stream | None:
        """The stream that this token reads."""
        digest = _hash(token)
        found = [s for s in self._streams.values() if hmac.compare_digest(s.token_hash, digest)]
        return found[0] if found else None

    def is_admin(self, token: str) -> bool:
        """Whether this is the token of stream ``main``."""
        return hmac.compare_digest(self._streams[MAIN].token_hash, _hash(token))

    def owner_token(self) -> str:
        """The administrator's token, from the file that the person at the machine reads."""
        return self._token_file.read_text().strip()

    def _known(self, stream_id: str) -> Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise ClientError("not_found", 404, "no such stream")
        return stream

    def _add(
        self, name: str, origins: tuple[str, ...], retention: dict[str, int] | None, public: bool
    ) -> str:
        token = self._secret()
        born, journal = self._beginning(name)
        stream = Stream(
            name, name, self._now(), self._secret(), _hash(token), origins, retention, public, born, journal
        )
        self._keep({**self._streams, name: stream}, token if name == MAIN else "")
        return token

    def _beginning(self, name: str) -> tuple[int, str]:
        if name == MAIN:
            return 0, ""  # it cannot be deleted
        if self._journal is None:
            return _NOT_YET, ""
        return self._journal.synced_end, self._journal.identity

    def _keep(self, streams: dict[str, Stream], token: str = "") -> None:
        """These are the streams from now on, and this the administrator's token, if it is new.

        ``ClientError`` overloaded when they cannot be written.
        """
        text = json.dumps([asdict(stream) for stream in _in_order(streams)], indent=1)
        try:
            # Both stand on disk before either takes its name, which needs no room.
            ready = [_write_beside(self._token_file, token)] if token else []
            ready.append(_write_beside(self._file, text))
            for beside, path in ready:
                os.replace(beside, path)
        except OSError as error:
            detail = f"the registry of streams cannot be written: {error.strerror}"
            raise ClientError("overloaded", 503, detail, RETRY_AFTER) from error
        self._streams = streams


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _in_order(streams: dict[str, Stream]) -> list[Stream]:
    return sorted(streams.values(), key=lambda stream: (stream.id != MAIN, stream.id))


def _write_beside(path: Path, text: str) -> tuple[Path, Path]:
    """What is to replace a file: synced, and for its owner alone; where it is, and the file."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return beside, path
