"""What the web layer is given: the parts of one running gateway."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from metronome.gateway.books import Books
from metronome.gateway.consumer import Consumer
from metronome.gateway.exposition import Exposition
from metronome.gateway.intake import Intake
from metronome.gateway.ledger import Ledger
from metronome.gateway.reader import Reader
from metronome.gateway.readiness import Readiness
from metronome.gateway.replay import Replay
from metronome.gateway.streams import Streams
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.store.interface import Store


class Destination(Protocol):
    """What is told of one on ``/ready``."""

    @property
    def trouble(self) -> str:
        """What is wrong; empty while all is well."""
        ...


def _as_written(stream: str, time: int) -> int:
    return 0


@dataclass(frozen=True, slots=True)
class Gateway:
    """All that endpoints may call."""

    intake: Intake
    reader: Reader
    streams: Streams
    ledger: Ledger
    books: Books
    telemetry: Telemetry
    journal: Journal
    store: Store
    exposition: Exposition
    consumers: tuple[Consumer, ...]
    clock: IReactorTime
    period: float
    """The flush interval in seconds: the default p of points."""
    replay: Replay
    """Of the dead letters."""
    readiness: Readiness = field(default_factory=Readiness)
    destinations: Sequence[Destination] = ()
    """Where the converter sends to."""
    resolution: Callable[[str, int], int] = _as_written
    """For a stream and a time (ms): the step (ms) into which its parts may be merged by now."""
