"""DogStatsD events and service checks."""

from __future__ import annotations

import pytest

from metronome.model import Event
from metronome.wire.dogstatsd import parse

NOW = 1_700_000_000_000

EVENTS: list[tuple[bytes, dict[str, str], str, int]] = [
    (b"_e{1,1}:a|b", {"title": "a"}, "b", NOW),
    (b"_e{6,18}:ab|| c|hello,\\nmy friend!", {"title": "ab|| c"}, "hello,\nmy friend!", NOW),
    (b"_e{4,0}:name||t:warning", {"title": "name", "alert_type": "warning"}, "", NOW),
    (
        b"_e{1,1}:a|b|t:error|d:123123|h:here|p:low|k:key|s:src|c:xyz|x:unknown|#one,two:2,3d:x",
        {
            "title": "a",
            "alert_type": "error",
            "host": "here",
            "priority": "low",
            "aggregation_key": "key",
            "source_type": "src",
            "one": "true",
            "two": "2",
            "_3d": "x",
        },
        "b",
        123_123_000,
    ),
    (b"_e{2,4}:\xc3\xa4|text", {"title": "ä"}, "text", NOW),
    (b"_e{1,1}:a|b|d:soon", {"title": "a"}, "b", NOW),
    (b"_e{1,1}:a|b|h:one|h:two", {"title": "a", "host": "two"}, "b", NOW),
]


@pytest.mark.parametrize(("line", "labels", "message", "time"), EVENTS)
def test_events(line: bytes, labels: dict[str, str], message: str, time: int) -> None:
    """An event keeps its title, text, time, decoration and tags."""
    event = parse(line, NOW)
    assert isinstance(event, dict)
    assert event["type"] == "event"
    assert event["labels"] == labels
    assert event["message"] == message
    assert event["time"] == time
    assert event["received"] == NOW


CHECKS: list[tuple[bytes, dict[str, str], float, str | None, int]] = [
    (b"_sc|agent.up|0", {"check": "agent.up", "status": "ok"}, 0, None, NOW),
    (
        b"_sc|db|2|d:21|h:one|#env:prod|m:gone|away\\nfor good",
        {"check": "db", "status": "critical", "host": "one", "env": "prod"},
        2,
        "gone|away\nfor good",
        21_000,
    ),
    (b"_sc|a|3|d:21|d:22|u:what", {"check": "a", "status": "unknown"}, 3, None, 22_000),
]


@pytest.mark.parametrize(("line", "labels", "status", "message", "time"), CHECKS)
def test_checks(line: bytes, labels: dict[str, str], status: float, message: str | None, time: int) -> None:
    """A service check keeps its name, status, message and decoration."""
    check = parse(line, NOW)
    assert isinstance(check, dict)
    assert check["type"] == "check"
    assert check["labels"] == labels
    assert check["fields"] == {"status": status}
    assert check.get("message") == message
    assert check["time"] == time


@pytest.mark.parametrize(
    "line",
    [
        b"_e:title|text",
        b"_e{10,10}:title|text",
        b"_e{0,0}:a|a",
        b"_e{0,4}:|text",
        b"_e{1,a}:title|text",
        b"_e{,4}:title|text",
        b"_e{}:title|text",
        b"_e|text",
        b"_e{-1,2}:a|b",
        b"_e{1,1}a:b",
        b"_e{1,1}:a:b",
        b"_e{1,1}:a|bc",
        b"_e{1,999999999999999999999}:a|b",
        b"_sc|",
        b"_sc||0",
        b"_sc|a",
        b"_sc|a|4",
        b"_sc|a|-1",
        b"_sc|a|x",
        b"_sc|a|00",
    ],
)
def test_malformed_lines_are_rejected(line: bytes) -> None:
    """A line whose fixed part is wrong is refused whole."""
    assert parse(line, NOW) == ("bad_event", line)


def test_every_cut_of_a_line_is_an_event_or_a_reject() -> None:
    """A line cut anywhere never raises."""
    line = b"_e{5,4}:title|text|d:12|#a:b,c"
    for end in range(len(line)):
        read: Event | tuple[str, bytes] = parse(line[:end], NOW)
        assert isinstance(read, (dict, tuple))


def test_where_it_came_from_is_kept_if_it_is_wanted() -> None:
    """Of events and of checks; else these fields are passed over as unknown ones are."""
    fields = b"|c:in-1|#env:dev|e:it-false,cn-x|card:low"
    wanted = {"container_id": "in-1", "external_data": "it-false,cn-x", "cardinality": "low"}
    for line, own in ((b"_e{1,1}:a|b", {"title": "a"}), (b"_sc|up|0", {"check": "up", "status": "ok"})):
        for origins, more in ((False, {}), (True, wanted)):
            event = parse(line + fields, NOW, origins)
            assert isinstance(event, dict)
            assert event["labels"] == {"env": "dev", **own, **more}
