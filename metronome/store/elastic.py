"""Elasticsearch and OpenSearch as the store: many gateways write into one cluster.

- Everything happens on workers: one writes, ``ELASTIC_IN_FLIGHT`` carry bulk requests, a few answer
  questions, one keeps (ladder, retention).  The reactor only waits.
- Nobody leads.  What gateways do to the same document they do under the condition that it still
  is what they read (``elastic_meta.py``); what they delete may be gone already.
- A cluster may be away at the start: templates and positions are seen to as soon as it answers, and
  until then everything fails with ``StoreUnavailable`` and waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import ConfigError, StoreUnavailable
from metronome.limits import (
    COUNT_GROUPS,
    DUPLICATE_PAGE,
    ELASTIC_IN_FLIGHT,
    ELASTIC_READERS,
    ELASTIC_SETTLED,
    EXPORT_ROWS,
)
from metronome.model import Batch, Event, EventSelection, Found, Selection, Tally
from metronome.store import elastic_bulk, elastic_events, elastic_read
from metronome.store.elastic_client import Client, Refusal, connect
from metronome.store.elastic_export import Export
from metronome.store.elastic_flow import Flow
from metronome.store.elastic_health import Watch
from metronome.store.elastic_keep import Keep
from metronome.store.elastic_meta import Meta
from metronome.store.elastic_names import Names
from metronome.store.elastic_query import Clause
from metronome.store.elastic_search import Server
from metronome.store.elastic_templates import Templates
from metronome.store.elastic_url import SCHEMES, Cluster, read_url
from metronome.store.elastic_view import View, Views
from metronome.store.elastic_write import Shared, Work, Writer, books_lines
from metronome.store.interface import Counted, Exported, Fetched, Health, Retention
from metronome.threads.interface import Worker

SCHEME: Final = SCHEMES

Result = TypeVar("Result")


def open_store(
    url: str,
    *,
    worker: Worker,
    more_workers: Callable[[str], Worker] | None = None,
    clock: IReactorTime | None = None,
    gateway: str = "",
    secret: Path | None = None,
    templates: str = "keep",
    read_only: bool = False,
    **others: object,
) -> ElasticStore:
    """The store of a cluster's URL.

    ``more_workers`` makes threads beside ``worker``; without it that one does everything.
    """
    cluster = read_url(url, secret)
    return ElasticStore(
        cluster,
        connect(cluster),
        Crew.of(worker, more_workers),
        clock,
        gateway=gateway,
        replace_templates=templates == "replace",
        read_only=read_only,
    )


def check_url(url: str) -> None:
    """``ConfigError`` for a URL that cannot be read."""
    read_url(url)


class Crew(NamedTuple):
    """The threads of a store."""

    writer: Worker
    keeper: Worker
    senders: Sequence[Worker]
    readers: Sequence[Worker]

    @classmethod
    def of(cls, worker: Worker, more: Callable[[str], Worker] | None) -> Crew:
        """All of them made by ``more``, but for the writer; or one for everything."""
        if more is None:
            return cls(worker, worker, [worker], [worker])
        return cls(
            worker,
            more("store-keeper"),
            [more(f"store-sender-{number}") for number in range(ELASTIC_IN_FLIGHT)],
            [more(f"store-reader-{number}") for number in range(ELASTIC_READERS)],
        )

    @property
    def all(self) -> list[Worker]:
        """Each once."""
        every = [self.writer, self.keeper, *self.senders, *self.readers]
        return list({id(worker): worker for worker in every}.values())


class ElasticStore:
    """A ``Store`` in a cluster."""

    log = Logger()

    def __init__(
        self,
        cluster: Cluster,
        client: Client,
        crew: Crew,
        clock: IReactorTime | None = None,
        *,
        gateway: str = "",
        replace_templates: bool = False,
        read_only: bool = False,
        bounds: elastic_read.Bounds = elastic_read.BOUNDS,
    ):
        """``clock`` tells how long things take; without one nothing is ever late."""
        self._cluster = cluster
        self._client = client
        self._crew = crew
        self._clock = clock
        self._bounds = bounds
        self._replace_templates = replace_templates
        self._read_only = read_only
        self._names = Names(cluster.prefix)
        self._meta = Meta(client, self._names)
        self._shared = Shared(gateway)
        self._server = Server(client, cluster.product)
        self._views = Views(client, self._server, self._names, self._meta, self._shared)
        seconds = clock.seconds if clock is not None else _no_time
        settle = ELASTIC_SETTLED if clock is not None else 0.0
        policy = cluster.policy if cluster.product == "opensearch" else ""
        self._writer = Writer(client, self._names, self._meta, self._shared, seconds, settle, policy)
        self._keep = Keep(
            client,
            self._server,
            self._names,
            self._meta,
            self._views,
            self._shared,
            self._writer,
            seconds,
            policy,
        )
        self._watch = Watch(client, self._server, self._names, seconds, self._fresh)
        self._export = Export(self._server, self._names, self._tallies, bounds.page)
        self._flow = Flow(crew.senders, clock)
        self._next_reader = 0
        self._opened = False
        self._opening = Lock()
        self._stopping = False
        self._looking = False

    def start(self) -> Deferred[None]:
        """See ``Store.start``; may be called until it succeeds."""
        return self._crew.writer.do(lambda: self._run(self._open))

    @inlineCallbacks
    def stop(self) -> Generator[Deferred[Any], Any, None]:
        """Finish what is queued.  A round of ``expire`` ends after the step in hand."""
        self._stopping = True
        for worker in self._crew.all:
            yield worker.stop()
        self._client.close()

    # --- writing -----------------------------------------------------------------------------

    @inlineCallbacks
    def write(self, batch: Batch) -> Generator[Deferred[Any], Any, None]:
        """See ``Store.write``."""
        work: Work | None = yield self._do(self._crew.writer, lambda: self._writer.begin(batch))
        if work is None:
            return
        try:
            outcomes: list[elastic_bulk.Outcome] = yield self._flow.send(
                lambda most, size: self._do(self._crew.writer, lambda: self._writer.chunk(work, most, size)),
                self._post,
            )
        except StoreUnavailable as away:
            self._writer.indices.forget_all()  # one may have been deleted
            self._watch.away(str(away))
            raise
        finally:
            self._watch.sent(self._flow)
        self._watch.works()
        work.created = sum(outcome.created for outcome in outcomes)
        work.refused = [one for outcome in outcomes for one in outcome.refused]
        work.there = [one for outcome in outcomes for one in outcome.there]
        yield self._do(self._crew.writer, lambda: self._writer.settle(work))

    def _post(self, chunk: elastic_bulk.Chunk) -> elastic_bulk.Outcome:
        return self._run(lambda: elastic_bulk.post(self._client, chunk))

    # --- reading -----------------------------------------------------------------------------

    def applied(self) -> Deferred[dict[str, int]]:
        """See ``Store.applied``."""
        return self._ask(self._shared.applied)

    def find(self, selection: Selection) -> Deferred[list[Found]]:
        """See ``Store.find``."""

        def question(view: View) -> list[Found]:
            return elastic_read.find(view, selection, self._bounds)

        return self._ask(lambda: self._views.ask(question, selection.stream))

    def fetch(
        self,
        selection: Selection,
        step: int,
        by: tuple[str, ...] | None,
        *,
        sketches: bool = False,
        members: bool = False,
    ) -> Deferred[Fetched]:
        """See ``Store.fetch``."""

        def question(view: View) -> Fetched:
            groups = elastic_read.fetch(
                view, selection, step, by, sketches=sketches, members=members, bounds=self._bounds
            )
            return Fetched(groups, view.applied)

        return self._ask(lambda: self._views.ask(question, selection.stream))

    def events(self, selection: EventSelection) -> Deferred[list[Event]]:
        """See ``Store.events``."""

        def question(view: View) -> list[Event]:
            return elastic_events.newest(view, selection, self._bounds.page)

        return self._ask(lambda: self._views.ask(question))

    def count(
        self, selection: EventSelection, by: tuple[str, ...], most: int = COUNT_GROUPS
    ) -> Deferred[Counted]:
        """See ``Store.count``."""

        def question(view: View) -> Counted:
            counts = elastic_events.counts(view, selection, by, most, self._bounds.page)
            return Counted(counts, view.applied)

        return self._ask(lambda: self._views.ask(question))

    def recent_ids(
        self, since: int, before: tuple[int, str] | None = None, most: int = DUPLICATE_PAGE
    ) -> Deferred[list[tuple[int, str]]]:
        """See ``Store.recent_ids``."""

        def question(view: View) -> list[tuple[int, str]]:
            return elastic_events.ids(view, since, before, most, self._bounds.page)

        return self._ask(lambda: self._views.ask(question))

    def export(self, after: int, most: int = EXPORT_ROWS) -> Deferred[Exported]:
        """See ``Store.export``."""

        def question(view: View) -> Exported:
            return self._export.page(view, after, most)

        return self._do(self._crew.keeper, lambda: self._views.ask(question))

    def tallies(self, stream: str) -> Deferred[list[tuple[str, str, str, str, int]]]:
        """See ``Store.tallies``."""
        return self._ask(lambda: [tally[1:] for tally in self._tallies({"term": {"stream": stream}})])

    def _tallies(self, wanted: Clause) -> list[Tally]:
        """The lines of the books that these documents hold, added up over the gateways."""
        applied = {gateway: int(one["applied"]) for gateway, one in self._meta.positions().items()}
        sums: Counter[tuple[str, str, str, str, str]] = Counter()
        for content in self._meta.find({"bool": {"filter": [{"term": {"role": "books"}}, wanted]}}):
            for *line, number in books_lines(content, applied.get(content["gateway"], 0)):
                sums[content["stream"], content["day"], *line] += number
        return [Tally(*line, number) for line, number in sorted(sums.items())]

    # --- keeping -----------------------------------------------------------------------------

    @inlineCallbacks
    def expire(
        self, now: int, retention: dict[str, Retention]
    ) -> Generator[Deferred[Any], Any, dict[str, int]]:
        """See ``Store.expire``.  Every gateway does this; what one has done is not due for others."""
        done = {"merged": 0, "deleted": 0, "events_deleted": 0}
        steps = yield self._do(self._crew.keeper, lambda: self._keep.round(now, retention))
        while not self._stopping:
            step: dict[str, int] | None = yield self._do(self._crew.keeper, lambda: next(steps, None))
            if step is None:
                break
            for name, number in step.items():
                done[name] += number
        if not self._stopping:
            yield self._ask(self._watch.look)
        return done

    def forget(self, stream: str) -> Deferred[None]:
        """See ``Store.forget``."""
        return self._do(self._crew.keeper, lambda: self._keep.forget(stream))

    def health(self) -> Deferred[Health]:
        """See ``Store.health``: what the cluster says of itself, and how the last batch went."""
        if self._stopping:
            return succeed(Health("away", "stopped"))
        if not self._opened and self._opening.locked():
            return succeed(Health("away", "it has not answered yet"))  # somebody waits for just that
        return self._ask(self._watch.look).addErrback(self._away)

    def statistics(self) -> dict[str, float]:
        """See ``Store.statistics``: as of the last look; whoever asks now and then, as a scraper does,
        has the cluster be looked at as often."""
        if self._clock is not None and not self._looking and not self._stopping and self._watch.due:
            self._looking = True
            self.health().addErrback(self._not_seen).addBoth(self._looked)
        return self._watch.figures()

    def _not_seen(self, failure: Failure) -> None:
        self.log.failure("the cluster cannot be looked at", failure)

    def _looked(self, _: object) -> None:
        self._looking = False

    def _away(self, failure: Failure) -> Health:
        failure.trap(StoreUnavailable)
        return self._watch.away(failure.getErrorMessage())

    def _fresh(self) -> None:
        self._views.ask(lambda view: None)

    # --- on the workers ----------------------------------------------------------------------

    def _ask(self, job: Callable[[], Result]) -> Deferred[Result]:
        self._next_reader = (self._next_reader + 1) % len(self._crew.readers)
        return self._do(self._crew.readers[self._next_reader], job)

    def _do(self, worker: Worker, job: Callable[[], Result]) -> Deferred[Result]:
        return worker.do(lambda: self._run(job, opened=True))

    def _run(self, job: Callable[[], Result], opened: bool = False) -> Result:
        """Do a job, and say whose fault a failure is."""
        try:
            if opened:
                self._open_later()
            return job()
        except ConfigError as error:
            if not self._opened:
                raise
            raise StoreUnavailable(str(error)) from error  # something else answers there for now
        except Refusal as refusal:
            if refusal.status == 400:
                raise
            raise StoreUnavailable(_sentence(refusal)) from refusal

    def _open(self) -> None:
        """See to it that the cluster can be written to and read, and what is in it."""
        with self._opening:
            if not self._opened:
                self._open_once()

    def _open_later(self) -> None:
        """The same, when the cluster was away at the start."""
        if self._opened:
            return
        try:
            self._open()
        except ConfigError as error:
            raise StoreUnavailable(str(error)) from error

    def _open_once(self) -> None:
        self._watch.check_version(self._cluster.product)
        self._watch.check_policy(self._cluster)
        if not self._read_only:
            policy = self._cluster.policy if self._cluster.product == "elasticsearch" else ""
            templates = Templates(self._client, self._names, policy, self._replace_templates)
            for note in templates.install():
                self.log.warn("store: {note}", note=note)
        self._meta.open(make=not self._read_only)
        self._views.refresh_all()
        self._writer.load()
        self._opened = True


def _sentence(refusal: Refusal) -> str:
    words = {
        401: "the cluster wants another password or key",
        403: "the cluster does not allow it; its indices may be read-only because a disk is full",
        429: "the cluster is busy",
    }
    told = f"{refusal.status} {refusal.kind}".strip()
    return words.get(refusal.status, f"the cluster cannot do it now ({told})")


def _no_time() -> float:
    return 0.0
