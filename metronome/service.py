"""The running gateway as a Twisted service: the order of starting and of stopping.

Start: lock the data directory, open journal and store, remember former runs, start the
consumers, and only then listen; a store that is away is not waited for (``gateway/meeting.py``).
Stop: listen no longer, fold and journal what there is, let the consumers end their batch, close.
Each step of the stop is bounded, so that a carbon or a disk that hangs cannot hold the process:
what is in the journal is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.assembly import (
    Parts,
    expose,
    make_console,
    make_inlet,
    make_journal,
    make_parts,
    make_store,
    make_streams,
)
from metronome.config import Config, needs_restart, read_book, secret_of
from metronome.data_dir import DataDir
from metronome.errors import ConfigError
from metronome.fold import mapping
from metronome.fold.shapes import Shapes
from metronome.gateway.meeting import Meeting
from metronome.gateway.recall import recall, recall_kept
from metronome.gateway.streams import MAIN, Streams
from metronome.journal.interface import Journal
from metronome.kernel import TWIN
from metronome.kernel.interface import Mapper
from metronome.limits import PROBE_SECONDS, STOP_SECONDS, STORE_MEETING
from metronome.receivers.door import Door
from metronome.receivers.interface import IReactor
from metronome.receivers.sockets import listen_stream
from metronome.web.server import WebServer


class _Consumer(Protocol):
    def start(self) -> None: ...
    def stop(self) -> Deferred[Any]: ...


_STEP_SECONDS = STOP_SECONDS / 5
"""No step of the stop takes longer than this."""


def build(config: Config, reactor: IReactor, failed: Callable[[str], None]) -> GatewayService:
    """The service for these settings.  ``failed`` is told when it cannot start."""
    return GatewayService(config, reactor, failed)


class GatewayService(Service):
    """One gateway."""

    log = Logger()
    name = "metronome"

    def __init__(self, config: Config, reactor: IReactor, failed: Callable[[str], None]):
        self._config = config
        self._reactor = reactor
        self._failed = failed
        self._data_dir = DataDir(config.data_dir)
        self._starting: Deferred[None] = succeed(None)
        self._meeting: Meeting | None = None
        self._closing: list[Callable[[], Deferred[Any]]] = []
        self._parts: Parts | None = None
        self._mapper: Mapper | None = None
        self._book = config.book
        self._telling: IDelayedCall | None = None
        self._rules = ""

    def startService(self) -> None:
        """Begin to start; what goes wrong is told to ``failed``."""
        super().startService()  # type: ignore[no-untyped-call]
        for warning in self._config.warnings:
            self.log.warn("{warning}", warning=warning)
        self._starting = self._start()
        self._starting.addErrback(self._not_started)

    def stopService(self) -> Deferred[None]:
        """Stop in good order; fires within ``STOP_SECONDS``."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._meeting is not None:
            self._meeting.end()
        stopped: Deferred[Any] = self._starting.addCallback(lambda _: self._stop())
        return stopped

    def reload(self) -> None:
        """Read mapping and rollup rules again; bad new ones are reported and the old ones stay, and so is
        what else has changed in the file."""
        for what, load in (("mapping", self._load_mapping), ("rollup", self._load_rollup)):
            try:
                load()
            except ConfigError as error:
                self.log.error("the old {what} rules stay: {error}", what=what, error=error)
            else:
                self.log.info("{what} rules were read again", what=what)
        try:
            names = ", ".join(needs_restart(self._config))
        except ConfigError as error:
            self.log.error("the old settings stay: {error}", error=error)
            return
        if names:
            self.log.warn(
                "the file has other values for {names}: SIGHUP reads rules only, the old ones hold until"
                " Metronome is started again",
                names=names,
            )

    @inlineCallbacks
    def _start(self) -> Generator[Deferred[Any], Any, None]:
        config, reactor = self._config, self._reactor
        self._data_dir.open()
        self._on_stop(self._close_data_dir)
        self._load_mapping()
        streams = make_streams(config, reactor)
        streams.load()
        self._check_streams(streams)
        journal = make_journal(config, reactor)
        self._on_stop(journal.stop)
        yield journal.start()
        store = make_store(config, reactor, gateway=journal.identity)
        self._on_stop(store.stop)
        parts = self._parts = make_parts(config, reactor, journal, store, streams)
        parts.gateway.intake.use_mapper(self._mapper)
        # First of all, because whatever else reads the journal lets its oldest segments go.
        yield parts.checkpoints.restore()
        parts.writer.hold()
        meeting = self._meeting = Meeting(store, lambda: self._greet(parts), reactor, self._not_met)
        self._on_stop(meeting.end)
        met = yield meeting.begin(STORE_MEETING)
        if not met and self.running:
            self.log.warn("what comes in waits in the journal until the store answers")
            yield recall_kept(parts.duplicates, parts.gateway.reader, int(reactor.seconds() * 1000))
        self._start_parts(parts)
        self._listen(parts)

    @inlineCallbacks
    def _greet(self, parts: Parts) -> Generator[Deferred[Any], Any, None]:
        """See whether the store goes with this journal, and learn from it what former runs knew.  Only
        then is anything written: a store that is ahead of the journal would skip what is new."""
        gateway = parts.gateway
        _check_journal(gateway.journal, (yield gateway.store.applied()))
        now = int(self._reactor.seconds() * 1000)
        yield recall(parts.duplicates, gateway.store, gateway.reader, now)
        parts.writer.release()
        parts.store_consumer.wake()

    def _check_streams(self, streams: Streams) -> None:
        """A receiver that feeds a stream which nobody can read is a mistake."""
        config = self._config
        for option in ("statsd", "graphite", "pickle"):
            for address in getattr(config, option):
                name = address.parameter("stream", MAIN)
                if streams.get(name) is None:
                    known = ", ".join(stream.id for stream in streams.all())
                    right = f"one of {known} would be right"
                    raise ConfigError(f"{option} = {address}: there is no stream {name}; {right}")

    def _start_parts(self, parts: Parts) -> None:
        gateway = parts.gateway
        expose(gateway, self._reactor.seconds())
        self._use_mapping(parts)
        gateway.intake.table(MAIN)  # flushed from the start: a flush's mark is what outputs go by
        self._forget_former(parts)
        consumers: list[_Consumer] = [parts.store_consumer, gateway.exposition, *parts.outputs, *parts.writes]
        for consumer in consumers:
            consumer.start()
            self._on_stop(consumer.stop)
        parts.keeper.start()
        self._on_stop(parts.keeper.stop)
        parts.checkpoints.start()
        self._on_stop(parts.checkpoints.stop)
        parts.flusher.start()
        self._on_stop(parts.flusher.stop)

    def _forget_former(self, parts: Parts) -> None:
        """Outputs that are no longer configured must not hold the journal for ever."""
        known = {consumer.name for consumer in parts.gateway.consumers} | {
            parts.gateway.exposition.consumer.name
        }
        journal = parts.gateway.journal
        for name in set(journal.consumers()) - known:
            self.log.info("forgetting {name}, which is no longer configured", name=name)
            journal.forget(name)

    def _listen(self, parts: Parts) -> None:
        config, gateway = self._config, parts.gateway
        door = Door(
            self._reactor,
            gateway.telemetry,
            lambda source, address: make_inlet(config, gateway.intake, source, address),
            config.limits.connections,
            config.limits.idle,
            secret_of(config),
            parts.crew if config.workers > 1 else None,
            make_console(config, parts, self._reactor.seconds()),
        )
        self._on_stop(door.close)
        web = WebServer(
            gateway,
            lambda address, factory: listen_stream(self._reactor, address, factory),
            metrics_public=config.prometheus.public,
            connections=config.limits.http_connections,
            idle=config.limits.http_idle,
        )
        self._on_stop(web.close)
        bound = {
            "statsd": [str(address) for address in door.open("statsd", config.statsd)],
            "graphite": [str(address) for address in door.open("graphite", config.graphite)],
            "pickle": [str(address) for address in door.open("pickle", config.pickle)],
            "http": [str(address) for address in web.open(config.http)],
            "admin": [str(address) for address in door.open("admin", config.admin)],
        }
        parts.crew.start()
        self._on_stop(parts.crew.close)
        told = {option: places for option, places in bound.items() if places}
        web.tell(told)
        self._tell_addresses(told)
        self.log.info("ready, with the {twin} kernel", twin=TWIN)
        if TWIN == "pure":
            self.log.warn("the native kernel was not built or is switched off: folding is slower")

    def _tell_addresses(self, told: dict[str, list[str]]) -> None:
        """Write ``addresses.json``.  A full disk is no reason not to run: it is tried again."""
        try:
            self._data_dir.tell_addresses(told)
        except OSError as error:
            self.log.error("addresses.json cannot be written yet: {error}", error=error)
            self._telling = self._reactor.callLater(PROBE_SECONDS, self._tell_addresses, told)

    def _load_mapping(self) -> None:
        file = self._config.mapping
        if file is None:
            return
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"mapping = '{file}': {error}") from None
        try:
            rules = mapping.load(text)
        except ConfigError as error:
            raise ConfigError(f"mapping = '{file}': {error}") from None
        self._rules, self._mapper = text, rules.mapper()
        self._book = self._book._replace(shapes=Shapes(rules))
        if self._parts is not None:
            self._use_mapping(self._parts)

    def _load_rollup(self) -> None:
        self._book = read_book(self._config)._replace(shapes=self._book.shapes)
        if self._parts is not None:
            self._use_book(self._parts)

    def _use_mapping(self, parts: Parts) -> None:
        parts.gateway.intake.use_mapper(self._mapper)
        parts.crew.use_rules(self._rules)
        self._use_book(parts)

    def _use_book(self, parts: Parts) -> None:
        parts.gateway.exposition.use(self._book)
        for write in parts.writes:
            write.use(self._book)
        for output in parts.outputs:
            output.use(self._book)

    # --- stopping --------------------------------------------------------------------------

    def _on_stop(self, close: Callable[[], Deferred[Any]]) -> None:
        """Steps of the stop, done in reverse order of the start."""
        self._closing.append(close)

    @inlineCallbacks
    def _stop(self) -> Generator[Deferred[Any], Any, None]:
        while self._closing:
            yield self._bounded(self._closing.pop())

    def _bounded(self, close: Callable[[], Deferred[Any]]) -> Deferred[None]:
        """A step of the stop that ends in any case: done, failed or given up."""
        ended: Deferred[None] = Deferred()
        done = close()
        call = self._reactor.callLater(_STEP_SECONDS, self._given_up, ended, close)

        def over(result: object) -> None:
            if isinstance(result, Failure):
                self.log.failure("a part did not stop well", result)
            if not ended.called:
                call.cancel()
                ended.callback(None)

        done.addBoth(over)
        return ended

    def _given_up(self, ended: Deferred[None], close: Callable[[], Deferred[Any]]) -> None:
        self.log.warn("{part} did not stop in time", part=getattr(close, "__qualname__", repr(close)))
        ended.callback(None)

    def _close_data_dir(self) -> Deferred[None]:
        if self._telling is not None and self._telling.active():
            self._telling.cancel()
        self._data_dir.close()
        return succeed(None)

    def _not_met(self, failure: Failure) -> None:
        """The store that was away is one that we cannot work with."""
        self._not_started(failure)

    @inlineCallbacks
    def _not_started(self, failure: Failure) -> Generator[Deferred[Any], Any, None]:
        if isinstance(failure.value, ConfigError):
            text = str(failure.value)
        else:
            self.log.failure("Metronome could not start", failure)
            text = failure.getErrorMessage()
        yield self._stop()
        self._failed(text)


def _check_journal(journal: Journal, applied: Mapping[str, int]) -> None:
    """``ConfigError`` when the store is ahead: it would skip what is received from now on, because it
    has records of these positions."""
    done = applied.get(journal.identity, 0)
    if done > journal.synced_end:
        raise ConfigError(
            f"data-dir: the store has the journal's records up to {done}, the journal ends at"
            f" {journal.synced_end}: an older copy was put back; the folder 'journal' moved away would be"
            " right, to begin as a new gateway"
        )
