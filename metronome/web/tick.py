"""``POST /tick``, ``POST /tick/:stream`` and ``GET /tick.gif``: contract.md section 3.

=======  =====================================================================================
status   when
=======  =====================================================================================
204      read; what was accepted is on disk.  With ``Accept: application/json`` 202 and
         ``{"accepted", "rejected": [{"index", "reason", "param"}], "filtered": [...]}``
400      nothing could be read, or the content encoding is unknown or damaged
401 403  every item was refused for its key, or for the page's origin
404      every item is for a stream that does not exist
413      the body is too large, or has too many items
415      the body is of a type that ticks do not come in
503      the journal cannot take it now; ``Retry-After`` says when to send it again
=======  =====================================================================================

``X-Metronome: accepted=N rejected=N filtered=N`` is always there.  A 2xx is not given before
the journal has synced.  Every refusal is in the books of its stream.

CORS (research/analytics.md section 6.1): a beacon always carries credentials, so the origin is
echoed and never ``*``; a page that the stream does not take ticks from gets no echo.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from metronome.errors import REJECT_REASONS, ClientError
from metronome.gateway.intake import TickRow, TickVerdict
from metronome.limits import EXCERPT_BYTES, INFLATED_BYTES
from metronome.web import respond
from metronome.web.admission import Desk
from metronome.web.endpoint import JSON, Answer, Asked, Endpoint, Web, json_answer
from metronome.wire import encoding, tick
from metronome.wire.body import Refused
from metronome.wire.tick import Context, Tick, TickBatch

SOURCE: Final = "tick"
"""How the books name this input."""

GIF: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""One transparent pixel, 43 bytes."""

STATUS: Final = {
    "bad_encoding": 400,
    "bad_key": 401,
    "bad_origin": 403,
    "malformed": 400,
    "too_large": 413,
    "too_many": 413,
    "unknown_stream": 404,
    "unsupported_type": 415,
}
"""Of the reasons for which a whole request is refused."""

_FOR_ALL: Final = frozenset(("bad_key", "bad_origin", "unknown_stream"))
"""Reasons that become the request's status when they hold for every item."""

_OPEN_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
    "Vary": "Origin",
}
_PREFLIGHT_HEADERS: Final = {
    "Access-Control-Allow-Methods": "POST, GET, OPTIONS",
    "Access-Control-Allow-Headers": "content-type, content-encoding, authorization",
    "Access-Control-Max-Age": "7200",
}


def post(web: Web, asked: Asked) -> Answer | Deferred[Answer]:
    """Take a body of ticks."""
    return _take(web, asked, Desk(web, asked))


def pixel(web: Web, asked: Asked) -> Answer | Deferred[Answer]:
    """Take the tick in an image's address."""
    return _take(web, asked, Desk(web, asked, pixel=True))


def preflight(web: Web, asked: Asked) -> Answer:
    """Tell a browser whether a page may send (the tick itself is judged when it comes)."""
    origin = _echo(Desk(web, asked))
    return Answer(204, headers={**headers_of(origin, 0, 0, 0), **(_PREFLIGHT_HEADERS if origin else {})})


ENDPOINT = Endpoint(
    "tick",
    {
        "/tick": {"POST": post, "OPTIONS": preflight},
        "/tick/:stream": {"POST": post, "OPTIONS": preflight},
        "/tick.gif": {"GET": pixel, "OPTIONS": preflight},
    },
)


def headers_of(origin: str, accepted: int, rejected: int, filtered: int) -> dict[str, str]:
    """What every answer to a tick carries; ``origin`` empty: the page may not read it."""
    headers = {
        **_OPEN_HEADERS,
        "X-Metronome": f"accepted={accepted} rejected={rejected} filtered={filtered}",
    }
    if origin:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "X-Metronome, Retry-After"
    return headers


def _take(web: Web, asked: Asked, desk: Desk) -> Answer | Deferred[Answer]:
    batch = _read(asked, desk, Context(web.now))
    refused = batch.refused
    if batch.reason:
        unread = asked.body or asked.request.uri
        refused = [Refused(0, batch.reason, "", unread[:EXCERPT_BYTES])]
    for item in refused:
        stream = item.stream or desk.stream
        web.gateway.ledger.received(stream, SOURCE, 1)
        web.gateway.ledger.reject(stream, SOURCE, item.reason, 1, item.excerpt, desk.sender)
    reasons = {item.reason for item in refused}
    if batch.reason or (not batch.ticks and len(reasons) == 1 and reasons <= _FOR_ALL):
        return _refusal(desk, refused)
    answer = _journal(web, desk, batch).addCallback(lambda found: _verdict(asked, desk, batch, found))
    return answer.addErrback(lambda failure: _failure(desk, failure, len(refused)))


def _read(asked: Asked, desk: Desk, context: Context) -> TickBatch:
    query = asked.request.uri.partition(b"?")[2]
    if desk.pixel:
        return tick.parse_query(query, context, desk.admit)
    body, reason = encoding.decode(asked.body, asked.header("Content-Encoding"), INFLATED_BYTES)
    if reason:
        return TickBatch([], [], reason)
    return tick.parse(body, asked.header("Content-Type"), context, desk.admit, query)


def _journal(web: Web, desk: Desk, batch: TickBatch) -> Deferred[set[int]]:
    """Hand the ticks in; fires with the items that were duplicates once all are synced."""
    streams = defaultdict(list)
    for one in batch.ticks:
        streams[one.stream].append(one)
    if len(streams) == 1:
        return _journal_one(web, desk, *streams.popitem())
    each = [_journal_one(web, desk, stream, ticks) for stream, ticks in streams.items()]
    return gatherResults(each, consumeErrors=True).addCallback(lambda found: set().union(*found))


def _journal_one(web: Web, desk: Desk, stream: str, ticks: list[Tick]) -> Deferred[set[int]]:
    events = [(one.item, one.event) for one in ticks if one.event is not None]
    rows = [(one.item, TickRow(row, eid)) for one in ticks for row, eid in one.rows]
    taken = web.gateway.intake.ticks(
        stream, [event for _, event in events], [row for _, row in rows], (), SOURCE, desk.sender
    )

    def duplicates(verdict: TickVerdict) -> set[int]:
        of_events = {events[index][0] for index in verdict.duplicate_events}
        found = of_events | {rows[index][0] for index in verdict.duplicate_rows}
        for one in ticks:
            if one.trace and one.item not in found:
                web.gateway.exposition.trace(stream, one.rows[0][0], one.time / 1000, one.trace)
        return found

    return taken.addCallback(duplicates)


def _verdict(asked: Asked, desk: Desk, batch: TickBatch, duplicates: set[int]) -> Answer:
    accepted = len(batch.ticks) - len(duplicates)
    headers = headers_of(_echo(desk), accepted, len(batch.refused), len(duplicates))
    if desk.pixel:
        return Answer(200, GIF, "image/gif", headers)
    if JSON not in asked.header("Accept").lower():
        return Answer(204, headers=headers)
    return json_answer(
        {
            "accepted": accepted,
            "rejected": [
                {"index": item.item, "reason": item.reason, "param": item.param} for item in batch.refused
            ],
            "filtered": [{"index": item, "reason": "duplicate"} for item in sorted(duplicates)],
        },
        202,
        headers,
    )


def _refusal(desk: Desk, refused: list[Refused]) -> Answer:
    reason = refused[0].reason
    answer = respond.refusal(ClientError(reason, STATUS[reason], REJECT_REASONS[reason]))
    return answer._replace(headers={**answer.headers, **headers_of(_echo(desk), 0, len(refused), 0)})


def _failure(desk: Desk, failure: Failure, rejected: int) -> Answer:
    inner = getattr(failure.value, "subFailure", failure)  # what gatherResults wraps
    answer = respond.excuse(inner)
    return answer._replace(headers={**answer.headers, **headers_of(_echo(desk), 0, rejected, 0)})


def _echo(desk: Desk) -> str:
    return desk.origin if desk.allows_origin() else ""
