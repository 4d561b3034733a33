"""``POST /replay``: put dead letters into the store again, a piece at a time; the administrator's.

Answers ``{"stored", "inputs", "refused", "early", "unread", "ownerless", "more", "reasons"}``, see
``gateway/replay.py``; while ``more`` is true there are further pieces to ask for.  503 while the
store is away, 409 while another replay is under way; either can be tried again.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from metronome.errors import ClientError
from metronome.gateway.replay import Replayed
from metronome.limits import RETRY_AFTER
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer


def replay(web: Web, asked: Asked) -> Deferred[Answer]:
    """Replay one piece."""
    auth.administrator(web, asked)
    return web.gateway.replay.step().addCallbacks(_told, _disk_refused)


def _told(replayed: Replayed) -> Answer:
    return json_answer({**replayed._asdict(), "reasons": dict(replayed.reasons)})


def _disk_refused(failure: Failure) -> Answer:
    """The letters are as they were; what the store was given is known by the note."""
    failure.trap(OSError)
    detail = f"the dead letters cannot be moved: {failure.getErrorMessage()}"
    raise ClientError("overloaded", 503, detail, RETRY_AFTER) from failure.value


ENDPOINT = Endpoint("replay", {"/replay": {"POST": replay}})
