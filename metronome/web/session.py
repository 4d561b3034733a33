"""``POST /session`` and ``DELETE /session``: the dashboard signs in and out.

``POST`` with ``{"token": ...}`` answers 204 and sets the cookie (``auth.py``), ``DELETE`` takes
it away; neither is done for a page of another origin, which could put its visitor into a session of
its own.  ``GET`` tells what the session reads: ``{"stream", "admin"}``.
"""

from __future__ import annotations

from typing import Final

from metronome.gateway.streams import MAIN
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer

SECONDS: Final = 30 * 86400
"""How long a browser keeps the session."""


def show(web: Web, asked: Asked) -> Answer:
    """Whose session this is."""
    own = auth.owned(web, asked)
    return json_answer({"stream": own.id, "admin": own.id == MAIN})


def sign_in(web: Web, asked: Asked) -> Answer:
    """Exchange a token for the cookie."""
    auth.of_own_page(asked)
    token = asked.document({"token": str}).get("token", "")
    if web.gateway.streams.reader_of(token) is None:
        raise auth.unauthorized()
    return _answer(asked, token, SECONDS)


def sign_out(web: Web, asked: Asked) -> Answer:
    """Take the cookie away."""
    auth.of_own_page(asked)
    return _answer(asked, "", 0)


def _answer(asked: Asked, value: str, seconds: int) -> Answer:
    cookie = auth.cookie(value, asked.request.isSecure(), seconds)
    return Answer(204, headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


ENDPOINT = Endpoint("session", {"/session": {"GET": show, "POST": sign_in, "DELETE": sign_out}})
