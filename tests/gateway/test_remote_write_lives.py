"""Remote write lives through kills, stops, outages and lost answers at any instant: what the receiver has in
the end is what the journal says, each flush once."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from metronome.limits import WRITE_PATIENCE
from metronome.model import Flushed, Kind, Parts, parse_key
from metronome.wire import records
from tests.gateway.kit import PERIOD
from tests.gateway.rule_kit import book
from tests.gateway.test_remote_write import World
from tests.remote_write import stale

RULES = """
[[rollup]]
match = "req"
by = ["code"]
prometheus = "requests"

[[rollup]]
match = "who"
prometheus = "people"
every = 30
"""
STEPS = st.tuples(
    st.sampled_from(
        [
            "hits:1|c\nreq:2|c|#code:200\nload:3|g",
            "hits:5|c\nload:4|g\nwho:a|s",
            "who:b|s\nwho:c|s",
            "wait:7|ms",
            "",
        ]
    ),
    st.sampled_from(["", "", "", "away", "back", "mute", "speak", "503", "stop", "kill"]),
    st.integers(0, 8),
)
"""What is sent in a period, what happens when it ends, and how many turns later."""


def expected(world: World) -> dict[str, list[tuple[int, float]]]:
    """The value of each counter at the end of each flush, and of each gauge, by the journal alone."""
    totals: dict[str, float] = {}
    members: set[int] = set()
    last = -1
    found: dict[str, list[tuple[int, float]]] = {}
    entries = world.kit.wait(world.kit.journal.read(0, 1 << 30))
    for entry in entries:  # type: ignore[attr-defined]
        content = records.decode(entry.kind, entry.payload)
        if isinstance(content, Parts):
            for row in range(len(content.columns)):
                series, n = parse_key(content.columns.key(row)), float(content.columns.n[row])
                if series.kind is Kind.COUNTER:
                    totals[series.name] = totals.get(series.name, 0.0) + n
                elif series.kind is Kind.GAUGE:
                    totals[series.name] = n
                elif series.kind is Kind.SET:
                    members |= set(content.columns.hashes.row(row).tolist())
        elif isinstance(content, Flushed):
            end = content.time + round(content.period * 1000)
            if end // 30_000 > last // 30_000 and members:
                totals["people"] = len(members)
            members, last = (set(), end) if end // 30_000 > last // 30_000 else (members, last)
            for name, value in totals.items():
                found.setdefault(name, []).append((end, value))
    return found


@settings(max_examples=25)
@given(st.lists(STEPS, min_size=1, max_size=12), st.sampled_from([1, 2]))
def test_whatever_happens(steps: list[tuple[str, str, int]], version: int) -> None:
    """Every flush of the journal is with the receiver once, with its own time and the right values."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), book(RULES, "prometheus"), version)
        for lines, event, turns in steps:
            clock = world.kit.clock
            world.inlet.statsd(lines.encode())
            clock.advance(world.kit.flusher.open_period / 1000 + PERIOD - clock.seconds())
            clock.pump([0.001] * turns)
            _happen(world, event)
        world.receiver.away = world.receiver.mute = False
        for _ in range(round(WRITE_PATIENCE) + 120):
            world.kit.clock.advance(1.0)
            world.kit.settle()
        wanted = expected(world)
        # Only what begins a series, sent again when its values were there.
        assert all(value == 0 and time % 1000 == 1 for time, value in world.receiver.refused)
        for name, exposed, labels, begins in (
            ("hits", "hits_total", {}, 1),
            ("req", "req_total", {"code": "200"}, 1),
            ("req", "requests_total", {"code": "200"}, 1),
            ("load", "load", {}, 0),
            ("people", "people", {}, 0),
        ):
            values = [one for one in world.values(exposed, **labels) if not stale(one[1])]
            assert values[begins:] == wanted.get(name, []), exposed


def _happen(world: World, event: str) -> None:
    receiver = world.receiver
    assert receiver is not None
    if event in ("away", "back"):
        receiver.away = event == "away"
    elif event in ("mute", "speak"):
        receiver.mute = event == "mute"
    elif event == "503":
        receiver.plan = [503, 503]
    elif event:
        away, mute = receiver.away, receiver.mute
        if event == "stop":
            world.stop()
        world.again(later=1.0)
        world.receiver.away, world.receiver.mute = away, mute
