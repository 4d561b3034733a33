"""``GET /health`` and ``GET /ready``: for whoever watches the process; no token.

``/health`` says that the process answers.  ``/ready`` says whether it can do its work, as
``{"state", "reasons"}``: ``unready`` with 503 while the journal cannot be written, or while the
operator has said ``health down`` on the admin console; ``degraded`` with 200 while the store is
away, a consumer has to wait or a Graphite destination takes nothing (input is taken and waits in the
journal), else ``ok``.

``health down`` takes a gateway out of a group without ending it, so it shows where those who
share load look, and not on ``/health``: whoever finds that one failing restarts the process.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from metronome.errors import StoreUnavailable
from metronome.limits import RETRY_AFTER
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer


def health(web: Web, asked: Asked) -> Answer:
    """The process answers."""
    return json_answer({"state": "ok"})


def ready(web: Web, asked: Asked) -> Deferred[Answer]:
    """Whether input is taken and answers are given."""

    def away(failure: Failure) -> tuple[str, str]:
        failure.trap(StoreUnavailable)
        return "away", str(failure.value)

    gateway = web.gateway
    against = [gateway.journal.unavailable()] if gateway.journal.unavailable() else []
    if not gateway.readiness.up:
        against.append("it was set down on the admin console")
    # No token is asked for, so neither hosts nor what went wrong are told: the log has them.
    waiting = sorted({consumer.name.partition(":")[0] for consumer in gateway.consumers if consumer.troubled})
    late = [f"consumer {name} has to wait" for name in waiting]
    troubled = sum(1 for destination in gateway.destinations if destination.trouble)
    if troubled:
        late.append(f"{troubled} of {len(gateway.destinations)} Graphite outputs cannot send all they have")
    return gateway.store.health().addErrback(away).addCallback(_ready, against, late)


def _ready(store: tuple[str, str], against: list[str], late: list[str]) -> Answer:
    state, detail = store
    reasons = [*against, *late]
    if state != "ok":
        reasons.append(f"the store is {state}" + (f": {detail}" if detail else ""))
    if against:
        return json_answer({"state": "unready", "reasons": reasons}, 503, {"Retry-After": str(RETRY_AFTER)})
    return json_answer({"state": "degraded" if reasons else "ok", "reasons": reasons})


ENDPOINT = Endpoint("health", {"/health": {"GET": health}, "/ready": {"GET": ready}})
