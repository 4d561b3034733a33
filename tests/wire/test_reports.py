from __future__ import annotations

import orjson

from metronome.wire.tick import Context, TickBatch, parse

NOW = 1_421_928_000_000
CONTEXT = Context(NOW)


def batch(document: object, content_type: str) -> TickBatch:
    return parse(orjson.dumps(document), content_type, CONTEXT)


def test_a_csp_report() -> None:
    """The older form becomes a tick of type csp about the page."""
    report = {
        "document-uri": "https://www.example.com/page?x=1",
        "referrer": "https://other.org/",
        "violated-directive": "script-src 'self'",
        "original-policy": "default-src 'none'",
        "disposition": "enforce",
        "blocked-uri": "https://evil.example/x.js",
        "status-code": 200,
        "line-number": 3,
    }
    (tick,) = batch({"csp-report": report}, "application/csp-report").ticks
    assert tick.event == {
        "time": NOW,
        "type": "csp",
        "id": "example.com/page",
        "received": NOW,
        "referer": "other.org",
        "labels": {
            "directive": "script-src 'self'",
            "disposition": "enforce",
            "blocked": "https://evil.example/x.js",
            "url": "https://www.example.com/page?x=1",
        },
        "fields": {"status": 200, "line": 3},
    }


def test_the_reporting_api() -> None:
    """Each report is a tick: it happened ``age`` ms before it was sent."""
    found = batch(
        [
            {
                "type": "csp-violation",
                "age": 5000,
                "url": "https://example.com/a",
                "user_agent": "Mozilla",
                "body": {
                    "documentURL": "https://example.com/a",
                    "effectiveDirective": "img-src",
                    "lineNumber": 7,
                },
            },
            {
                "type": "network-error",
                "age": 0,
                "url": "https://example.com/b",
                "body": {"sampling_fraction": 0.5, "type": "dns.name_not_resolved", "phase": "dns"},
            },
            {"type": "deprecation", "age": -1, "url": "https://example.com/c", "body": None},
        ],
        "application/reports+json",
    )
    assert found.refused == []
    events = [tick.event for tick in found.ticks]
    assert [(e["type"], e["id"], e["time"]) for e in events if e] == [
        ("csp", "example.com/a", NOW - 5000),
        ("net", "example.com/b", NOW),
        ("deprecation", "example.com/c", NOW),
    ]
    assert events[0] is not None
    assert events[0]["labels"] == {"directive": "img-src", "url": "https://example.com/a"}
    assert events[0]["fields"] == {"line": 7}
    assert events[1] is not None
    assert events[1]["labels"] == {
        "phase": "dns",
        "error": "dns.name_not_resolved",
        "url": "https://example.com/b",
    }


def test_what_is_no_report() -> None:
    """A document of another shape is nothing; a bad report costs only itself."""
    assert batch({"type": "view"}, "application/csp-report").reason == "malformed"
    assert batch("x", "application/reports+json").reason == "malformed"
    assert batch([{}] * 5001, "application/reports+json").reason == "too_many"
    found = batch([7, {"type": "crash", "body": {}}, {"type": "X", "body": {}}], "application/reports+json")
    assert [tick.event["type"] for tick in found.ticks if tick.event] == ["crash"]
    assert [item[:3] for item in found.refused] == [(0, "not_an_object", ""), (2, "bad_param", "type")]
