"""What must hold, all the time and after the faults have stopped.

Checkers ask the gateway through its reader and its books; they know nothing of its insides.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from metronome.fold.stat import parse_stat
from metronome.limits import FLUSH_WAIT_BYTES
from metronome.model import EventSelection, Selection
from tests.gateway.kit import Kit
from tests.sim.clients import ITEMS, NAMES

if TYPE_CHECKING:
    from tests.sim.world import World

EVERYTHING = EventSelection("main", limit=1_000_000)


def all_the_time(world: World) -> None:
    """Books balance, memory is bounded, no acknowledged view is missing."""
    books_balance(world)
    memory_is_bounded(world)
    if world.random.random() < 0.1:
        acknowledged_views_are_there_once(world)


def at_the_end(world: World) -> None:
    """After the faults have stopped: drained, complete, nothing twice, nothing invented."""
    kit = world.kit
    assert kit.consumer.lag == 0, "the store's consumer has not drained"
    assert kit.ledger.waiting("main") == 0, "something still waits"
    books_balance(world)
    acknowledged_views_are_there_once(world)
    assert not world.ticks.unsure, f"never acknowledged: {len(world.ticks.unsure)} ticks"
    for name in NAMES:
        n = _total(kit, name)
        assert n == world.ticks.sent[name], f"{name}: {n} stored of {world.ticks.sent[name]} acknowledged"
    for name, sent in world.statsd.sent.items():
        n = _total(kit, name)
        assert n <= sent, f"{name}: {n} stored of {sent} sent"
        if not world.crashed and not shed(kit):
            assert n == sent, f"{name}: {n} stored of {sent} sent, and nothing was shed"


def books_balance(world: World) -> None:
    """received = stored + waiting + rejected + filtered + shed + diverted."""
    received, accounted = world.kit.received(), world.kit.accounted()
    assert received == accounted, f"received {received}, accounted for {accounted}"


def memory_is_bounded(world: World) -> None:
    """Nothing that waits grows beyond its bound."""
    kit = world.kit
    assert kit.telemetry.value("metronome_flush_waiting_bytes") <= FLUSH_WAIT_BYTES
    assert kit.journal.size <= kit.journal.budget * 1.25


def acknowledged_views_are_there_once(world: World) -> None:
    """Every acknowledged view is read, none twice, and none that was never sent."""
    found = Counter(event["eid"] for event in world.kit.wait(world.kit.reader.events(EVERYTHING)))
    missing = world.ticks.views.keys() - found.keys()
    assert not missing, f"acknowledged and missing: {sorted(missing)[:5]}"
    twice = [eid for eid, number in found.items() if number > 1]
    assert not twice, f"counted twice: {twice[:5]}"
    assert sum(found.values()) <= sum(world.ticks.sent[item] for item in ITEMS)


def shed(kit: Kit) -> float:
    """What the books say was shed of statsd samples in this run."""
    return sum(
        value
        for family in kit.telemetry.families()
        if family.name == "metronome_shed_total"
        for labels, value in family.samples
        if labels["source"] != "http"
    )


def _total(kit: Kit, name: str) -> float:
    folded = kit.wait(kit.reader.fetch(Selection("main", name), 10_000, (), parse_stat("n")))
    return float(sum(one.n.sum() for one in folded))
