"""Answers in the shape of the contract: what the reader found, as plain JSON values.

The web layer checks what was asked and hands it here; the algebra that turns folded parts
into stats and counts into a tock lies below this layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from datetime import tzinfo
from typing import Any, Final

from twisted.internet.defer import Deferred, inlineCallbacks

from metronome.analytics import tock as tocks
from metronome.analytics.tock import Tock, TockWish
from metronome.errors import ClientError
from metronome.fold.stat import Stat, default_stat, evaluate, parse_stat
from metronome.gateway.reader import Reader
from metronome.limits import POINTS_PER_ANSWER, SERIES_PER_ANSWER
from metronome.model import EventSelection, Folded, Found, Selection

__all__ = ["TockWish", "beginning", "points", "series", "tock"]

_DAY: Final = 86400


@inlineCallbacks
def points(
    reader: Reader, selection: Selection, step: int, by: tuple[str, ...] | None, stat: str | None
) -> Generator[Deferred[Any], Any, dict[str, Any]]:
    """``{"step", "from", "until", "groups": [{"v", "values": [[time, value], …]}]}``.

    ``selection`` lies on steps of ``step`` ms; ``by`` None keeps every series apart, and then a
    group says its ``name`` as well; ``stat`` None takes what suits the kind.  Steps without a
    value are left out.  ``ClientError`` bad_request for an unknown stat, too_expensive.
    """
    wanted = _stat(stat)
    folded: list[Folded] = yield reader.fetch(selection, step, by, wanted)
    if sum(len(group.times) for group in folded) > POINTS_PER_ANSWER:
        raise _expensive(f"more than {POINTS_PER_ANSWER} points: ask for a larger step or fewer labels")
    return {
        "step": _seconds(step),
        "from": _seconds(selection.start),
        "until": _seconds(selection.end),
        "groups": [_group(group, wanted or default_stat(group.kind), step) for group in folded],
    }


@inlineCallbacks
def series(reader: Reader, selection: Selection) -> Generator[Deferred[Any], Any, dict[str, Any]]:
    """``{"series": [{"name", "labels", "kind", "first", "last"}, …]}``; ``ClientError``
    too_expensive."""
    found: list[Found] = yield reader.series(selection)
    if len(found) > SERIES_PER_ANSWER:
        raise _expensive(f"more than {SERIES_PER_ANSWER} series: narrow the match")
    return {
        "series": [
            {
                "name": one.series.name,
                "labels": dict(one.series.labels),
                "kind": one.series.kind.word,
                "first": _seconds(one.first),
                "last": _seconds(one.last),
            }
            for one in found
        ]
    }


@inlineCallbacks
def tock(
    reader: Reader, stream: str, item: str, span: tuple[int, int], wish: TockWish
) -> Generator[Deferred[Any], Any, Tock]:
    """Views by date, downloads by format and referers of one item."""
    start, end = span
    views = EventSelection(stream, item, (tocks.VIEW,), start, end)
    by_slot: Counter[tuple[Any, ...]] = yield reader.count(views, ("slot",))
    by_referer: Counter[tuple[Any, ...]] = yield reader.count(views, ("referer",))
    downloads = views._replace(types=(tocks.DOWNLOAD,))
    by_format: Counter[tuple[Any, ...]] = yield reader.count(downloads, ("format",))
    return tocks.tock(_flat(by_slot), _flat(by_format), _flat(by_referer), span, wish)


def beginning(until: int, seconds: int, zone: tzinfo) -> int:
    """When the last so many seconds before ``until`` (ms) began; whole days are days of the zone,
    the one that ``until`` lies in being the last."""
    days, rest = divmod(seconds, _DAY)
    if seconds * 1000 >= until:
        return 0
    return until - seconds * 1000 if rest else tocks.midnight(until - 1, zone, 1 - days)


def _flat(counts: Counter[tuple[Any, ...]]) -> dict[Any, int]:
    """Counts by one field, without the tuples."""
    return {value: count for (value,), count in counts.items()}


def _stat(text: str | None) -> Stat | None:
    if text is None:
        return None
    try:
        return parse_stat(text)
    except ValueError as error:
        raise ClientError("bad_request", 400, f"stat: {error}") from error


def _group(group: Folded, stat: Stat, step: int) -> dict[str, Any]:
    values = evaluate(stat, group, step)
    known = values == values  # NaN, where the stat has no value, differs from itself
    times = (group.times[known] / 1000).tolist() if step % 1000 else (group.times[known] // 1000).tolist()
    answer: dict[str, Any] = {"v": dict(group.labels)}
    if group.name:
        answer["name"] = group.name
    answer["values"] = list(zip(times, values[known].tolist(), strict=True))
    return answer


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000


def _expensive(detail: str) -> ClientError:
    return ClientError("too_expensive", 413, detail)
