"""Ticks: bytes to events and points (contract.md section 3, research/analytics.md 8.1).

An item is a flat object.  What is nested is flattened to two levels (``{"a": {"b": 1}}`` is
``a.b``); deeper values and arrays are kept as JSON text.  With ``n`` it is a point (see
``point.py``), without it an event.

===========================  ========================================================
parameter of an event        meaning
===========================  ========================================================
id                           the item; default the page's key (``places.py``)
type                         ``[a-z][a-z0-9_.-]{0,63}``; default ``view``, for a record in
                             Logstash's form (with ``@version``) ``log``
stream, key                  another stream than the request's, and its write key
url                          the page; default what the browser's headers say
referer, referrer, ref       where the visitor came from; kept as a key, own hosts left out
ts, @timestamp, timestamp,   when it happened: RFC 3339, epoch seconds or milliseconds
date
tick, eid, event.id          deduplication id
message                      text of its own place
file, format                 of a download; the format's default is the file's extension
===========================  ========================================================

Every other parameter is kept: text and truth values as labels, numbers as fields.  A
missing, null or empty reserved parameter takes its default; one with a value that cannot
be used refuses the item, and only that item.  An unknown parameter never does.

Time: a trusted sender (one with the stream's key or token) may give any.  From others it
must lie within the last 24 hours and the next 5 minutes; outside, the time of arrival is
taken and the label ``clock=skewed`` says so.

Too long values are cut, parameters beyond 64 are left out, and the label ``truncated`` names
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import orjson

from metronome.limits import (
    ITEM_ID_BYTES,
    MESSAGE_BYTES,
    PARAM_NAME_BYTES,
    PARAM_VALUE_BYTES,
    PARAMS_PER_TICK,
    STACK_BYTES,
    TICK_FUTURE,
    TICK_PAST,
)
from metronome.model import Event, Labels
from metronome.wire import body as bodies
from metronome.wire import places, point, reports, times
from metronome.wire.body import Items, Refused
from metronome.wire.point import BadItem, Params, as_text, given
from metronome.wire.records import Row


class Context(NamedTuple):
    """What the codec is told about the request."""

    now: int
    """Time of arrival, ms."""
    stream: str = "main"
    trusted: bool = False
    """The sender showed the stream's key or token."""
    period: float = 10.0
    """Default period of a point, seconds."""
    page: str = ""
    """The page as the browser's headers tell it: Referer, or else Origin."""
    referer: str = ""
    """Default referer; only an image's request has one."""
    own_hosts: frozenset[str] = frozenset()
    """Hosts of the stream's own pages, without ``www.``; not referers."""


Admission = Callable[[str, str], Context | str]
"""Asked with the stream and the key that an item names (both mostly empty): its context, or the
reason why it is refused."""


class Tick(NamedTuple):
    """What one accepted item is: an event, parts, or both; ``item`` is its index.

    Each row comes with its deduplication id, empty when none was given.
    """

    item: int
    stream: str
    event: Event | None
    rows: list[tuple[Row, str]]
    trace: Labels = ()
    """Of a point: the trace that it is of."""
    time: int = 0
    """Of a point: when it was measured, ms."""


class TickBatch(NamedTuple):
    """What a body is.  ``reason`` is set when nothing of it could be read."""

    ticks: list[Tick]
    refused: list[Refused]
    reason: str = ""


TIME_NAMES: Final = ("ts", "@timestamp", "timestamp", "date")
EID_NAMES: Final = ("tick", "eid", "event.id")
REFERER_NAMES: Final = ("referer", "referrer", "ref")
_NOT_KEPT: Final = frozenset(("id", "type", "stream", "key", "message", *TIME_NAMES, *EID_NAMES))
"""Parameters of an event that have a place of their own."""
_NUMBERS: Final = {
    "error": ("line", "col", "count"),
    "engage": ("ms", "scroll"),
    point.PERF: ("value", "delta", *point.VITALS),
}
"""Reserved parameters of a type that are numbers also when a form sends them as text."""
_AT_FAULT: Final = {"unknown_stream": "stream", "bad_key": "key"}
"""The parameter for which an item is not admitted."""
_TYPE = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)


def parse(
    body: bytes, content_type: str, context: Context, admit: Admission | None = None, query: bytes = b""
) -> TickBatch:
    """Read a decompressed body; an empty one stands for the request's query string.

    ``admit`` gives each item its context; without it ``context`` holds for all.
    """
    media = bodies.media_type(content_type)
    if not body and query:
        found = bodies.form(query)
    elif media in (bodies.CSP_REPORT, bodies.REPORTS):
        found = reports.read(bodies.parse_json(body), context.now)
    else:
        found = bodies.read(body, content_type)
    return _ticks(found, context, admit)


def parse_query(query: bytes, context: Context, admit: Admission | None = None) -> TickBatch:
    """Read a query string as one tick (``GET /tick.gif``)."""
    return _ticks(bodies.form(query), context, admit)


def _ticks(found: Items, context: Context, admit: Admission | None) -> TickBatch:
    ticks, refused = [], list(found.refused)
    for index, item in found.items:
        stream = ""
        try:
            params = _flat(item)
            admitted = context if admit is None else _admitted(params, admit)
            stream = admitted.stream
            take = _event if given(params, "n") is None else _point
            ticks.append(take(index, params, admitted))
        except BadItem as bad:
            refused.append(Refused(index, bad.reason, bad.param, bodies.excerpt(item), stream))
    refused.sort()
    return TickBatch(ticks, refused, found.reason)


def _admitted(params: Params, admit: Admission) -> Context:
    """The context of an item, by the stream and the key that it names, if any."""
    answer = admit(as_text(params.get("stream") or ""), as_text(params.get("key") or ""))
    if isinstance(answer, str):
        raise BadItem(answer, _AT_FAULT.get(answer, ""))
    return answer


def _flat(item: Any) -> Params:
    """Two levels of names; arrays and what is deeper as JSON text."""
    if not isinstance(item, dict):
        raise BadItem("not_an_object", "")
    for value in item.values():
        if type(value) is dict or type(value) is list:
            break
    else:
        return item
    flat: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            for inner, deep in value.items():
                flat[f"{name}.{inner}"] = _text_of(deep, name) if isinstance(deep, dict | list) else deep
        else:
            flat[name] = _text_of(value, name) if isinstance(value, list) else value
    return flat


def _text_of(value: Any, name: str) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:  # nested deeper than orjson goes
        raise BadItem("not_an_object", name) from error


def _first(params: Params, names: Iterable[str]) -> tuple[str, Any]:
    for name in names:
        value = given(params, name)
        if value is not None:
            return name, value
    return "", None


def _time(params: Params, context: Context, names: Iterable[str]) -> tuple[int, bool]:
    """When it happened (ms), and whether the sender's clock was not believed."""
    name, value = _first(params, names)
    if value is None:
        return context.now, False
    time = times.client_time(value)
    if time is None:
        raise BadItem("bad_param", name)
    if context.trusted or -TICK_PAST * 1000 <= time - context.now <= TICK_FUTURE * 1000:
        return time, False
    return context.now, True


def _eid(params: Params) -> str:
    name, value = _first(params, EID_NAMES)
    if value is None:
        return ""
    text = as_text(value)
    if isinstance(value, bool) or len(text.encode()) > PARAM_VALUE_BYTES:
        raise BadItem("bad_param", name)
    return text


def _point(index: int, params: Params, context: Context) -> Tick:
    time, skewed = _time(params, context, (*TIME_NAMES, "time"))
    seconds = point.period(params, context.period)
    row = point.point(params, {"clock": "skewed"} if skewed else {}, time, seconds)
    return Tick(index, context.stream, None, [(row, _eid(params))], point.trace(params), time)


def _event(index: int, params: Params, context: Context) -> Tick:
    kind = given(params, "type") or ("log" if "@version" in params else "view")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise BadItem("bad_param", "type")
    time, skewed = _time(params, context, TIME_NAMES)
    cut: list[str] = []
    labels, fields = _sort(params, _NUMBERS.get(kind, ()), cut)
    here = _page(params, context)
    event = Event(time=time, type=kind, id=_id(params, here, cut), received=context.now)
    eid = _eid(params)
    if eid:
        event["eid"] = eid
    _refer(event, params, labels, context, here)
    if kind == "download":
        event["format"] = _format(params, labels, cut)
    message = given(params, "message")
    if message is not None:
        event["message"] = _cut(as_text(message), MESSAGE_BYTES, "message", cut)
    if skewed:
        labels["clock"] = "skewed"
    if cut:
        labels["truncated"] = _cut_text(",".join(cut), PARAM_VALUE_BYTES)
    if labels:
        event["labels"] = labels
    if fields:
        event["fields"] = fields
    rows = []
    if kind == point.PERF:
        for metric, row in point.vitals(params, time, context.period):
            rows.append((row, f"{eid}#{metric}" if eid else ""))
    return Tick(index, context.stream, event, rows)


def _sort(params: Params, numbers: Iterable[str], cut: list[str]) -> tuple[dict[str, str], dict[str, float]]:
    """The parameters that have no place of their own, as labels and fields."""
    labels: dict[str, str] = {}
    fields: dict[str, float] = {}
    for name, value in params.items():
        if value is None or name in _NOT_KEPT:
            continue
        if len(labels) + len(fields) >= PARAMS_PER_TICK:
            if len(cut) < PARAMS_PER_TICK:
                cut.append(_cut_text(name, PARAM_NAME_BYTES))
            continue
        if len(name) > PARAM_NAME_BYTES // 4 or "\0" in name or not name:
            name = _cut(name.replace("\0", "\ufffd") or "_", PARAM_NAME_BYTES, name, cut)
        if isinstance(value, str):
            most = STACK_BYTES if name == "stack" else PARAM_VALUE_BYTES
            labels[name] = _cut(as_text(value), most, name, cut)
        elif isinstance(value, bool) or point.to_number(value) is None:
            labels[name] = as_text(value)
        else:
            fields[name] = value
    for name in (*numbers, "seq"):
        if labels.pop(name, ""):
            fields[name] = point.number(params, name, 0.0)
    return labels, fields


def _page(params: Params, context: Context) -> str:
    """The key of the page that the tick came from; empty when it cannot be told.

    An image with an id of its own may stand on anybody's page.
    """
    url = given(params, "url")
    browser = places.place(context.page) if context.page else ""
    if isinstance(url, str):
        return places.page(url, browser)
    return "" if context.referer and given(params, "id") is not None else browser


def _id(params: Params, page: str, cut: list[str]) -> str:
    value = given(params, "id")
    if value is None:
        return _cut(page, ITEM_ID_BYTES, "id", cut)
    if isinstance(value, bool):
        raise BadItem("bad_param", "id")
    return _cut(as_text(value), ITEM_ID_BYTES, "id", cut)


def _refer(event: Event, params: Params, labels: dict[str, str], context: Context, page: str) -> None:
    """Set the referer's key unless the visitor came from one of the own pages.

    Text that is no address (``ref=newsletter``) stays where it is, as a label.
    """
    name, value = _first(params, REFERER_NAMES)
    if value is None:
        name, value = "", context.referer
    key = places.place(value) if isinstance(value, str) else ""
    if not key:
        return
    labels.pop(name, None)
    host = places.host_of(key)
    if host not in context.own_hosts and host != places.host_of(page or event["id"]):
        event["referer"] = _cut_text(key, ITEM_ID_BYTES)


def _format(params: Params, labels: dict[str, str], cut: list[str]) -> str:
    """The format of a download, empty when neither it nor an extension is given."""
    value = given(params, "format")
    labels.pop("format", None)
    if value is not None:
        return _cut(as_text(value).strip().lower(), PARAM_NAME_BYTES, "format", cut)
    for name in ("file", "url", "id"):
        source = params.get(name)
        found = places.extension(source) if isinstance(source, str) else ""
        if found:
            return found
    return ""


def _cut(text: str, most: int, name: str, cut: list[str]) -> str:
    """The text within ``most`` bytes of UTF-8; notes the name when something is lost."""
    if len(text) * 4 <= most or len(text.encode()) <= most:
        return text
    cut.append(_cut_text(name, PARAM_NAME_BYTES))
    return _cut_text(text, most)


def _cut_text(text: str, most: int) -> str:
    return text.encode()[:most].decode("utf-8", "ignore")
