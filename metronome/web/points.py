"""``GET /streams/:id/points``: values of series over time.

============  =======================================================================
parameter     meaning
============  =======================================================================
name          glob on the series' names; must be given
kind          counter, gauge, timer or set, where a name exists in several
where         ``label:glob``; repeatable, all must match
from, until   default the last hour; widened to whole steps
step          a length of time; default so that there are at most 300 steps, and a
              multiple of 10 s.  Where parts have been merged into coarser steps by now, it
              is raised to a multiple of those: the answer's ``step`` says what was used
by            labels that are kept, between commas; the others are folded away.  ``*`` keeps
              every series apart
stat          n d count rate mean last min max sum std median pNN distinct; default what
              suits the kind
tz            zone of times that name none
============  =======================================================================
"""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred

from metronome.errors import ClientError
from metronome.gateway import answers
from metronome.limits import POINTS_PER_ANSWER, STEPS_SHOWN
from metronome.model import Selection
from metronome.web import auth
from metronome.web.endpoint import Answer, Asked, Endpoint, Web, json_answer

_HOUR_MS: Final = 3_600_000
_FINEST_MS: Final = 10_000
_NICE: Final = (1, 2, 3, 6, 12, 30, 60, 90, 180, 360, 720, 1080, 2160, 4320, 8640)
"""Tens of seconds that are steps people read: 10 s to a day."""


def points(web: Web, asked: Asked) -> Deferred[Answer]:
    """Fold series into steps and groups."""
    stream = auth.reader(web, asked, asked.parts["id"])
    query = asked.query
    name, zone = query.required("name"), query.zone()
    # The present millisecond counts: a point that was just acknowledged may begin in it.
    until = query.time("until", web.now, web.now + 1, zone)
    start = query.time("from", web.now, until - _HOUR_MS, zone)
    if start >= until:
        raise ClientError("bad_request", 400, "from must be before until")
    step = query.span("step", 0) * 1000 or default_step(until - start)
    step = kept_step(step, web.gateway.resolution(stream.id, start))
    if (until - start) // step > POINTS_PER_ANSWER:
        detail = f"more than {POINTS_PER_ANSWER} steps: ask for a larger step or a shorter time"
        raise ClientError("too_expensive", 413, detail)
    selection = Selection(
        stream.id, name, query.where(), query.kind(), start - start % step, until + -until % step
    )
    by = query.words("by")
    kept = None if by == ["*"] else tuple(dict.fromkeys(by))
    stat = query.text("stat") or None
    return answers.points(web.gateway.reader, selection, step, kept, stat).addCallback(json_answer)


def kept_step(step: int, resolution: int) -> int:
    """The step, raised to whole steps that are still kept apart (all in ms)."""
    return step if not resolution else resolution * -(-step // resolution)


def default_step(length: int) -> int:
    """A step (ms) that cuts a time (ms) into at most ``STEPS_SHOWN`` steps."""
    for tens in _NICE:
        if tens * _FINEST_MS * STEPS_SHOWN >= length:
            return tens * _FINEST_MS
    day = _NICE[-1] * _FINEST_MS
    return day * -(-length // (day * STEPS_SHOWN))


ENDPOINT = Endpoint("points", {"/streams/:id/points": {"GET": points}})
