"""When Python looks for garbage that refers to itself.

A look at everything takes the longer the more there is: 15 ms where a gateway has just started, 45 ms
with 100,000 series for remote write.  Python takes it whenever enough is new, so in the middle of
whatever the reactor is doing.  Here it has a turn of its own, and seldom: a thousandth of
the time, whatever there is.  What the start has made stays for good and is not looked at again.
The short looks at what is new (well below a millisecond) stay Python's.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from metronome.limits import COLLECT_SECONDS, COLLECT_SHARE

_NEVER = 1 << 30


class Collector:
    """Python's collector, for one process."""

    def __init__(
        self,
        clock: IReactorTime,
        collect: Callable[[], object] = gc.collect,
        cpu: Callable[[], float] = time.process_time,
    ):
        """``cpu`` says how many seconds of CPU time were used."""
        self._clock = clock
        self._collect = collect
        self._cpu = cpu
        self._call: IDelayedCall | None = None
        self._usual = gc.get_threshold()

    def start(self) -> None:
        """From now on long looks are taken here."""
        first, second, _ = self._usual = gc.get_threshold()
        gc.set_threshold(first, second, _NEVER)
        self._call = self._clock.callLater(COLLECT_SECONDS, self._settle)

    def stop(self) -> None:
        """Leave it to Python again."""
        gc.set_threshold(*self._usual)
        gc.unfreeze()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _settle(self) -> None:
        """What is there now is there for good."""
        self._look()
        gc.freeze()

    def _look(self) -> None:
        began = self._cpu()
        self._collect()
        pause = max((self._cpu() - began) / COLLECT_SHARE, COLLECT_SECONDS)
        self._call = self._clock.callLater(pause, self._look)
