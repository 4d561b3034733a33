"""What ``/metrics`` shows: series or rollups as Prometheus families, and our own counters.

A consumer of the journal that begins at its end: counters add up since the start of the
process, as Prometheus expects of any program.  At the end of each period

- a counter's n is added to ``NAME_total``; a negative n is left out and counted, because
  Prometheus takes a counter that goes down for a restart;
- a gauge ``NAME`` has its last value, a set the distinct count of its last period;
- a timer is a summary in the unit sent: ``NAME_sum`` and ``NAME_count`` add up, the quantiles
  are those of the last period that had samples, NaN once that is ``METRICS_WINDOW`` ago.

Names and label names are escaped to what the client takes.  A label ``stream`` says which
stream a series is of, unless it is ``main``; a sender's own label of that name, or of one
that Prometheus reserves, becomes ``exported_NAME``.

Where two families would share a name (a counter ``a`` and a timer ``a``; ``a.b`` and ``a_b`` of
different kinds), or two series all labels, the first stays as long as it is shown; the later
is left out and counted in ``metronome_metrics_clashes_total``.  So the page is always valid.

A series that is idle for ``ttl`` seconds is shown no longer.  Mapping rules may say something else of
this, of a family's meaning, and of what timers are (``shaping.py``).

Where rules have a ``prometheus`` name, the page shows their groups, and every series only if it
is asked for.  Counters and timers of a group go on with every flush, by what arrived, late or
not; gauges and sets are those of the last period of the rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from metronome.fold.roster import Rosters
from metronome.fold.rules import Book
from metronome.gateway.consumer import Consumer
from metronome.gateway.exemplars import Exemplars
from metronome.gateway.page_messages import MessagePage
from metronome.gateway.page_text import TextPage
from metronome.gateway.shown import Board
from metronome.gateway.shown_groups import ShownGroups
from metronome.gateway.shown_series import ShownSeries
from metronome.gateway.telemetry import CATALOGUE, Telemetry
from metronome.journal.interface import Journal
from metronome.limits import METRICS_WINDOW
from metronome.model import Batch, Flushed, Labels, Parts, parse_key
from metronome.wire import prometheus_text as text
from metronome.wire.negotiation import Form, Wanted, wanted
from metronome.wire.prometheus_protobuf import Exemplar, own_family
from metronome.wire.records import Row

CONSUMER: Final = "metrics"


class Exposition:
    """The page and the consumer that keeps it up to date."""

    def __init__(
        self,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
        ttl: float,
        rosters: Rosters | None = None,
    ):
        """``rosters`` has the series that consumers know; one for all of them."""
        self.consumer = Consumer(journal, CONSUMER, self._work, clock, telemetry)
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._ttl = ttl
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=lambda step: clock.callLater(0, step),
        )
        self._done = -1
        self._book = Book()
        self._board = Board([(name, kind) for name, (kind, _, _) in CATALOGUE.items()])
        self._series = ShownSeries(self._board, rosters or Rosters(), telemetry)
        self._groups = ShownGroups(self._board, telemetry, CONSUMER)
        self._exemplars = Exemplars()
        telemetry.gauge("metronome_metrics_series", lambda: len(self._board))
        telemetry.gauge("metronome_rollup_groups", lambda: self._groups.size, output=CONSUMER)

    def use(self, book: Book) -> None:
        """Show what these rules and sets say; rules that stay go on where they are."""
        self._book = book
        self._series.use(book)
        self._groups.use(book)

    def start(self) -> None:
        """Begin at the end of the journal."""
        self._journal.move(CONSUMER, self._journal.synced_end)
        self.consumer.start()

    def stop(self) -> Deferred[None]:
        """Fires when the batch in hand is done."""
        return self.consumer.stop()

    def page(self, accept: str | None) -> tuple[str, Iterable[bytes]]:
        """Media type and the page in pieces, each written when it is asked for."""
        form = wanted(accept)
        return form.media_type, self._pieces(form)

    def trace(self, stream: str, row: Row, time: float, labels: Labels) -> None:
        """A value that was measured at this time (s) is of a trace: an exemplar of its series."""
        ids = [row.series_id, *self._groups.ids_of(stream, parse_key(row.key))]
        self._exemplars.keep(stream, ids, Exemplar(labels, row.low, time))

    # --- the consumer --------------------------------------------------------------------

    def _work(self, batch: Batch) -> Deferred[int | None]:
        done: Deferred[Any] = self._cooperator.cooperate(self._steps(batch)).whenDone()
        return done.addCallback(lambda _: None)

    def _steps(self, batch: Batch) -> Iterator[None]:
        for record in batch.records:
            content = record.content
            if record.position <= self._done:
                continue
            now = self._clock.seconds()
            if isinstance(content, Parts):
                self._groups.keep(content)
                if self._book.shows_every_series:
                    self._series.keep(content, now)
            elif isinstance(content, Flushed):
                yield from self._series.end(content, now)
                yield from self._groups.end(content, now)
                yield from self._board.expire(now, self._ttl)
            self._done = record.position
            yield

    # --- the page ------------------------------------------------------------------------

    def _pieces(self, form: Wanted) -> Iterator[bytes]:
        is_text = form.form is not Form.PROTOBUF
        yield "".join(self._own_lines(form)).encode() if is_text else self._own_messages(form)
        kind = TextPage if is_text else MessagePage
        recent = self._clock.seconds() - METRICS_WINDOW
        yield from kind(self._board, form, recent, self._exemplars).pieces()
        if form.open_metrics:
            yield text.OPEN_METRICS_END.encode()

    def _own_lines(self, form: Wanted) -> Iterator[str]:
        for name, kind, meaning, samples in self._telemetry.families():
            yield text.head(name, kind, meaning, form)
            for labels, value in samples:
                yield text.line(name, kind, labels, value, form)

    def _own_messages(self, form: Wanted) -> bytes:
        return b"".join([own_family(*family, form.escaping) for family in self._telemetry.families()])
