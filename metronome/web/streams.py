"""``/streams``: the registry.  The administrator makes, changes and deletes streams; an owner
sees the own one.

``POST /streams`` ``{"name", "origins", "retention", "public"}`` answers 201 with the id, the
write key and the token, which is shown this once.  ``retention`` is ``{"points": days,
"events": days}``; one that is left out has the default.
"""

from __future__ import annotations

import re
from typing import Any, Final

from twisted.internet.defer import Deferred

from metronome.errors import ClientError
from metronome.gateway.streams import MAIN, Stream
from metronome.limits import ORIGINS_PER_STREAM, RETENTION_DAYS
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer

_CHANGES: Final[dict[str, type[Any]]] = {"origins": list, "retention": dict, "public": bool}
_ORIGIN = re.compile(r"[A-Za-z*][A-Za-z0-9+.*-]{0,31}://[A-Za-z0-9.*\[\]:_-]{1,253}/?|\*")
_KEPT: Final = ("points", "events")


def listing(web: Web, asked: Asked) -> Answer:
    """All streams to the administrator, the own one to another owner."""
    own = auth.owned(web, asked)
    shown = web.gateway.streams.all() if own.id == MAIN else [own]
    return json_answer({"streams": [_shown(stream) for stream in shown]})


def create(web: Web, asked: Asked) -> Deferred[Answer]:
    """Make a stream, which begins empty, also where one of its name was deleted a moment ago."""
    auth.administrator(web, asked)
    document = asked.document({"name": str, **_CHANGES})
    name = document.get("name")
    if not name:
        raise ClientError("bad_request", 400, "name is missing")
    changes = _checked(document)
    gateway = web.gateway
    gateway.streams.check_new(name)

    def emptied(_: None) -> Deferred[None]:
        gateway.intake.clear(name)
        return gateway.journal.barrier()

    def made(_: None) -> Answer:
        gateway.intake.clear(name)  # again: the journal may have refused what was on its way
        gateway.ledger.forget(name)
        stream, token = gateway.streams.create(
            name, changes.get("origins", ()), changes.get("retention"), changes.get("public", False)
        )
        return json_answer(_secrets(stream, token), 201, {"Location": f"/streams/{stream.id}"})

    # What the store was writing when the old one was deleted is forgotten, and what was on its
    # way into the journal stands there before the new one begins.
    forgotten = gateway.store.forget(name)
    return forgotten.addCallback(emptied).addCallback(made)


def show(web: Web, asked: Asked) -> Answer:
    """One stream."""
    return json_answer(_shown(auth.reader(web, asked, asked.parts["id"])))


def change(web: Web, asked: Asked) -> Answer:
    """Change what is given of a stream."""
    auth.administrator(web, asked)
    changes = _checked(asked.document(_CHANGES))
    return json_answer(_shown(web.gateway.streams.update(asked.parts["id"], **changes)))


def rotate(web: Web, asked: Asked) -> Answer:
    """New key and token; the old ones end at once."""
    auth.administrator(web, asked)
    return json_answer(_secrets(*web.gateway.streams.rotate(asked.parts["id"])))


def delete(web: Web, asked: Asked) -> Deferred[Answer]:
    """Forget a stream and everything in it: what it holds first, so that a store that is away
    leaves the stream as it was."""
    auth.administrator(web, asked)
    stream = auth.reader(web, asked, asked.parts["id"])
    if stream.id == MAIN:
        raise ClientError("forbidden", 403, "stream main cannot be deleted")

    def forgotten(_: None) -> Answer:
        web.gateway.streams.delete(stream.id)
        web.gateway.intake.clear(stream.id)
        web.gateway.ledger.forget(stream.id)
        return Answer(204)

    return web.gateway.store.forget(stream.id).addCallback(forgotten)


ENDPOINT = Endpoint(
    "streams",
    {
        "/streams": {"GET": listing, "POST": create},
        "/streams/:id": {"GET": show, "PATCH": change, "DELETE": delete},
        "/streams/:id/rotate": {"POST": rotate},
    },
)


def _shown(stream: Stream) -> dict[str, Any]:
    return {
        "id": stream.id,
        "name": stream.name,
        "origins": list(stream.origins),
        "retention": stream.retention or {},
        "public": stream.public,
        "write_key": stream.write_key,
        "created": stream.created,
    }


def _secrets(stream: Stream, token: str) -> dict[str, Any]:
    return {"id": stream.id, "name": stream.name, "write_key": stream.write_key, "token": token}


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """The changes in a document, as the registry takes them; ``ClientError`` bad_request."""
    changes = {name: document[name] for name in _CHANGES if name in document}
    if "origins" in changes:
        changes["origins"] = _origins(changes["origins"])
    for name, days in changes.get("retention", {}).items():
        if name not in _KEPT:
            raise ClientError("bad_request", 400, f"retention knows points and events, not {name!r}")
        if type(days) is not int or not 1 <= days <= RETENTION_DAYS:
            detail = f"retention of {name} must be 1 to {RETENTION_DAYS} whole days, not {days!r}"
            raise ClientError("bad_request", 400, detail)
    return changes


def _origins(given: list[Any]) -> tuple[str, ...]:
    if len(given) > ORIGINS_PER_STREAM:
        raise ClientError("bad_request", 400, f"at most {ORIGINS_PER_STREAM} origins")
    for origin in given:
        if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
            detail = f"an origin is like https://example.com or https://*.example.com, not {origin!r}"
            raise ClientError("bad_request", 400, detail)
    return tuple(origin.rstrip("/") for origin in given)
