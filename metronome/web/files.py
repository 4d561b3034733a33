"""``GET /`` and ``GET /static/…``: the dashboard (``page.py``), and ``GET /addresses.json``, which
tells a signed-in reader where the gateway listens."""

from __future__ import annotations

from metronome.errors import ClientError
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer
from metronome.web.page import FRONT, HEADERS
from metronome.wire.encoding import takes_gzip


def front(web: Web, asked: Asked) -> Answer:
    """The page."""
    return _file(web, asked, FRONT)


def static(web: Web, asked: Asked) -> Answer:
    """What the page loads."""
    return _file(web, asked, asked.parts["path"])


def addresses(web: Web, asked: Asked) -> Answer:
    """Every bound address, as in ``DATA_DIR/addresses.json``."""
    auth.owned(web, asked)
    return json_answer(web.addresses())


def _file(web: Web, asked: Asked, path: str) -> Answer:
    file = web.files.get(path)
    if file is None:
        raise ClientError("not_found", 404, "there is no such file")
    if file.packed and takes_gzip(asked.header("Accept-Encoding")):
        return Answer(200, file.packed, file.media_type, {**HEADERS, "Content-Encoding": "gzip"}, file.tag)
    return Answer(200, file.plain, file.media_type, HEADERS, file.tag)


ENDPOINT = Endpoint(
    "files",
    {"/": {"GET": front}, "/static/:path*": {"GET": static}, "/addresses.json": {"GET": addresses}},
)
