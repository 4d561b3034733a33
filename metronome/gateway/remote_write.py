"""Remote write: what ``/metrics`` shows, sent to a receiver at the end of each flush.

A consumer of the journal with its own cursor, ``remote-write:HOST:PORT/PATH``.  At the mark of a flush
what arrived with it is added to the totals, and every series that is there is sent with its value
and the end of the flush as its time, as a scrape at that moment would have seen it.  So

- a receiver that is away gets every flush when it is back, in order, each with its own time;
- what comes late counts in the flush in which it arrives: a Prometheus takes no samples that are
  older than its last;
- a series that is not heard of for ``ttl`` ends, and so does each that a rule no longer gives, and
  all of them when the gateway stops in good order.

**Nothing twice and nothing lost**, whatever ends the process.  The totals are a function of the
journal, and an image of them is on disk together with the position that they are of (``image.py``);
the cursor, which holds the journal, follows the image.  A start restores the totals, folds what
stands behind them in the journal without sending it, up to the mark that says what the
receiver has, and goes on from there.

Each stream is in the image up to its own last mark.  Reading begins at the oldest of them, and
where a rule's gauges and sets are those of a period longer than a flush, with that period; what
stands before a stream's mark changes none of its totals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock, FirstError, gatherResults, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from metronome.errors import DestinationUnavailable
from metronome.fold.cells import Header
from metronome.fold.columns import unpacked
from metronome.fold.rules import Book, Rule, Slot, native_slots, prometheus_slots
from metronome.fold.united import united
from metronome.gateway import image
from metronome.gateway.adding import Adding
from metronome.gateway.blocks import Block, Blocks, Moment
from metronome.gateway.consumer import Consumer
from metronome.gateway.exposed import Names
from metronome.gateway.gathering import Gathering
from metronome.gateway.own_series import OwnSeries
from metronome.gateway.push import Sender
from metronome.gateway.rollups import Rollups, StreamRollups
from metronome.gateway.shelf import Group
from metronome.gateway.shown import MAIN
from metronome.gateway.telemetry import CATALOGUE, Telemetry
from metronome.gateway.totals import Totals
from metronome.journal.interface import Entry, Journal
from metronome.kernel.families import Escaping
from metronome.limits import METRICS_STEP_ROWS, READ_BYTES, TOTALS_INTERVAL, WRITE_GOODBYE, WRITE_OWN_BEHIND
from metronome.model import Batch, Flushed, Labels, Parts
from metronome.threads.interface import Worker
from metronome.wire import records
from metronome.wire.prometheus_text import family_name

CONSUMER: Final = "remote-write:"
"""What the names of these consumers begin with."""


class _Marks:
    """Where a new run has to begin to read: at the mark of the flush with which the longest period that
    is under way began, or at the one before it where that was not seen."""

    def __init__(self, position: int):
        self._marks: deque[tuple[int, int]] = deque([(0, position)])

    @property
    def position(self) -> int:
        """There."""
        return self._marks[0][1]

    def add(self, stamp: int, position: int, needed: int) -> None:
        """A flush has ended (ms); what began before ``needed`` does not matter any more."""
        if stamp > self._marks[-1][0]:
            self._marks.append((stamp, position))
        while len(self._marks) > 1 and self._marks[1][0] <= needed:
            self._marks.popleft()


class _Stream:
    """What is kept of one stream."""

    def __init__(self, adding: Adding, begin: int, replay: int):
        self.totals = adding.totals
        self.adding = adding
        self.blocks = Blocks(self.totals)
        self.gathering = Gathering()
        self.begin = begin
        """What stands before it in the journal was in the totals when this run began."""
        self.position = begin
        """And what is in them now."""
        self.stamp = 0
        """The last time of which its samples were sent, ms."""
        self.marks = _Marks(replay)


class RemoteWrite:
    """One receiver: its consumer, its totals and what is sent to it."""

    log = Logger()

    def __init__(
        self,
        name: str,
        sender: Sender,
        journal: Journal,
        clock: IReactorTime,
        telemetry: Telemetry,
        worker: Worker,
        *,
        file: Path,
        ttl: float,
        in_flight: int,
        escaping: Escaping = Escaping.UNDERSCORES,
        labels: Labels = (),
        close: Callable[[], Deferred[Any]] = lambda: succeed(None),
        own: OwnSeries | None = None,
    ):
        """``name`` is ``HOST:PORT/PATH``; ``file`` without suffix is where its files are, which
        ``worker`` writes; ``in_flight`` requests may be under way at once; ``escaping`` as
        :class:`Adding` has it; ``labels`` are put on every series; ``close`` ends the sender's
        connections; ``own`` sends our own series."""
        self.consumer = Consumer(journal, CONSUMER + name, self._work, clock, telemetry)
        self._name = name
        self._sender = sender
        sender.troubled = self._troubled
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._worker = worker
        self._files = file.with_name(file.name + ".image"), file.with_name(file.name + ".mark")
        self._ttl = ttl
        self._in_flight = in_flight
        self._escaping = escaping
        self._labels = labels
        self._close = close
        self._own = own
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=lambda step: clock.callLater(0, step),
        )
        self._names = Names()
        for metric, (kind, _, _) in CATALOGUE.items():
            self._names.reserve(family_name(metric, kind), kind)
        self._streams: dict[str, _Stream] = {}
        self._rollups = StreamRollups(self._rollups_of, _slots)
        self._book = Book()
        self._next_book: Book | None = None
        self._everies: set[int] = set()
        self._ticked: set[str] = set()
        self._marks = _Marks(0)
        self._done = 0
        self._sent = 0
        self._safe = 0
        self._period = 0
        self._started = 0.0
        self._image_at = float("-inf")
        self._image_of = -1
        """What was done when it was written."""
        self._turn = DeferredLock()
        self._rest = LoopingCall(self._write_rest)
        self._rest.clock = clock
        self._writing: Deferred[Any] = succeed(None)
        telemetry.gauge("metronome_remote_write_series", lambda: self.series, destination=name)
        telemetry.gauge("metronome_remote_write_lag_seconds", lambda: self.lag, destination=name)
        telemetry.gauge("metronome_rollup_groups", lambda: self._rollups.groups, output=self.consumer.name)

    @property
    def series(self) -> int:
        """How many series the receiver has of us now."""
        return sum(len(stream.totals) for stream in self._streams.values())

    @property
    def lag(self) -> float:
        """Seconds since the last flush that the receiver has; before the first since the start."""
        now = self._clock.seconds()
        return now - (self._last / 1000 or self._started or now)

    @property
    def _last(self) -> int:
        """The end of the last flush that the receiver has, ms; 0 before the first."""
        return max((stream.stamp for stream in self._streams.values()), default=0)

    def use(self, book: Book) -> None:
        """Send what these rules and sets say; what stays goes on where it is."""
        self._next_book = book

    def start(self) -> None:
        """Go on where the last run was; a new receiver begins with what comes now."""
        journal, name = self._journal, self.consumer.name
        self._started = self._clock.seconds()
        state = self._load()
        if state is None:
            begin = journal.cursor(name) if name in journal.consumers() else journal.synced_end
            self._sent = begin
        elif state.journal != journal.identity or state.sent > journal.synced_end:
            self.log.warn("the totals of {name} are of another journal; they go on", name=self._name)
            begin = self._sent = journal.cursor(name)
            self._restore(state, begin)
        else:
            begin, self._sent = state.replay, max(state.sent, self._load_mark())
            self._restore(state)
        self._safe = self._done = begin
        self._marks = _Marks(begin)
        journal.move(name, begin)
        self._take_book()
        if state is None:
            self._write_image()
        self.consumer.start()
        rest = self._rest.start(TOTALS_INTERVAL / 10, now=False)
        rest.addErrback(lambda failure: self.log.failure("{name}: its file", failure, name=self._name))
        if self._own is not None:
            self._own.waits = self._must_catch_up
            self._own.start()

    def stop(self) -> Deferred[Any]:
        """Give up what is under way; end all series if the receiver has everything."""
        if self._own is not None:
            self._own.stop()
        if self._rest.running:
            self._rest.stop()
        self._sender.stop()
        done: Deferred[Any] = self.consumer.stop()
        done.addCallback(lambda _: self._goodbye())
        done.addErrback(lambda failure: self.log.failure("{name} said no goodbye", failure, name=self._name))
        done.addCallback(lambda _: self._writing).addCallback(lambda _: self._close())
        return done.addBoth(lambda _: self._worker.stop())

    # --- the consumer --------------------------------------------------------------------

    def _work(self, batch: Batch) -> Deferred[int | None]:
        steps = self._steps(batch)
        done: Deferred[Any] = self._turn.run(lambda: self._cooperator.cooperate(steps).whenDone())
        return done.addCallback(lambda _: self._safe)

    def _steps(self, batch: Batch) -> Iterator[Deferred[Any] | None]:
        ends = [record.position for record in batch.records[1:]] + [batch.end]
        for record, end in zip(batch.records, ends, strict=True):
            if record.position < self._done:
                continue
            # First of all: should what follows fail by a mistake of ours, nothing counts twice.
            self._done = end
            if self._next_book is not None:
                self._take_book()
            content = record.content
            if isinstance(content, Parts):
                self._rollups.keep(content)
                stream = self._stream(content.stream, record.position)
                if self._book.shows_every_series and record.position >= stream.begin:
                    stream.gathering.keep(unpacked(content.columns))
            elif isinstance(content, Flushed):
                yield from self._flush(content, record.position, end)
            yield None

    def _flush(self, flushed: Flushed, position: int, end: int) -> Iterator[Deferred[Any] | None]:
        """A period has ended: add what it brought, and send what there is now."""
        self._period = round(flushed.period * 1000)
        stamp = flushed.time + self._period
        ending = self._ending(flushed, position)
        yield from self._add(flushed, ending, stamp, position)
        needed = min((stamp // every * every for every in self._everies), default=stamp)
        self._marks.add(stamp, position, needed)
        for stream in ending:
            stream.marks.add(stamp, position, needed)
            stream.position = max(stream.position, end)
            # A time again means that our clock was put back: it all goes with a later flush.
            if position >= stream.begin and stamp > stream.stamp:
                yield from self._tell(stream, Moment(stamp, self._period), position)
        if position >= self._sent:
            self._sent = end
            yield self._write_mark(end)
        if self._clock.seconds() - self._image_at >= TOTALS_INTERVAL:
            self._write_image()

    def _tell(self, stream: _Stream, moment: Moment, position: int) -> Iterator[Deferred[Any] | None]:
        for count, place in enumerate(stream.totals.idle(moment.time)):
            stream.adding.leave(place)
            if count % METRICS_STEP_ROWS == METRICS_STEP_ROWS - 1:
                yield None
        if position >= self._sent:
            yield self._send(stream, moment)
        stream.stamp = moment.time
        stream.blocks.settle()

    def _ending(self, flushed: Flushed, position: int) -> list[_Stream]:
        """The streams whose period a mark ends: its own; those without marks end with main's."""
        if flushed.stream != MAIN:
            self._ticked.add(flushed.stream)
            return [self._stream(flushed.stream, position)]
        ending = [stream for name, stream in self._streams.items() if name not in self._ticked]
        self._ticked.clear()
        return ending

    def _add(self, flushed: Flushed, ending: list[_Stream], stamp: int, position: int) -> Iterator[None]:
        for stream in ending:
            gathering, stream.gathering = stream.gathering, Gathering()
            for columns in gathering.shares(METRICS_STEP_ROWS):
                stream.adding.series(united(columns, columns.times * 0), stamp, self._period)
                yield
        for found in self._rollups.end(flushed, MAIN):
            if found is not None:
                stream = self._stream(found[0], position)
                if position >= stream.begin:
                    stream.adding.groups(found[1], stamp, self._period)
            yield

    # --- what is kept --------------------------------------------------------------------

    def _stream(self, name: str, position: int) -> _Stream:
        """What is kept of a stream; of one that is first met here, nothing."""
        found = self._streams.get(name)
        if found is None:
            found = self._new_stream(name, Totals(self._names), position, self._marks.position)
        return found

    def _new_stream(self, name: str, totals: Totals, begin: int, replay: int) -> _Stream:
        adding = Adding(name, totals, self._ttl, self._left_out, self._escaping, self._labels)
        adding.use(self._book)
        found = self._streams[name] = _Stream(adding, begin, replay)
        return found

    def _take_book(self) -> None:
        self._book, self._next_book = self._next_book or self._book, None
        self._everies = {slot.every for slot in prometheus_slots(self._book.rules)} - {0}
        self._rollups.use(self._book)
        for stream in self._streams.values():
            stream.adding.use(self._book)

    def _rollups_of(self, stream: str) -> Rollups:
        def gone(slot: Slot, group: Group) -> None:
            self._streams[stream].adding.gone(group)

        return Rollups(self._number, gone, self._rows_left_out, arrivals=True)

    def _number(self, slot: Slot, header: Header) -> object:
        """What a new group is known by: the same for a rule's classic and its native buckets."""
        return slot.rule, header

    def _must_catch_up(self) -> bool:
        """Whether what the receiver is still to get is so old that it must not be told of now."""
        is_old = not self._last or self.lag > WRITE_OWN_BEHIND
        return is_old and self.consumer.position < self._journal.synced_end

    def _left_out(self, reason: str, number: float) -> None:
        self._telemetry.count(
            "metronome_remote_write_left_out_total", number, destination=self._name, reason=reason
        )

    def _rows_left_out(self, reason: str, number: int) -> None:
        self._telemetry.count(
            "metronome_rollup_left_out_total", number, output=self.consumer.name, reason=reason
        )

    def _troubled(self, text: str) -> None:
        self.consumer.troubled = text

    # --- sending -------------------------------------------------------------------------

    def _send(self, stream: _Stream, moment: Moment, tries: int = 1 << 62) -> Deferred[Any]:
        """Send all blocks of a stream, some at once; fires when each is taken or refused for good."""

        def posts() -> Iterator[Deferred[Any]]:
            for block in stream.blocks:
                yield self._send_block(block, moment, tries)

        shared = posts()
        lanes = [self._cooperator.cooperate(shared).whenDone() for _ in range(self._in_flight)]
        return gatherResults(lanes, consumeErrors=True).addErrback(_first)

    @inlineCallbacks
    def _send_block(self, block: Block, moment: Moment, tries: int) -> Generator[Deferred[Any], Any, None]:
        if block.begins and not moment.ending:
            beginning = partial(block.beginning, moment=moment)
            yield self._sender.send(beginning, tries=tries, matters=False)
        yield self._sender.send(partial(block.request, moment=moment), tries=tries)

    @inlineCallbacks
    def _goodbye(self) -> Generator[Deferred[Any], Any, None]:
        """End our own series; all others too, unless there is a flush that the receiver has not got yet."""
        behind = yield self._is_behind()
        self._sender.resume()
        call = self._clock.callLater(WRITE_GOODBYE, self._sender.stop)
        if self._own is not None:
            yield self._own.end()
        if not behind:
            yield self._end_series()
        if call.active():
            call.cancel()

    @inlineCallbacks
    def _end_series(self) -> Generator[Deferred[Any], Any, None]:
        streams = list(self._streams.values())
        time = max([round(self._clock.seconds() * 1000), *(stream.stamp + 1 for stream in streams)])
        moment = Moment(time, self._period, ending=True)
        ends = [self._send(stream, moment, tries=1) for stream in streams]
        try:
            yield gatherResults(ends, consumeErrors=True).addErrback(_first)
        except DestinationUnavailable as error:
            self.log.info("{error}: it is not told that series end", error=error)
        for stream in streams:
            stream.stamp = time
        self._sent = self._done
        yield self._write_image()

    @inlineCallbacks
    def _is_behind(self) -> Generator[Deferred[Any], Any, bool]:
        """Whether the mark of a flush stands behind what was done."""
        position = self.consumer.position
        while position < self._journal.synced_end:
            entries: list[Entry] = yield self._journal.read(position, READ_BYTES)
            if not entries:
                break
            if any(entry.kind == records.KIND_FLUSHED for entry in entries):
                return True
            position = entries[-1].end
        return False

    # --- files ---------------------------------------------------------------------------

    def _write_rest(self) -> None:
        """When nothing comes any more, what came last is in the image too.  A full journal takes nothing,
        and would stay full if the cursor waited for the next mark.  While marks come, one of them is the
        better moment."""
        old = self._clock.seconds() - self._image_at >= 2 * TOTALS_INTERVAL
        if self._turn.locked or self._image_of == self._done or not (old or self._journal.unavailable()):
            return
        name = self.consumer.name
        self._write_image().addCallback(lambda _: self._journal.move(name, self._safe))

    def _write_image(self) -> Deferred[Any]:
        """Have the totals written as they are now; the cursor may follow once they are."""
        self._image_at, self._image_of = self._clock.seconds(), self._done
        streams = self._streams
        state = image.State(
            self._journal.identity,
            min([self._marks.position, *(stream.marks.position for stream in streams.values())]),
            self._sent,
            self._names.families(),
            {
                name: image.Kept(stream.position, stream.stamp, stream.totals.image())
                for name, stream in streams.items()
            },
        )
        encode, file = image.encoder(state), self._files[0]

        def written(_: None) -> None:
            self._safe = max(self._safe, state.replay)

        self._writing = self._worker.do(lambda: image.replace(file, encode()))
        return self._writing.addCallbacks(written, self._not_written)

    def _write_mark(self, position: int) -> Deferred[Any]:
        data, file = image.encode_mark(position), self._files[1]
        return self._worker.do(lambda: image.replace(file, data)).addErrback(self._not_written)

    def _not_written(self, failure: Failure) -> None:
        failure.trap(OSError)
        self.log.warn("{name}: its file cannot be written: {text}", name=self._name, text=failure.value)

    def _load(self) -> image.State | None:
        state: image.State | None = self._read(self._files[0], image.decode)
        return state

    def _load_mark(self) -> int:
        return self._read(self._files[1], image.decode_mark) or 0

    def _read(self, file: Path, decode: Callable[[bytes], Any]) -> Any:
        try:
            return decode(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.log.error("{file} cannot be used: {error}", file=str(file), error=error)
            return None

    def _restore(self, state: image.State, begin: int | None = None) -> None:
        """Go on with the totals of a former run; ``begin`` where its positions say nothing."""
        meanings = {base: meaning for base, (_, meaning) in state.families.items()}
        for name, kept in state.streams.items():
            totals = Totals(self._names)
            totals.restore(kept.image, meanings)
            at = (kept.position, state.replay) if begin is None else (begin, begin)
            self._new_stream(name, totals, *at).stamp = kept.stamp


def _slots(rules: Sequence[Rule]) -> list[Slot]:
    return prometheus_slots(rules) + native_slots(rules)


def _first(failure: Failure) -> Failure:
    """The failure of whichever failed first."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure
