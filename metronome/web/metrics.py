"""``GET /metrics``: everything as Prometheus reads it, in the form that it accepts.

Compressed for whoever takes gzip, as every Prometheus does.  It is never so short that this is in vain.

Needs the administrator's token, because it shows every stream, unless ``[prometheus] public``
drops it.
"""

from __future__ import annotations

from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web
from metronome.wire.encoding import takes_gzip, zipped


def metrics(web: Web, asked: Asked) -> Answer:
    """The page, in the format that the client accepts."""
    if not web.metrics_public:
        auth.administrator(web, asked)
    media_type, body = web.gateway.exposition.page(asked.header("Accept"))
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Accept-Encoding"}
    if takes_gzip(asked.header("Accept-Encoding")):
        return Answer(200, zipped(body), media_type, {**headers, "Content-Encoding": "gzip"})
    return Answer(200, body, media_type, headers)


ENDPOINT = Endpoint("metrics", {"/metrics": {"GET": metrics}})
