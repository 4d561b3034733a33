"""``GET /tock/:id.json``: what happened to one item.

The id is percent-decoded and may contain ``/``; an id that does not fit into a path is given as
``/tock.json?id=``.

============  =======================================================================
parameter     meaning
============  =======================================================================
stream        the stream; a public one needs no token
from, until   default from ``last``, until now
last          default 30d: whole days count today as the first; other lengths end now
tz            zone of the days; default UTC
limit         formats and referers shown, default 50
include       ``other``: what is beyond the limit is summed up as ``_other``
fill          1: days without views are written as 0
============  =======================================================================

An unknown item has three empty maps.  The answer may be kept for 10 seconds and has an entity
tag; that of a public stream may be read by every page.
"""

from __future__ import annotations

import hashlib
from datetime import tzinfo
from typing import Any, Final

import orjson
from twisted.internet.defer import Deferred

from metronome.errors import ClientError
from metronome.gateway import answers
from metronome.gateway.answers import TockWish
from metronome.limits import DATES_PER_ANSWER, TOCK_DAYS, TOCK_ROWS, TOCK_ROWS_MOST
from metronome.web import auth
from metronome.web.endpoint import JSON, Answer, Asked, Endpoint, Web

_DAY: Final = 86400
MAX_AGE: Final = 10
"""Seconds that an answer may be kept: pages that embed it do not ask for each visitor."""


def of_path(web: Web, asked: Asked) -> Deferred[Answer]:
    """The item in the path."""
    return _tock(web, asked, asked.parts["id"])


def of_query(web: Web, asked: Asked) -> Deferred[Answer]:
    """The item in the query."""
    return _tock(web, asked, asked.query.required("id"))


ENDPOINT = Endpoint("tock", {"/tock.json": {"GET": of_query}, "/tock/:id*.json": {"GET": of_path}})


def _tock(web: Web, asked: Asked, item: str) -> Deferred[Answer]:
    stream = auth.public_reader(web, asked)
    query = asked.query
    zone = query.zone()
    start, until = _span(web, asked, zone)
    wish = TockWish(
        zone=zone,
        limit=query.number("limit", TOCK_ROWS, TOCK_ROWS_MOST),
        other="other" in query.wished("include", ("other",)),
        fill=query.flag("fill"),
    )
    if wish["fill"] and until - start > DATES_PER_ANSWER * _DAY * 1000:
        raise ClientError("too_expensive", 413, f"fill=1 over more than {DATES_PER_ANSWER} days")
    found = answers.tock(web.gateway.reader, stream.id, item, (start, until), wish)
    return found.addCallback(_answer, stream.public)


def _span(web: Web, asked: Asked, zone: tzinfo) -> tuple[int, int]:
    query = asked.query
    # The present millisecond belongs to what has happened: a tick just acknowledged counts.
    until = query.time("until", web.now, web.now + 1, zone)
    last = query.span("last", TOCK_DAYS * _DAY)
    start = answers.beginning(until, last, zone)
    return query.time("from", web.now, max(start, 0), zone), until


def _answer(found: Any, public: bool) -> Answer:
    body = orjson.dumps(found)
    headers = {"Cache-Control": f"{'public' if public else 'private'}, max-age={MAX_AGE}"}
    if public:
        headers["Access-Control-Allow-Origin"] = "*"
    else:
        headers["Vary"] = "Authorization, Cookie"
    return Answer(200, body, JSON, headers, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
