"""Our own counters and gauges by remote write: who has no scrape can be alerted to Metronome too.

They are not of the journal.  What they say is of now, and it matters most while the journal cannot be
written or a consumer hangs; so the clock sends them, with the time of sending, through the sender of
everything else.  What could not be sent is not sent later: there is a newer value then.

A counter that was not there the last time is sent as 0 just behind that time before it has its value:
otherwise its first increase, often the one that somebody waits for, could not be seen.  What is there
no longer ends with the marker, and so does everything at a stop in good order.

A Prometheus refuses what is an hour older than the newest that it has.  So while a receiver gets what it
has missed for long, it is told nothing of now.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from metronome.errors import DestinationUnavailable
from metronome.gateway.push import Sender
from metronome.gateway.telemetry import START, Telemetry
from metronome.limits import WRITE_METADATA, WRITE_SAMPLES
from metronome.model import Labels
from metronome.wire import remote_write as wire


class _Sample(NamedTuple):
    """A value of one of our series."""

    labels: Labels
    family: wire.Family
    value: float


class OwnSeries:
    """What one receiver gets of them."""

    log = Logger()

    def __init__(
        self,
        sender: Sender,
        telemetry: Telemetry,
        clock: IReactorTime,
        interval: float,
        labels: Labels = (),
    ):
        """Sent every ``interval`` seconds, with these ``labels`` on every series that has none of the
        names."""
        self.waits: Callable[[], bool] = lambda: False
        """Whether what is of now would be in the way of something that is still to be sent."""
        self._sender = sender
        self._telemetry = telemetry
        self._clock = clock
        self._labels = dict(labels)
        self._interval = interval
        self._loop = LoopingCall(self._tell)
        self._loop.clock = clock
        self._told: dict[Labels, wire.Family] = {}
        """What the receiver has."""
        self._time = 0
        """Of the last samples, ms."""
        self._families_at = -WRITE_METADATA * 1000

    def start(self) -> None:
        """Send now, and from now on."""
        self._loop.start(self._interval).addErrback(
            lambda failure: self.log.failure("own series are not sent any more", failure)
        )

    def stop(self) -> None:
        """Send no longer."""
        if self._loop.running:
            self._loop.stop()

    def end(self) -> Deferred[None]:
        """Tell a receiver that can be reached that all of them end."""
        return self._send([])

    def _tell(self) -> Deferred[None]:
        return self._send(self._samples())

    @inlineCallbacks
    def _send(self, samples: list[_Sample]) -> Generator[Deferred[Any], Any, None]:
        """One try: what is there, and the marker for what is there no longer."""
        if self.waits():
            return
        before = self._time
        time = max(round(self._clock.seconds() * 1000), before + 2)
        present = {sample.labels for sample in samples}
        gone = [
            _Sample(labels, family, wire.STALE)
            for labels, family in self._told.items()
            if labels not in present
        ]
        new = [sample._replace(value=0.0) for sample in samples if self._begins(sample)]
        try:
            if before:
                yield self._post(new, before + 1, matters=False)
            yield self._post(samples + gone, time)
        except DestinationUnavailable:
            return  # the sender has said why
        if self._tells_families(time):
            self._families_at = time
        self._time = time
        self._told = {sample.labels: sample.family for sample in samples}

    def _begins(self, sample: _Sample) -> bool:
        return sample.family.type == "counter" and sample.labels not in self._told

    @inlineCallbacks
    def _post(
        self, samples: list[_Sample], time: int, matters: bool = True
    ) -> Generator[Deferred[Any], Any, None]:
        for begin in range(0, len(samples), WRITE_SAMPLES):
            write = partial(self._request, samples[begin : begin + WRITE_SAMPLES], time)
            yield self._sender.send(write, tries=1, matters=matters)

    def _request(self, samples: list[_Sample], time: int, version: int) -> tuple[bytes, int]:
        values = np.array([sample.value for sample in samples])
        if version == 1:
            pieces = [wire.piece_1(sample.labels) for sample in samples]
            told = dict.fromkeys(sample.family for sample in samples) if self._tells_families(time) else ()
            return wire.filled(wire.joined(pieces), values, time) + wire.metadata_1(told), len(pieces)
        symbols = wire.Symbols()
        began = round(self._telemetry.value(START) * 1000)
        pieces = [
            wire.piece_2(one.labels, one.family, began if one.family.type == "counter" else 0, symbols)
            for one in samples
        ]
        return symbols.written() + wire.filled(wire.joined(pieces), values, time), len(pieces)

    def _tells_families(self, time: int) -> bool:
        """1.0 is told of them now and then."""
        return time - self._families_at >= WRITE_METADATA * 1000

    def _samples(self) -> list[_Sample]:
        found = []
        for name, kind, meaning, samples in self._telemetry.families():
            family = wire.Family(name, kind, meaning)
            for labels, value in samples:
                pairs = {**self._labels, **labels}.items()
                found.append(_Sample(wire.sorted_labels(name, pairs), family, value))
        return found
