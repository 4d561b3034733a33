"""Who may write to which stream, decided once for every stream and key that a body names.

Everyone may write to a stream.  Its key, or a token that reads it, makes the sender
*trusted*: its times are believed whatever they are, and its origin is not asked for.  The key
comes as the parameter ``key`` (of the address or of an item), key or token as
``Authorization``.

Without a name the stream is that of the key or token; else the first that lists the page's
origin; else ``main``.  A stream that lists origins takes ticks of other web pages not at all; who
sends no origin is no web page.
"""

from __future__ import annotations

import hmac

from metronome.gateway.streams import MAIN, Stream
from metronome.glob import matches
from metronome.web import auth
from metronome.web.endpoint import Asked, Web
from metronome.wire import places
from metronome.wire.tick import Context


class Desk:
    """Admits the items of one request."""

    def __init__(self, web: Web, asked: Asked, pixel: bool = False):
        """``pixel``: the request is an image's, so that its Referer is a referer too."""
        self._web = web
        self._stream = asked.parts.get("stream") or asked.query.text("stream")
        self._key = asked.query.text("key") or auth.bearer(asked)
        self._has_credentials = bool(asked.header("Authorization"))
        self._referer = asked.header("Referer")
        self.pixel = pixel
        self.origin = asked.header("Origin")
        """The page's origin as the browser tells it; images tell only their Referer."""
        self._from = self.origin or (_origin_of(self._referer) if pixel else "")
        self._answers: dict[tuple[str, str], Context | str] = {}
        self._default = self._find(self._stream, self._key)

    def admit(self, stream: str = "", key: str = "") -> Context | str:
        """The context of an item that names a stream and a key (or neither), or the reason
        why it is refused: ``unknown_stream``, ``bad_key``, ``bad_origin``."""
        known = self._answers.get((stream, key))
        if known is None:
            known = self._answers[stream, key] = self._admit(stream, key)
        return known

    def allows_origin(self) -> bool:
        """Whether the page that asks may read the answer (CORS)."""
        return self._default is None or _takes(self._default, self.origin)

    @property
    def sender(self) -> str:
        """Whom the books name: the page's origin.  Addresses of visitors are not kept."""
        return self._from

    @property
    def stream(self) -> str:
        """Where the books of a request are kept that no item of could be read."""
        return self._default.id if self._default else MAIN

    def _admit(self, wanted: str, key: str) -> Context | str:
        stream = self._default
        if wanted or key:
            key = key or self._key
            stream = self._find(wanted or self._stream, key)
        else:
            key = self._key
        if stream is None:
            return "unknown_stream"
        trusted = self._is_trusted(stream, key)
        if not trusted and (key or self._has_credentials):
            return "bad_key"
        if not trusted and not _takes(stream, self._from):
            return "bad_origin"
        return Context(
            now=self._web.now,
            stream=stream.id,
            trusted=trusted,
            period=self._web.gateway.period,
            page=self._referer or self.origin,
            referer=self._referer if self.pixel else "",
            own_hosts=self._own_hosts(stream),
        )

    def _find(self, wanted: str, key: str) -> Stream | None:
        streams = self._web.gateway.streams
        if wanted:
            return streams.get(wanted)
        found = None
        if key:
            by_key = (stream for stream in streams.all() if _same(key, stream.write_key))
            found = next(by_key, None) or streams.reader_of(key)
        if found is None and self._from:
            found = next((stream for stream in streams.all() if _lists(stream, self._from)), None)
        return found or streams.get(MAIN)

    def _is_trusted(self, stream: Stream, key: str) -> bool:
        if not key:
            return False
        if _same(key, stream.write_key):
            return True
        own = self._web.gateway.streams.reader_of(key)
        return own is not None and own.id in (stream.id, MAIN)

    def _own_hosts(self, stream: Stream) -> frozenset[str]:
        pages = [*stream.origins, self.origin, "" if self.pixel else self._referer]
        return frozenset(places.host_of(key) for key in map(places.place, pages) if key)


def _takes(stream: Stream, origin: str) -> bool:
    """Whether a stream takes ticks of the web pages of an origin."""
    return not stream.origins or not origin or "*" in stream.origins or _lists(stream, origin)


def _lists(stream: Stream, origin: str) -> bool:
    """Whether a stream names an origin, which may be by a glob but not by ``*`` alone."""
    return any(
        allowed != "*" and matches(allowed.lower().rstrip("/"), origin.lower()) for allowed in stream.origins
    )


def _origin_of(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if colon else ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
