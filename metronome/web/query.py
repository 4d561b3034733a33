"""Query parameters, checked.  What cannot be used is refused with a sentence that says what
would be right, and names the parameter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from metronome.errors import ClientError
from metronome.model import Kind, Labels, canonical_labels
from metronome.wire import times

Value = TypeVar("Value")


class Query:
    """The parameters of one request; names and values are UTF-8."""

    def __init__(self, arguments: Mapping[bytes, Sequence[bytes]]):
        self._arguments = arguments

    def text(self, name: str, default: str = "") -> str:
        """A parameter; of a repeated one the last.  An empty one counts as missing."""
        values = self.texts(name)
        return values[-1] if values else default

    def texts(self, name: str) -> list[str]:
        """All values of a repeatable parameter but the empty ones."""
        values = self._arguments.get(name.encode(), ())
        try:
            return [value.decode() for value in values if value]
        except UnicodeDecodeError:
            raise _bad(f"{name} is not UTF-8") from None

    def words(self, name: str) -> list[str]:
        """The parts between commas of all values of a parameter."""
        parts = (part.strip() for value in self.texts(name) for part in value.split(","))
        return [part for part in parts if part]

    def required(self, name: str) -> str:
        """A parameter that must be given."""
        value = self.text(name)
        if not value:
            raise _bad(f"{name} is missing")
        return value

    def time(self, name: str, now: int, default: int, zone: tzinfo = UTC) -> int:
        """A time, in ms."""
        return self._read(name, default, lambda text: times.reading_time(text, now, zone))

    def span(self, name: str, default: int) -> int:
        """A length of time, in seconds."""
        return self._read(name, default, times.duration)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to ``most``."""
        value = self._read(name, default, _whole)
        if value > most:
            raise _bad(f"{name} must be at most {most}")
        return value

    def flag(self, name: str) -> bool:
        """``1`` or ``true``; ``0`` or ``false``; false when missing."""
        return self.choice(name, {"": False, "0": False, "false": False, "1": True, "true": True})

    def choice(self, name: str, choices: Mapping[str, Value]) -> Value:
        """One of several words; the empty word's meaning when missing."""
        text = self.text(name)
        if text not in choices:
            raise _bad(f"{name} must be one of {', '.join(word for word in choices if word)}, not {text!r}")
        return choices[text]

    def wished(self, name: str, known: Collection[str]) -> set[str]:
        """Words out of a list, between commas."""
        words = set(self.words(name))
        if not words <= set(known):
            raise _bad(f"{name} knows {', '.join(known)}, not {', '.join(sorted(words - set(known)))}")
        return words

    def kind(self) -> Kind | None:
        """A kind, None when missing."""
        return self.choice("kind", {"": None, **{kind.word: kind for kind in Kind}})

    def where(self) -> Labels:
        """``where=label:glob``, repeatable; every one must match."""
        pairs = []
        for text in self.texts("where"):
            label, colon, glob = text.partition(":")
            if not colon or not label:
                raise _bad(f"where must be label:glob, not {text!r}")
            pairs.append((label, glob))
        if len(dict(pairs)) < len(pairs):
            raise _bad("where names a label twice: use {one,other} in its glob")
        return canonical_labels(pairs)

    def zone(self) -> tzinfo:
        """``tz``, a name of the IANA data base; UTC when missing."""
        name = self.text("tz", "UTC")
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise _bad(f"tz {name!r} is not a time zone: use a name like Europe/Berlin") from None

    def _read(self, name: str, default: Value, read: Callable[[str], Value]) -> Value:
        text = self.text(name)
        if not text:
            return default
        try:
            return read(text)
        except ValueError as error:
            raise _bad(f"{name}: {error}") from error


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _bad(detail: str) -> ClientError:
    return ClientError("bad_request", 400, detail)
