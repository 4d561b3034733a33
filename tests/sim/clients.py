"""Clients that send to the simulated gateway and remember what they were promised."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.python.failure import Failure

from metronome.kernel.interface import Dialect
from tests.gateway.kit import Kit, counter, view
from tests.sim.faults import Faults

ITEMS = tuple(f"page/{number}" for number in range(5))
NAMES = tuple(f"hits.{number}" for number in range(4))


class TickClient:
    """Sends ticks with deduplication ids, and sends again what was not acknowledged."""

    def __init__(self, random: Random):
        self._random = random
        self._number = 0
        self.unsure: dict[str, str] = {}
        """Sent and not acknowledged: eid -> item."""
        self.views: dict[str, str] = {}
        """Acknowledged events: eid -> item."""
        self.points: dict[str, str] = {}
        """Acknowledged points: eid -> name."""
        self.sent: Counter[str] = Counter()
        """Distinct ticks ever sent by item or name, acknowledged or not."""

    def send(self, kit: Kit, faults: Faults) -> None:
        """Send one body: old ticks that are unsure, and new ones."""
        body = dict(self._random.sample(sorted(self.unsure.items()), min(2, len(self.unsure))))
        for _ in range(self._random.randint(0, 4)):
            self._number += 1
            eid = f"tick-{self._number}"
            body[eid] = self._random.choice(ITEMS + NAMES)
            self.sent[body[eid]] += 1
        if self._random.random() < faults.repeats and self.views:
            eid = self._random.choice(sorted(self.views))
            body[eid] = self.views[eid]
        self.unsure.update({eid: what for eid, what in body.items() if not self._has(eid)})
        self._post(kit, faults, body)

    def send_again(self, kit: Kit, faults: Faults) -> None:
        """Send everything that is unsure."""
        self._post(kit, faults, dict(self.unsure))

    def _post(self, kit: Kit, faults: Faults, body: dict[str, str]) -> None:
        lost = self._random.random() < faults.connection_breaks
        now = int(kit.clock.seconds() * 1000)
        events = [view(what, eid, now) for eid, what in body.items() if what in ITEMS]
        rows = [counter(what, 1.0, eid, now) for eid, what in body.items() if what in NAMES]
        answer = kit.intake.ticks("main", events, rows, [], "http")
        answer.addCallbacks(lambda _: self._acknowledged({} if lost else body), _refused)

    def _has(self, eid: str) -> bool:
        return eid in self.views or eid in self.points

    def _acknowledged(self, body: dict[str, str]) -> None:
        for eid, what in body.items():
            (self.views if what in ITEMS else self.points)[eid] = what
            self.unsure.pop(eid, None)


def _refused(failure: Failure) -> None:
    """The client keeps the ticks and will send them again."""


class StatsdClient:
    """Sends datagrams of counters, gauges, timers and sets, some lines broken."""

    def __init__(self, random: Random):
        self._random = random
        self.sent: Counter[str] = Counter()
        """Sum of what was sent by counter name."""

    def send(self, kit: Kit, faults: Faults) -> None:
        """Send one datagram."""
        lines = []
        for _ in range(self._random.randint(1, 6)):
            name, n = self._random.choice("abc"), self._random.randint(1, 9)
            kind = self._random.choice(("c", "c", "ms", "g", "s"))
            if kind == "c":
                self.sent[f"udp.{name}"] += n
            lines.append(f"udp.{name}:{n}|{kind}")
        if self._random.random() < faults.garbage:
            lines.insert(self._random.randrange(len(lines) + 1), "garbage:1|")
        kit.intake.inlet("udp", "main", Dialect()).statsd("\n".join(lines).encode())
