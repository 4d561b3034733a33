"""One seed's world: clients, the gateway's runs, faults, and the checks in between."""

from __future__ import annotations

from random import Random

from metronome.gateway.recall import recall
from metronome.journal.memory_disk import MemoryDisk
from tests.gateway.kit import START, Kit
from tests.sim import checkers
from tests.sim.clients import StatsdClient, TickClient
from tests.sim.faults import Faults, FlakyStore

BUDGET = 256 << 10
"""Bytes of the journal: small enough to be filled by an away store."""


class World:
    """Everything that one seed decides."""

    def __init__(self, seed: int):
        self.random = Random(seed)
        self.faults = Faults.of(self.random)
        self.disk = MemoryDisk()
        self.store = FlakyStore(self.random)
        self.store.lost_answers = self.faults.answer_lost
        self.ticks = TickClient(self.random)
        self.statsd = StatsdClient(self.random)
        self.crashed = False
        self.story: list[str] = []
        self.now = START
        self.kit = self._start()

    def run(self, seconds: int) -> None:
        """Live through so many seconds of faults, then mend everything and drain."""
        for _ in range(seconds):
            self._strike()
            self._live()
            checkers.all_the_time(self)
        self._mend()
        for _ in range(120):
            self._live(clients=False)
            checkers.all_the_time(self)
        self.ticks.send_again(self.kit, self.faults)
        self._live(clients=False)
        checkers.at_the_end(self)

    def tell(self, what: str) -> None:
        """Remember what happened, for the story of a failing seed."""
        self.story.append(f"{self.now - START:6.0f} s  {what}")

    def _start(self) -> Kit:
        kit = Kit(self.disk, self.store, BUDGET, self.now)
        kit.wait(recall(kit.duplicates, kit.store, kit.reader, int(self.now * 1000)))
        kit.consumer.start()
        kit.flusher.start()
        kit.settle()
        return kit

    def _live(self, clients: bool = True) -> None:
        """One second of clients at random instants."""
        for _ in range(5):
            if clients:
                if self.random.random() < 0.5:
                    self.ticks.send(self.kit, self.faults)
                if self.random.random() < 0.8:
                    self.statsd.send(self.kit, self.faults)
            self.kit.clock.advance(0.2 * self.random.random())
        self.now += 1
        self.kit.clock.advance(max(0.0, self.now - self.kit.clock.seconds()))
        self.kit.settle()
        self.now = self.kit.clock.seconds()

    def _strike(self) -> None:
        """Let this second's faults happen."""
        happens, faults = self._happens, self.faults
        if self.store.away:
            self.store.away = not happens(faults.store_returns, "the store returns")
        else:
            self.store.away = happens(faults.store_leaves, "the store leaves")
        if self.disk.broken:
            self.disk.broken = not happens(faults.disk_mends, "the disk mends")
        else:
            self.disk.broken = happens(faults.disk_breaks, "the disk breaks")
        if happens(faults.disk_fills, "the disk is full"):
            self.disk.capacity = sum(self.disk.names().values()) + self.random.randint(0, 2000)
        elif self.disk.capacity < 1 << 40 and happens(faults.disk_mends, "the disk has room"):
            self.disk.capacity = 1 << 40
        if happens(faults.sync_fails, "a sync fails"):
            self.disk.fail_syncs = 1
        if happens(faults.jumps, "the clock jumps ahead"):
            self.now += self.random.randint(1, 300)
        if happens(faults.power_fails, "power fails"):
            self._crash()
        elif not self.disk.broken and happens(faults.stops, "stopped in good order"):
            self._restart()

    def _happens(self, chance: float, what: str) -> bool:
        if self.random.random() < chance:
            self.tell(what)
            return True
        return False

    def _crash(self) -> None:
        self.crashed = True
        self.disk.crash(self.random)
        self.kit = self._start()

    def _restart(self) -> None:
        kit = self.kit
        kit.wait(kit.flusher.stop())
        kit.wait(kit.consumer.stop())
        checkers.books_balance(self)
        if checkers.shed(kit):
            self.crashed = True  # what was shed at the stop cannot be found again
        kit.wait(kit.journal.stop())
        self.kit = self._start()

    def _mend(self) -> None:
        self.tell("everything mends")
        self.faults = Faults.none()
        self.store.away = False
        self.store.lost_answers = 0.0
        self.disk.broken = False
        self.disk.fail_syncs = 0
        self.disk.capacity = 1 << 40
