"""Who asks: tokens, sessions, and which stream they read.

A token comes as ``Authorization: Bearer TOKEN``, as the password of Basic with any user, or
in the dashboard's cookie.  The cookie is HttpOnly and SameSite=Strict, holds the token itself
and so ends when the token is rotated, and outlives a restart of the gateway.  Pages of the
same *site* but another origin (another port, a subdomain) still send it; so whatever changes
something and comes with the cookie must come from our own origin.

A token that does not read what is asked for gets the same answer as none, whether that
stream exists or not.  Tokens are compared as digests, in constant time (``streams.py``).
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from metronome.errors import ClientError
from metronome.gateway.streams import MAIN, Stream
from metronome.web.endpoint import Asked, Web

COOKIE: Final = "metronome"
_SAFE: Final = (b"GET", b"HEAD", b"OPTIONS")


def bearer(asked: Asked) -> str:
    """The token in the Authorization header; empty when there is none."""
    scheme, _, rest = asked.header("Authorization").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def token(asked: Asked) -> str:
    """The token of a request, from its header or else its cookie; empty when there is none."""
    found = bearer(asked)
    if found or asked.header("Authorization"):
        return found
    value = asked.request.received_cookies.get(COOKIE.encode(), b"").decode("utf-8", "replace")
    if value and asked.request.method not in _SAFE:
        of_own_page(asked)
    return value


def of_own_page(asked: Asked) -> None:
    """Let only our own pages pass, and what is no page.  ``ClientError`` forbidden."""
    origin = asked.header("Origin")
    if origin and origin.partition("://")[2].lower() != asked.header("Host").lower():
        raise ClientError("forbidden", 403, "a page of another origin may not use the session")


def owned(web: Web, asked: Asked) -> Stream:
    """The stream whose token was given.  ``ClientError`` unauthorized."""
    given = token(asked)
    own = web.gateway.streams.reader_of(given) if given else None
    if own is None:
        raise unauthorized()
    return own


def reader(web: Web, asked: Asked, wanted: str = "") -> Stream:
    """The stream that is asked for and that the token reads.

    ``wanted`` is an id, by default the parameter ``stream``, by default the token's own.
    ``ClientError`` unauthorized; not_found to the administrator alone.
    """
    own = owned(web, asked)
    wanted = wanted or asked.query.text("stream") or own.id
    if wanted == own.id:
        return own
    if own.id != MAIN:
        raise unauthorized()
    stream = web.gateway.streams.get(wanted)
    if stream is None:
        raise ClientError("not_found", 404, f"there is no stream {wanted!r}")
    return stream


def public_reader(web: Web, asked: Asked) -> Stream:
    """As :func:`reader`, but a public stream is read by everybody; without a name and a good
    token that may be ``main``."""
    streams = web.gateway.streams
    own = streams.reader_of(token(asked))
    wanted = asked.query.text("stream") or (own.id if own else MAIN)
    stream = streams.get(wanted)
    return stream if stream is not None and stream.public else reader(web, asked, wanted)


def administrator(web: Web, asked: Asked) -> None:
    """Let only the administrator pass.  ``ClientError`` unauthorized, forbidden."""
    if owned(web, asked).id != MAIN:
        raise ClientError("forbidden", 403, "this takes the administrator's token")


def unauthorized() -> ClientError:
    """No token, or one that does not read this: which of them is not said."""
    return ClientError("unauthorized", 401, "this takes a token that reads it")


def cookie(value: str, secure: bool, seconds: int) -> str:
    """A Set-Cookie header for the session."""
    parts = [f"{COOKIE}={value}", "Path=/", f"Max-Age={seconds}", "HttpOnly", "SameSite=Strict"]
    return "; ".join([*parts, "Secure"] if secure else parts)
