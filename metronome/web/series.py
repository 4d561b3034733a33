"""``GET /streams/:id/series``: which series a stream has.

``match`` is a glob on the name (default all), ``where=label:glob`` repeatable, ``kind`` one kind,
``from`` and ``until`` the time in which a series must have points (default ever).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from metronome.gateway import answers
from metronome.model import Selection
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer


def series(web: Web, asked: Asked) -> Deferred[Answer]:
    """List series with their first and last time."""
    stream = auth.reader(web, asked, asked.parts["id"])
    query = asked.query
    selection = Selection(
        stream.id,
        query.text("match", "*"),
        query.where(),
        query.kind(),
        query.time("from", web.now, Selection._field_defaults["start"]),
        query.time("until", web.now, Selection._field_defaults["end"]),
    )
    return answers.series(web.gateway.reader, selection).addCallback(json_answer)


ENDPOINT = Endpoint("series", {"/streams/:id/series": {"GET": series}})
