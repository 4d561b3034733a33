"""The body of a request with ticks, cut into items.

What a body is, is decided by its content type and, where that says little, by its first
byte: browsers' beacons call JSON ``text/plain``, and ``curl -d`` calls it a form.

- JSON (``application/json``, anything ``+json``, ``text/*``, none, ``octet-stream``): one value
  or an array of them; what is not, is taken as one value a line (NDJSON).  A line that
  cannot be read costs only itself.
- Form (``application/x-www-form-urlencoded``, or a query string): one item, all strings.
- ``application/csp-report`` and ``application/reports+json``: see ``reports.py``.

orjson reads what is correct JSON.  It refuses a whole body for one NaN or lone surrogate in
it, so such a body goes through the standard library's reader, which can tell its items
apart; lone surrogates become U+FFFD, and numbers stay what they are, for the item to be
judged by them.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

from metronome.limits import EXCERPT_BYTES, TICKS_PER_BODY

FORM: Final = "application/x-www-form-urlencoded"
CSP_REPORT: Final = "application/csp-report"
REPORTS: Final = "application/reports+json"
_OPEN: Final = ("", "application/octet-stream")
_LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
FORM_FIELDS: Final = 1000
"""Fields of a form; only 64 parameters are kept anyway."""
_INTEGER_DIGITS: Final = 18
"""Integers of more digits are read as floats, so that all fit 64 bits."""


class Unreadable:
    """The type of ``UNREADABLE``, which no JSON text means."""


UNREADABLE: Final = Unreadable()


class Refused(NamedTuple):
    """One refused item of a body; ``item`` is its index, ``stream`` empty when not known."""

    item: int
    reason: str
    param: str
    excerpt: bytes
    stream: str = ""


class Items(NamedTuple):
    """The items of a body in order, with their index, and the lines that are none.

    ``reason`` is set when nothing could be read: ``malformed``, ``too_many`` or
    ``unsupported_type``.
    """

    items: list[tuple[int, Any]]
    refused: list[Refused]
    reason: str = ""


def media_type(content_type: str) -> str:
    """The bare type in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def read(body: bytes, content_type: str) -> Items:
    """Cut a decompressed body into items."""
    media = media_type(content_type)
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if media == FORM and start not in (b"{", b"["):
        return form(body)
    if not _is_json(media) and media != FORM:
        return Items([], [], "unsupported_type")
    if not start:
        return Items([], [], "malformed")
    if media not in _LINES:
        value = parse_json(body)
        if value is not UNREADABLE:
            return _of_array(value) if isinstance(value, list) else Items([(0, value)], [])
    return _lines(body)


def form(text: bytes) -> Items:
    """The one item of a form or query string; of a repeated name the last value stands."""
    try:
        pairs = parse_qsl(
            text.decode("utf-8", "replace").strip(), keep_blank_values=True, max_num_fields=FORM_FIELDS
        )
    except ValueError:
        return Items([], [], "too_many")
    return Items([(0, dict(pairs))], []) if pairs else Items([], [], "malformed")


def parse_json(text: bytes) -> Any:
    """Read one JSON value, forgiving NaN, lone surrogates, control characters and bytes that
    are not UTF-8; ``UNREADABLE`` when it is no JSON even so."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_leniently(text)


def excerpt(value: Any) -> bytes:
    """The beginning of an item, for the ledger."""
    if isinstance(value, dict):
        # A few parameters are enough to recognise the sender, however long the item is.
        value = {name: _short(inner) for name, inner in list(value.items())[:8]}
    try:
        return orjson.dumps(_short(value))[:EXCERPT_BYTES]
    except TypeError:
        return b""


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:EXCERPT_BYTES]
    return "[...]" if isinstance(value, list) else value


def _is_json(media: str) -> bool:
    if media in _OPEN or media in _LINES or media == "application/json" or media.startswith("text/"):
        return True
    return media.startswith("application/") and media.endswith("+json")


def _of_array(values: list[Any]) -> Items:
    if len(values) > TICKS_PER_BODY:
        return Items([], [], "too_many")
    return Items(list(enumerate(values)), [])


def _lines(body: bytes) -> Items:
    """One JSON value a line.  A body without one JSON object or array is not NDJSON."""
    if body.count(b"\n") > 2 * TICKS_PER_BODY:  # some may be blank
        return Items([], [], "too_many")
    lines = [line for line in (line.strip() for line in body.split(b"\n")) if line]
    if len(lines) > TICKS_PER_BODY:
        return Items([], [], "too_many")
    items: list[tuple[int, Any]] = []
    refused = []
    for index, line in enumerate(lines):
        value = parse_json(line)
        if value is UNREADABLE:
            refused.append(Refused(index, "malformed", "", line[:EXCERPT_BYTES]))
        else:
            items.append((index, value))
    if not any(isinstance(value, dict | list) for _, value in items):
        return Items([], [], "malformed")
    return Items(items, refused)


def _parse_leniently(text: bytes) -> Any:
    decoded = text.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        return _scrub(json.loads(decoded, strict=False, parse_int=_integer))
    except (ValueError, RecursionError):
        return UNREADABLE


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float(digits)


def _scrub(value: Any) -> Any:
    """Replace lone surrogates in every string, so that it can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else _without_surrogates(value)
    if isinstance(value, list):
        return [_scrub(inner) for inner in value]
    if isinstance(value, dict):
        return {_scrub(name): _scrub(inner) for name, inner in value.items()}
    return value


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
