"""Puts the parts of a gateway together.  No decisions, no I/O: plain arguments in, parts out.

``service.py`` starts and stops what is made here.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metronome import __version__
from metronome.addresses import Address
from metronome.config import Config, dialect_of
from metronome.fold.roster import Rosters
from metronome.gateway.books import Books
from metronome.gateway.checkpoint import Checkpoints
from metronome.gateway.cluster import Context, outputs
from metronome.gateway.console import Console
from metronome.gateway.consumer import Consumer
from metronome.gateway.dead_letters import DeadLetterFile
from metronome.gateway.duplicates import Duplicates
from metronome.gateway.exposition import Exposition
from metronome.gateway.flusher import Flusher
from metronome.gateway.gateway import Gateway
from metronome.gateway.graphite_out import GraphiteOut
from metronome.gateway.inlet import Inlet
from metronome.gateway.intake import Intake
from metronome.gateway.keeper import Keeper
from metronome.gateway.ledger import Ledger
from metronome.gateway.reader import Reader
from metronome.gateway.replay import Replay
from metronome.gateway.shown_file import ShownFile
from metronome.gateway.streams import MAIN, Streams
from metronome.gateway.telemetry import START, Telemetry
from metronome.gateway.writer import Writer
from metronome.journal.disk import FolderDisk
from metronome.journal.interface import Journal
from metronome.journal.journal import FileJournal
from metronome.kernel import TWIN, Table
from metronome.limits import IDLE_SECONDS, STORE_LINGER, STORE_READ_BYTES
from metronome.receivers.crew import Crew
from metronome.receivers.interface import IReactor
from metronome.store import open_store
from metronome.store.interface import Retention, Rung, Store
from metronome.store.ladder import resolution
from metronome.threads.thread import ThreadWorker

if TYPE_CHECKING:
    from metronome.gateway.remote_write import RemoteWrite

_BULK_FIGURES = ("bulk_requests_total", "bulk_refused_total", "bulk_documents", "bulk_window")
STORE_CONSUMER = "store"
DAY = 86_400


def make_journal(config: Config, reactor: IReactor) -> FileJournal:
    """The journal in the data directory, not started."""
    folder = config.data_dir / "journal"
    folder.mkdir(mode=0o700, exist_ok=True)
    return FileJournal(
        FolderDisk(folder),
        ThreadWorker(reactor, "journal-writer"),
        ThreadWorker(reactor, "journal-reader"),
        reactor,
        budget=config.limits.journal,
        identity_source=lambda: secrets.token_hex(16),
    )


def make_store(config: Config, reactor: IReactor, *, read_only: bool = False, gateway: str = "") -> Store:
    """The store that the settings name, not started; ``read_only``: it will only be asked.
    ``gateway`` is the identity of the journal whose records it gets."""
    return open_store(
        config.store,
        data_dir=config.data_dir,
        worker=ThreadWorker(reactor, "store"),
        more_workers=lambda name: ThreadWorker(reactor, name),
        clock=reactor,
        memory_limit=config.limits.store_memory,
        read_only=read_only,
        gateway=gateway,
        secret=config.store_secret,
        templates=config.store_templates,
    )


def make_streams(config: Config, reactor: IReactor) -> Streams:
    """The registry of streams, not loaded."""
    return Streams(config.data_dir, reactor.seconds, lambda: secrets.token_urlsafe(24))


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one run that are started and stopped."""

    gateway: Gateway
    flusher: Flusher
    checkpoints: Checkpoints
    keeper: Keeper
    store_consumer: Consumer
    writer: Writer
    duplicates: Duplicates
    outputs: tuple[GraphiteOut, ...]
    writes: tuple[RemoteWrite, ...]
    crew: Crew


def make_parts(config: Config, reactor: IReactor, journal: Journal, store: Store, streams: Streams) -> Parts:
    """Everything else, over a started journal and store."""
    telemetry = Telemetry()
    ledger = Ledger(telemetry, reactor.seconds)
    streams.attach(journal)
    duplicates = Duplicates(telemetry, born=streams.born)
    intake = Intake(
        journal,
        ledger,
        telemetry,
        duplicates,
        reactor,
        lambda: _table(config),
        streams.owns,
    )
    letters = DeadLetterFile(config.data_dir)
    writer = Writer(store, ledger, letters, journal.synced_end, streams.owns)
    store_consumer = Consumer(
        journal, STORE_CONSUMER, writer.work, reactor, telemetry, STORE_LINGER, STORE_READ_BYTES
    )
    reader = Reader(store, journal, lambda: store_consumer.position, streams.owns)
    rosters = Rosters()
    shown = ShownFile(config.data_dir / "metrics", ThreadWorker(reactor, "metrics"))
    exposition = Exposition(journal, reactor, telemetry, config.prometheus.ttl, rosters, shown)
    exposition.use(config.book)
    writes = _writes(config, journal, reactor, telemetry)
    graphite = _outputs(config, journal, reactor, telemetry, rosters)
    crew = Crew(reactor, telemetry, config.workers, config.limits.series, config.flush_interval)
    gateway = Gateway(
        intake=intake,
        reader=reader,
        streams=streams,
        ledger=ledger,
        books=Books(ledger, store, reader, reactor.seconds),
        telemetry=telemetry,
        journal=journal,
        store=store,
        exposition=exposition,
        consumers=(store_consumer, *(w.consumer for w in writes), *(output.consumer for output in graphite)),
        destinations=graphite,
        clock=reactor,
        period=config.flush_interval,
        replay=Replay(letters, store, journal.identity, streams.owned_in, ledger.replayed),
        resolution=_resolution(config, streams, reactor),
    )
    flusher = Flusher(
        intake,
        journal,
        ledger,
        telemetry,
        reactor,
        config.flush_interval,
        config.limits.idle_flushes,
        crew.gather,
    )
    return Parts(
        gateway=gateway,
        flusher=flusher,
        checkpoints=Checkpoints(
            config.data_dir, intake, flusher, journal, ledger, ThreadWorker(reactor, "checkpoint"), reactor
        ),
        keeper=Keeper(store, lambda: retention_of(config, streams), reactor),
        store_consumer=store_consumer,
        writer=writer,
        duplicates=duplicates,
        outputs=graphite,
        writes=writes,
        crew=crew,
    )


def _resolution(config: Config, streams: Streams, clock: IReactor) -> Callable[[str, int], int]:
    def found(stream: str, time: int) -> int:
        retention = retention_of(config, streams).get(stream, config.retention)
        return resolution(int(clock.seconds() * 1000), retention, time)

    return found


def _table(config: Config) -> Table:
    return Table(
        series_limit=config.limits.series,
        prefix_limit=config.limits.series_per_prefix,
        period=config.flush_interval,
        late=config.limits.sample_past,
        gauge_flushes=_gauge_flushes(config),
    )


def _gauge_flushes(config: Config) -> int:
    """After how many flushes a silent gauge has no value any more; 0 where it keeps it."""
    idle = config.idle.gauges
    return max(int(idle // config.flush_interval), 1) if idle < IDLE_SECONDS else 0


def make_inlet(config: Config, intake: Intake, source: str, address: Address) -> Inlet:
    """The inlet of one receiver's address; its stream and dialect may stand in the address."""
    stream = address.parameter("stream", MAIN)
    return intake.inlet(source, stream, dialect_of(config, address))


def make_console(config: Config, parts: Parts, began: float) -> Console:
    """What the admin console asks of these parts."""
    gateway = parts.gateway
    return Console(
        gateway.intake,
        gateway.ledger,
        gateway.telemetry,
        gateway.readiness,
        parts.outputs,
        [(setting.key.name, setting.shown) for setting in config.settings],
        began,
    )


def retention_of(config: Config, streams: Streams) -> dict[str, Retention]:
    """How long each stream's data is kept: its own, else the settings'."""
    return {stream.id: _retention(config.retention, stream.retention or {}) for stream in streams.all()}


def _retention(default: Retention, own: dict[str, int]) -> Retention:
    events = own["events"] * DAY if "events" in own else default.events
    if "points" not in own:
        return Retention(default.ladder, events)
    most = own["points"] * DAY
    rungs = [Rung(rung.step, min(rung.keep, most)) for rung in default.ladder]
    kept = tuple(rung for index, rung in enumerate(rungs) if not index or rungs[index - 1].keep < most)
    return Retention((*kept[:-1], Rung(kept[-1].step, most)), events)


def _outputs(
    config: Config, journal: Journal, reactor: IReactor, telemetry: Telemetry, rosters: Rosters
) -> tuple[GraphiteOut, ...]:
    roster = rosters.of(MAIN)
    context = Context(
        MAIN,
        config.naming,
        config.idle,
        journal,
        reactor,
        telemetry,
        roster,
        folder=config.data_dir,
    )
    made = tuple(output for one in config.clusters for output in outputs(one, context))
    for output in made:
        output.use(config.book)
    return made


def _writes(
    config: Config, journal: Journal, reactor: IReactor, telemetry: Telemetry
) -> tuple[RemoteWrite, ...]:
    if not config.remote_write:
        return ()
    # An HTTP client with TLS costs memory and time; whoever has no receiver does without.
    from metronome.write_agent import remote_writes

    return remote_writes(config, journal, reactor, telemetry, os.environ)


def expose(gateway: Gateway, began: float) -> None:
    """Have the journal's and the store's own numbers read for ``/metrics``."""
    telemetry, journal, store = gateway.telemetry, gateway.journal, gateway.store
    telemetry.gauge("metronome_info", lambda: 1, version=__version__, kernel=TWIN)
    telemetry.gauge(START, lambda: began)
    telemetry.gauge("metronome_journal_bytes", lambda: journal.size)
    telemetry.gauge("metronome_journal_budget_bytes", lambda: journal.budget)
    telemetry.gauge("metronome_journal_unwritable", lambda: 1 if journal.unavailable() else 0)
    telemetry.gauge("metronome_journal_segments", lambda: journal.statistics()["segments"])
    telemetry.gauge("metronome_dead_letter_bytes", lambda: gateway.replay.size)
    for name in ("appended_records", "appended_bytes", "syncs", "refused"):
        _expose_count(gateway, name)
    for name in ("torn_bytes", "damaged_records", "damaged_bytes"):
        _expose_count(gateway, name)
    for name in ("bytes", "parts", "series", "up", *_BULK_FIGURES):
        _expose_store(telemetry, store, name)


def _expose_count(gateway: Gateway, name: str) -> None:
    gateway.telemetry.gauge(f"metronome_journal_{name}_total", lambda: gateway.journal.statistics()[name])


def _expose_store(telemetry: Telemetry, store: Store, name: str) -> None:
    if name in store.statistics():
        telemetry.gauge(f"metronome_store_{name}", lambda: store.statistics().get(name, 0))
