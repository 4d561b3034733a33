"""What can go wrong, as probabilities of one seed.

Swarm testing: each seed switches some faults off altogether and weighs the others wildly, so
that rare combinations are met by some seed rather than by none.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from twisted.internet.defer import Deferred, fail

from metronome.errors import StoreUnavailable
from metronome.model import Batch
from metronome.store.memory import MemoryStore


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances a second, but for those that say otherwise."""

    store_leaves: float
    store_returns: float
    answer_lost: float
    """A write that is applied, but whose answer is lost (chance a write)."""
    disk_breaks: float
    disk_mends: float
    disk_fills: float
    sync_fails: float
    power_fails: float
    """The process dies and the disk keeps only what was synced, and some of the rest."""
    stops: float
    """The process is stopped in good order and started again."""
    connection_breaks: float
    """An acknowledgement is lost on the way to the client (chance a request)."""
    repeats: float
    """A client sends a tick again though it was acknowledged (chance a request)."""
    garbage: float
    """A datagram has a broken line among good ones (chance a datagram)."""
    jumps: float
    """The clock jumps ahead by minutes."""

    @staticmethod
    def of(random: Random) -> Faults:
        """The faults of one seed."""

        def weigh(most: float) -> float:
            return random.choice((0.0, 0.0, most / 10, most, most * random.random()))

        return Faults(
            store_leaves=weigh(0.05),
            store_returns=0.1,
            answer_lost=weigh(0.3),
            disk_breaks=weigh(0.03),
            disk_mends=0.2,
            disk_fills=weigh(0.02),
            sync_fails=weigh(0.05),
            power_fails=weigh(0.02),
            stops=weigh(0.01),
            connection_breaks=weigh(0.1),
            repeats=weigh(0.2),
            garbage=weigh(0.3),
            jumps=weigh(0.01),
        )

    @staticmethod
    def none() -> Faults:
        """All is well; what is broken mends."""
        return Faults(0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)


class FlakyStore(MemoryStore):
    """A memory store that goes away and loses answers; it outlives the gateway's runs."""

    def __init__(self, random: Random):
        super().__init__()
        self._random = random
        self.away = False
        self.lost_answers = 0.0

    def write(self, batch: Batch) -> Deferred[None]:
        if self.away:
            return fail(StoreUnavailable("the simulated store is away"))
        if self._random.random() < self.lost_answers:
            super().write(batch)
            return fail(StoreUnavailable("the simulated store's answer was lost"))
        return super().write(batch)
