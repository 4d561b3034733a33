"""What becomes of a line is told in the documented form, in the order of the input."""

from __future__ import annotations

import json

import pytest

from metronome.kernel.interface import Dialect
from metronome.wire import explain

NOW = 1_700_000_000_000


def sample(name: str, kind: str, value: object, **over: object) -> dict[str, object]:
    """A sample as it is told."""
    return {"name": name, "labels": {}, "kind": kind, "value": value, "rate": 1.0, "delta": False, **over}


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (b"", []),
        (b"a:1|c", [sample("a", "counter", 1.0)]),
        (b"a:2|c|@0.5|#x:y\r\n", [sample("a", "counter", 2.0, rate=0.5, labels={"x": "y"})]),
        (b"a:+2|g", [sample("a", "gauge", 2.0, delta=True)]),
        (b"a:joe|s", [sample("a", "set", "joe")]),
        (b"a:1|c|T1656581400", [sample("a", "counter", 1.0, time=1656581400.0)]),
        (b"a:1:2|ms", [sample("a", "timer", 1.0), sample("a", "timer", 2.0)]),
        (
            b"nonsense\nb:1|c\nb:x|c",
            [
                {"reject": "malformed_line", "excerpt": "nonsense"},
                sample("b", "counter", 1.0),
                {"reject": "bad_value", "excerpt": "b:x|c"},
            ],
        ),
        (b"_e{1}:", [{"reject": "bad_event", "excerpt": "_e{1}:"}]),
    ],
)
def test_statsd_lines(block: bytes, told: list[object]) -> None:
    """Samples and rejects in the order of the lines, bad bytes replaced."""
    assert explain.statsd(block, Dialect(), NOW) == told


def test_a_dogstatsd_event_is_told_as_it_is_kept() -> None:
    """Events and service checks come with their text."""
    event, check = explain.statsd(b"_e{3,2}:new|ok|#env:dev\n_sc|db|2", Dialect(), NOW)
    assert event["event"]["message"] == "ok"
    assert event["event"]["labels"]["title"] == "new"
    assert check["event"]["fields"] == {"status": 2.0}


def test_the_dialect_decides_what_a_sign_means() -> None:
    """The same line under another dialect."""
    assert explain.statsd(b"a:-5|g", Dialect(gauge_delta=False), NOW) == [sample("a", "gauge", -5.0)]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (b"a.b 1.5 1700000000\n", [sample("a.b", "gauge", 1.5, time=1700000000.0)]),
        (b"a;x=y 2 -1", [sample("a", "gauge", 2.0, labels={"x": "y"})]),
        (b"a.b", [{"reject": "malformed_line", "excerpt": "a.b"}]),
    ],
)
def test_graphite_lines(block: bytes, told: list[object]) -> None:
    """A timestamp that means now is not carried."""
    assert explain.graphite(block, Dialect()) == told


def test_ticks_are_points_events_and_rejects_by_item() -> None:
    """Each item of a body in its place."""
    body = json.dumps(
        [
            {"name": "a", "n": 2, "d": 1, "p": 10, "v": {"k": "v"}, "kind": "counter", "ts": NOW // 1000},
            5,
            {"type": "view", "id": "x/y", "ts": NOW // 1000},
        ]
    )
    point, reject, event = explain.ticks(body.encode(), "application/json", NOW)
    assert point == {
        "name": "a",
        "stream": "main",
        "time": NOW / 1000,
        "n": 2.0,
        "d": 1.0,
        "p": 10.0,
        "v": {"k": "v"},
        "kind": "counter",
    }
    assert (reject["reject"], reject["index"]) == ("not_an_object", 1)
    assert (event["event"]["id"], event["event"]["type"]) == ("x/y", "view")


def test_a_body_that_cannot_be_read_is_one_reject() -> None:
    """Its reason, and how it begins."""
    assert explain.ticks(b"{", "application/json", NOW) == [{"reject": "malformed", "excerpt": "{"}]


@pytest.mark.parametrize("block", [b"\xff\xfe:1|c", b"a:\xff|s", b"\xffbad"])
def test_whatever_comes_can_be_written_as_json(block: bytes) -> None:
    """Bytes that are no UTF-8 are replaced."""
    assert json.dumps(explain.statsd(block, Dialect(), NOW), ensure_ascii=False).encode()
