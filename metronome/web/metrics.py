"""``GET /metrics``: everything as Prometheus reads it, text or OpenMetrics as it accepts.

Needs the administrator's token, because it shows every stream, unless ``[prometheus] public``
drops it.
"""

from __future__ import annotations

from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web


def metrics(web: Web, asked: Asked) -> Answer:
    """The page, in the format that the client accepts."""
    if not web.metrics_public:
        auth.administrator(web, asked)
    media_type, body = web.gateway.exposition.page(asked.header("Accept"))
    return Answer(200, body, media_type, {"Cache-Control": "no-store", "Vary": "Accept"})


ENDPOINT = Endpoint("metrics", {"/metrics": {"GET": metrics}})
