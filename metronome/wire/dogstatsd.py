"""DogStatsD events and service checks, as events.

Source: the DogStatsD datagram format 1.0 to 1.6.

``_e{TITLE,TEXT}:title|text|d:…|h:…|k:…|p:…|s:…|t:…|#tags`` where TITLE and TEXT count the
UTF-8 bytes of title and text, so that both may hold ``|``.  The title may not be empty.
``_sc|name|status|d:…|h:…|#tags|m:message`` where status is 0 to 3.

Fields come in any order, the last of a repeated one stands, unknown fields and unusable
values of known ones are passed over: an event is news for people, and worth keeping without
its decoration.  ``\\n`` (backslash, n) in text and message is a line break.

What becomes of it: an event has type ``event``, its title as label ``title`` and its text as
message; a check has type ``check``, label ``check`` and field ``status``.  Host, priority,
alert type, source type and aggregation key are labels; tags are labels as in samples, and so are
the container, external data and cardinality (``c:``, ``e:``, ``card:``) where a receiver wants them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from metronome.limits import (
    EXCERPT_BYTES,
    LABEL_VALUE_BYTES,
    LABELS_PER_SERIES,
    LATEST_MS,
    MESSAGE_BYTES,
)
from metronome.model import Event

_HEAD: Final = re.compile(rb"_e\{(\d{1,9}),(\d{1,9})\}:")
_NOT_IN_LABEL_NAMES: Final = re.compile(r"[^A-Za-z0-9_.-]")
_FIELDS: Final = {
    "h": "host",
    "k": "aggregation_key",
    "p": "priority",
    "s": "source_type",
    "t": "alert_type",
}
_ORIGINS: Final = {"c": "container_id", "e": "external_data", "card": "cardinality"}
STATUSES: Final = ("ok", "warning", "critical", "unknown")


def parse(line: bytes, now: int, origins: bool = False) -> Event | tuple[str, bytes]:
    """Read one line.  The event, or the reason and an excerpt; ``now`` in ms.  ``origins``: keep the
    container's labels."""
    fields = {**_FIELDS, **_ORIGINS} if origins else _FIELDS
    read = _check(line, now, fields) if line.startswith(b"_sc|") else _event(line, now, fields)
    return read if read is not None else ("bad_event", line[:EXCERPT_BYTES])


def _event(line: bytes, now: int, fields: Mapping[str, str]) -> Event | None:
    head = _HEAD.match(line)
    if head is None:
        return None
    title_end = head.end() + int(head[1])
    text_end = title_end + 1 + int(head[2])
    title = line[head.end() : title_end]
    if not title or len(line) < text_end or line[title_end : title_end + 1] != b"|":
        return None
    rest = line[text_end:]
    if rest and not rest.startswith(b"|"):
        return None
    event: Event = {"time": now, "received": now, "type": "event", "id": "", "labels": {}}
    _decorate(event, rest, fields)
    event["labels"]["title"] = _text(title, LABEL_VALUE_BYTES)
    event["message"] = _text(line[title_end + 1 : text_end].replace(b"\\n", b"\n"), MESSAGE_BYTES)
    return event


def _check(line: bytes, now: int, fields: Mapping[str, str]) -> Event | None:
    _, _, rest = line.partition(b"|")
    name, _, rest = rest.partition(b"|")
    status, bar, rest = rest.partition(b"|")
    if not name or status not in (b"0", b"1", b"2", b"3"):
        return None
    event: Event = {"time": now, "received": now, "type": "check", "id": "", "labels": {}}
    _decorate(event, bar + rest, fields)
    event["labels"]["check"] = _text(name, LABEL_VALUE_BYTES)
    event["labels"]["status"] = STATUSES[int(status)]
    event["fields"] = {"status": float(status)}
    return event


def _decorate(event: Event, rest: bytes, fields: Mapping[str, str]) -> None:
    """Read the fields behind the fixed part: ``|name:value`` and ``|#tag:value,…``."""
    labels = event["labels"]
    before, message, after = rest.partition(b"|m:")
    if message:
        event["message"] = _text(after.replace(b"\\n", b"\n"), MESSAGE_BYTES)
    for field in before.split(b"|")[1:]:
        name, _, value = field.partition(b":")
        if field.startswith(b"#"):
            _tags(labels, field[1:])
        elif name == b"d":
            event["time"] = _time(value, event["time"])
        elif known := fields.get(name.decode("ascii", "replace")):
            labels[known] = _text(value, LABEL_VALUE_BYTES)


def _tags(labels: dict[str, str], text: bytes) -> None:
    for tag in text.split(b","):
        name, colon, value = tag.partition(b":")
        label = _NOT_IN_LABEL_NAMES.sub("_", _text(name, LABEL_VALUE_BYTES))
        if label and len(labels) < LABELS_PER_SERIES:
            label = f"_{label}" if not re.match("[A-Za-z_]", label) else label
            labels[label] = _text(value, LABEL_VALUE_BYTES) if colon else "true"


def _time(text: bytes, otherwise: int) -> int:
    if not text.isdigit() or len(text) > 12 or not 0 < int(text) * 1000 <= LATEST_MS:
        return otherwise
    return int(text) * 1000


def _text(raw: bytes, most: int) -> str:
    return raw[:most].decode("utf-8", "replace").replace("\0", "\ufffd")
