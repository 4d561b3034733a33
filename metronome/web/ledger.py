"""``GET /ledger.json``: what became of everything that a stream was sent, by day and reason."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer


def ledger(web: Web, asked: Asked) -> Deferred[Answer]:
    """The books of the stream, with the last rejected inputs."""
    stream = auth.reader(web, asked)
    return web.gateway.books.report(stream.id).addCallback(json_answer)


ENDPOINT = Endpoint("ledger", {"/ledger.json": {"GET": ledger}})
