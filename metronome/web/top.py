"""``GET /top.json``: who sends most to a stream, of late: series, name prefixes and senders."""

from __future__ import annotations

from metronome.limits import TALKERS_TOLD, TALKERS_TOLD_MOST
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer


def top(web: Web, asked: Asked) -> Answer:
    """The top talkers; ``limit`` of each."""
    stream = auth.reader(web, asked)
    limit = asked.query.number("limit", TALKERS_TOLD, TALKERS_TOLD_MOST)
    return json_answer(web.gateway.intake.talkers.report(stream.id, limit))


ENDPOINT = Endpoint("top", {"/top.json": {"GET": top}})
