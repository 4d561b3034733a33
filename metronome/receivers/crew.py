"""Workers: further processes that receive and fold statsd's UDP datagrams for one gateway.

The gateway binds as many sockets to an address as there are workers, and hands one to each; the
system spreads the senders over them.  A worker hands over what it has folded once a second and when a
period ends, and it is merged as if it had come in here: whatever lies behind the folding table knows
nothing of workers.  What came when a worker died stays in its socket, which is open here as well, and
the next one reads it.  Lost is what a killed worker had folded and not handed over: a second's samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorProcess
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from metronome.gateway.inlet import Inlet
from metronome.gateway.telemetry import Telemetry
from metronome.limits import (
    CHECKPOINT_INTERVAL,
    WORKER_PATIENCE,
    WORKER_RETRY_FIRST,
    WORKER_RETRY_MOST,
    WORKER_STEADY,
    WORKER_STOP,
)
from metronome.model import Parts
from metronome.receivers.interface import Given, IReactor
from metronome.receivers.sharing import SharingListener
from metronome.receivers.worker import FIRST_SOCKET, Worker
from metronome.wire import records
from metronome.wire import worker as wire


class _Gathering(NamedTuple):
    """A flush that waits: for which workers' answers, and until when."""

    wanted: dict[Worker, int]
    done: Deferred[None]
    call: IDelayedCall


class Crew:
    """Starts the workers, asks them, starts those that die anew."""

    log = Logger()

    def __init__(self, reactor: IReactor, telemetry: Telemetry, workers: int, series: int, period: float):
        """``workers`` is how many there are to be, ``series`` each stream's limit, ``period`` that of
        a flush in seconds."""
        self._reactor = reactor
        self._telemetry = telemetry
        self._number = workers
        self._series = series
        self._patience = min(WORKER_PATIENCE, period / 4)
        self._rules = ""
        self._listeners: list[SharingListener] = []
        self._inlets: dict[str, Inlet] = {}
        self._workers: set[Worker] = set()
        self._pauses = [WORKER_RETRY_FIRST] * workers
        self._restarts: dict[int, IDelayedCall] = {}
        self._gathering: _Gathering | None = None
        self._closing = False
        self._each_second = LoopingCall(self._on_second)
        self._each_second.clock = reactor
        telemetry.gauge("metronome_workers", lambda: len(self._listening()))

    def listener(self, given: Given) -> SharingListener:
        """The listener of an address that workers read; to be asked for before ``start``."""
        listener = SharingListener(given, self._number)
        self._listeners.append(listener)
        self._inlets.setdefault(given.inlet.stream, given.inlet)
        return listener

    def start(self) -> None:
        """Start the workers, where there is anything for them to read."""
        if self._listeners:
            for place in range(self._number):
                self._start(place)
            self._each_second.start(CHECKPOINT_INTERVAL, now=False)

    def use_rules(self, rules: str) -> None:
        """Map dotted names by these rules, which were read and found good, from now on."""
        self._rules = rules
        for worker in self._workers:
            worker.say(wire.frame(wire.MAPPING, rules.encode()))

    def gather(self) -> Deferred[None]:
        """Bring in what the workers have; fires when it is here, or has taken too long."""
        wanted = {worker: worker.asked + 1 for worker in self._listening()}
        if not wanted or self._gathering is not None:
            return succeed(None)
        done: Deferred[None] = Deferred()
        call = self._reactor.callLater(self._patience, self._out_of_patience)
        self._gathering = _Gathering(wanted, done, call)
        for worker in wanted:
            worker.ask()
        return done

    def close(self) -> Deferred[None]:
        """Take in the rest; fires when all of them are gone."""
        self._closing = True
        if self._each_second.running:
            self._each_second.stop()
        for call in self._restarts.values():
            call.cancel()
        self._restarts.clear()
        workers = list(self._workers)
        for worker in workers:
            worker.say(wire.frame(wire.REST))
        call = self._reactor.callLater(WORKER_STOP, self._kill)
        gone: Deferred[list[None]] = gatherResults([worker.gone for worker in workers])
        return gone.addCallback(lambda _: call.cancel() if call.active() else None)

    # --- what a worker tells -----------------------------------------------------------------

    def heard(self, worker: Worker, what: int, content: bytes) -> None:
        """Take in what a worker said; ``ValueError`` where that makes no sense."""
        if what == wire.PARTS:
            parts = records.decode(records.KIND_PARTS, content)
            assert isinstance(parts, Parts), "this kind of record holds parts"
            self._inlet(parts.stream).merge(parts.columns)
        elif what == wire.COUNTS:
            counted = wire.read_counts(content)
            self._inlet(counted.stream).counted(counted.fresh, counted.rejects, counted.senders)
        elif what == wire.EVENTS:
            stream, lines = wire.read_of_stream(content)
            self._inlet(stream).events(lines.split(b"\n"))
        elif what == wire.SHOWN:
            stream, datagram = wire.read_of_stream(content)
            self._inlet(stream).show(datagram)
        elif what == wire.DONE:
            self._settle()
        else:
            raise ValueError(f"an unknown frame: {what}")

    def ended(self, worker: Worker, reason: str) -> None:
        """A worker is gone: start another in its place."""
        self._workers.discard(worker)
        self._settle()
        if self._closing:
            return
        if self._reactor.seconds() - worker.began > WORKER_STEADY:
            self._pauses[worker.place] = WORKER_RETRY_FIRST
        self.log.warn(
            "worker {place} has died ({reason}); what it had folded since it last handed over is lost",
            place=worker.place,
            reason=reason,
        )
        self._telemetry.count("metronome_worker_restarts_total")
        self._start_later(worker.place)

    def _inlet(self, stream: str) -> Inlet:
        inlet = self._inlets.get(stream)
        if inlet is None:
            raise ValueError(f"the workers have no stream {stream}")
        return inlet

    # --- asking ------------------------------------------------------------------------------

    def _listening(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.listens]

    def _on_second(self) -> None:
        watched = any(inlet.watched for inlet in self._inlets.values())
        for worker in self._listening():
            if watched != worker.watched:
                worker.watched = watched
                worker.say(wire.number(wire.WATCH, watched))
            if worker.asked == worker.answered:
                worker.ask()
        for listener in self._listeners:
            listener.count_drops()

    def _settle(self) -> None:
        """Let the flush go on when nobody is left to wait for."""
        gathering = self._gathering
        if gathering is None or self._late(gathering):
            return
        self._gathering = None
        gathering.call.cancel()
        gathering.done.callback(None)

    def _late(self, gathering: _Gathering) -> list[Worker]:
        wanted = gathering.wanted.items()
        return [worker for worker, number in wanted if worker.listens and worker.answered < number]

    def _out_of_patience(self) -> None:
        gathering, self._gathering = self._gathering, None
        assert gathering is not None, "the call is cancelled with the gathering"
        self._telemetry.count("metronome_worker_late_total", len(self._late(gathering)))
        gathering.done.callback(None)

    # --- starting and ending -----------------------------------------------------------------

    def _start(self, place: int) -> None:
        self._restarts.pop(place, None)
        worker = Worker(self, place, self._reactor.seconds())
        places = [
            wire.Place(FIRST_SOCKET + index, listener.inlet.stream, listener.inlet.dialect)
            for index, listener in enumerate(self._listeners)
        ]
        settings = wire.Settings(places, self._series, self._rules)
        sockets = [listener.fileno(place) for listener in self._listeners]
        try:
            worker.start(cast(IReactorProcess, self._reactor), settings, sockets)
        except OSError as error:
            self.log.error("worker {place} cannot be started: {error}", place=place, error=error)
            self._start_later(place)
            return
        self._workers.add(worker)

    def _start_later(self, place: int) -> None:
        start: Callable[[int], None] = self._start
        self._restarts[place] = self._reactor.callLater(self._pauses[place], start, place)
        self._pauses[place] = min(2 * self._pauses[place], WORKER_RETRY_MOST)

    def _kill(self) -> None:
        for worker in list(self._workers):
            self.log.warn("worker {place} did not end in time", place=worker.place)
            worker.kill()
