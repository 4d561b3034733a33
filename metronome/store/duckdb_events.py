"""Events in DuckDB: written as columns and JSON, selected and counted by SQL.

The answers are those of ``fold.events``, which the SQL follows field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import orjson

from metronome.fold.events import COUNT_FIELDS, REST, SLOT_MS
from metronome.glob import compiled, is_plain
from metronome.model import Event, EventSelection, Labels
from metronome.store.duckdb_file import Arrays, Connection, texts

_TEXTS: Final = ("referer", "format", "message")
_COLUMNS: Final = frozenset(("time", "type", "id", "received", "labels", *_TEXTS))
_ABSENT: Final = -1

INSERT_EVENTS: Final = """
INSERT INTO events
SELECT stream, time, type, id, received, referer, format, message, labels, rest, $gateway, position
FROM new_events
"""
EVENT_COLUMNS: Final = "time, type, id, received, labels, rest, referer, format, message"
"""What ``event_of`` reads."""
_NEWEST: Final = f"""
SELECT {EVENT_COLUMNS}
FROM events JOIN gateways USING (gateway)
WHERE {{where}}
ORDER BY time DESC, gateways.name DESC, position DESC
LIMIT $limit
"""
_BOUNDED: Final = """
SELECT {shown}sum(number)::BIGINT
FROM (SELECT *, row_number() OVER (ORDER BY number DESC{order}) AS place FROM ({groups}))
GROUP BY ALL
"""
_SHOWN: Final = (
    "CASE WHEN place <= $most OR {name} = '' THEN {name} ELSE $rest END AS shown_{name}, ",
    "{name}, ",
)
"""A text, and a slot, of a group that may be summed up."""
_ID: Final = "name || chr(0) || eid"
_IDS: Final = f"""
SELECT received, {_ID} AS id FROM eids JOIN streams USING (stream)
WHERE {{terms}}
ORDER BY received DESC, id DESC
LIMIT $most
"""
_GROUPS: Final = {"slot": f"time // {SLOT_MS}", **{name: name for name in COUNT_FIELDS[1:]}}


def received(event: Event) -> int:
    """When an event arrived, as far as it says."""
    return event.get("received", event["time"])


def columns_of_events(events: Sequence[Event]) -> Arrays:
    """The columns of ``INSERT_EVENTS`` that come from the events themselves."""
    return {
        "time": np.array([event["time"] for event in events], np.int64),
        "type": texts([event["type"] for event in events]),
        "id": texts([event["id"] for event in events]),
        "received": np.array([event.get("received", _ABSENT) for event in events], np.int64),
        "labels": texts([_json(event["labels"]) if "labels" in event else "" for event in events]),
        "rest": texts([_rest(event) for event in events]),
        **{name: texts([str(event.get(name, "")) for event in events]) for name in _TEXTS},
    }


def newest(connection: Connection, stream: int, selection: EventSelection) -> list[Event]:
    """The newest events of a selection, newest first."""
    where, values = _where(stream, selection)
    sql = _NEWEST.format(where=where)
    rows = connection.execute(sql, {**values, "limit": selection.limit}).fetchall()
    return [event_of(row) for row in rows]


def counts(
    connection: Connection, stream: int, selection: EventSelection, by: tuple[str, ...], most: int
) -> dict[tuple[str | int, ...], int]:
    """How many events there are for each combination of ``by``, as ``fold.events.bounded``."""
    where, values = _where(stream, selection)
    groups = "".join(f"{_GROUPS[name]} AS by_{name}, " for name in by)
    sql = f"SELECT {groups}count(*) AS number FROM events WHERE {where}"
    if by:
        sql += " GROUP BY ALL"
    if set(by) - {"slot"}:
        order = "".join(f", by_{name}" for name in by)
        shown = "".join(_SHOWN[name == "slot"].format(name=f"by_{name}") for name in by)
        sql = _BOUNDED.format(shown=shown, order=order, groups=sql)
        values = {**values, "most": most, "rest": REST}
    rows = connection.execute(sql, values).fetchall()
    return {row[:-1]: row[-1] for row in rows if row[-1]}


def ids(
    connection: Connection, since: int, before: tuple[int, str] | None, most: int
) -> list[tuple[int, str]]:
    """The greatest deduplication ids, greatest first."""
    # Most are told apart by their time alone; only those of the same time are by their names.
    values: dict[str, Any] = {"since": since, "most": most}
    terms = "received >= $since"
    if before is not None:
        terms += f" AND (received < $time OR received = $time AND {_ID} < $name)"
        values.update(time=before[0], name=before[1])
    return connection.execute(_IDS.format(terms=terms), values).fetchall()


def matching(text: str, glob: str, values: dict[str, Any]) -> str:
    """SQL that says whether a text matches a glob; its value goes into ``values``."""
    name = f"glob{len(values)}"
    if is_plain(glob):
        values[name] = glob
        return f"{text} = ${name}"
    values[name] = compiled(glob).pattern
    return f"regexp_full_match({text}, ${name}, 's')"


def _where(stream: int, selection: EventSelection) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"stream": stream, "start": selection.start, "end": selection.end}
    terms = ["stream = $stream", "time >= $start", "time < $end"]
    if selection.types:
        values["types"] = list(selection.types)
        terms.append("list_contains($types, type)")
    if selection.item is not None:
        values["item"] = selection.item
        terms.append("id = $item")
    terms += _label_terms(selection.where, values)
    return " AND ".join(terms), values


def _label_terms(where: Labels, values: dict[str, Any]) -> list[str]:
    terms = []
    for label, glob in where:
        path = f"label{len(values)}"
        # A JSON pointer (RFC 6901): a name may hold dots, and quotes would need care.
        values[path] = "/" + label.replace("~", "~0").replace("/", "~1")
        terms.append(f"labels <> '' AND {matching(f'json_extract_string(labels, ${path})', glob, values)}")
    return terms


def event_of(row: Sequence[Any]) -> Event:
    """The event that was written as this row."""
    event: dict[str, Any] = {"time": row[0], "type": row[1], "id": row[2]}
    if row[3] != _ABSENT:
        event["received"] = row[3]
    if row[4]:
        event["labels"] = orjson.loads(row[4])
    if row[5]:
        event.update(orjson.loads(row[5]))
    event.update((name, text) for name, text in zip(_TEXTS, row[6:], strict=True) if text)
    return cast(Event, event)


def _rest(event: Event) -> str:
    rest: dict[str, Any] = {name: value for name, value in event.items() if name not in _COLUMNS}
    rest.update((name, "") for name in _TEXTS if event.get(name) == "")
    return _json(rest) if rest else ""


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
