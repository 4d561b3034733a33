"""A worker: a process that receives and folds statsd datagrams on behalf of a gateway.

``receivers/crew.py`` starts it with ``python -m metronome.worker``: frames of ``wire/worker.py`` come in on
descriptor 0 and go out on 1, and the sockets that it reads are handed to it, bound, at the
descriptors that its settings name.  It keeps no time, opens nothing and asks nobody: it hands over
when it is told to, and ends when the gateway is gone.

Where the kernel can, threads of it receive, so that nothing waits in a socket while columns are written;
else the loop that hears the gateway does.  Either way folding goes on while answers wait in the pipe, and
the gateway asks for no more before it has them.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections import Counter, deque
from contextlib import suppress
from threading import Thread
from typing import Final

from metronome.allocator import give_back_large_pieces
from metronome.fold import mapping
from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.limits import DATAGRAM_BYTES, DATAGRAMS_PER_TURN
from metronome.wire import records
from metronome.wire import worker as wire

_IN: Final = 0
_OUT: Final = 1
_CHUNK: Final = 1 << 16
_SHOWN_BYTES: Final = 1 << 20
"""What may wait to be shown; who watches a flood does not read every line of it."""
_IDLE_TAKES: Final = 60
"""A series that is idle for so many hand-overs is forgotten here; the gateway still has it."""


class Fold:
    """The tables of a worker, one for each stream, and what was told of them."""

    def __init__(self, settings: wire.Settings):
        streams = {place.stream for place in settings.places}
        self.tables = {
            # Periods of 1 ms: the gateway knows how long they are, and folds what came late once more.
            stream: Table(series_limit=settings.series, relative_gauges=True, period=0.001)
            for stream in sorted(streams)
        }
        self._told: dict[str, Counter[str]] = {stream: Counter() for stream in streams}
        self.map(settings.mapping)

    def map(self, rules: str) -> None:
        """Map dotted names by these rules; the gateway has read them before and found them good."""
        mapper = mapping.load(rules).mapper() if rules else None
        for table in self.tables.values():
            table.set_mapper(mapper)

    def take(self) -> list[bytes]:
        """Everything since the last time, as frames."""
        frames: list[bytes] = []
        for stream, table in self.tables.items():
            # Their time is not looked at: they count into the period that is open when they arrive.
            for columns in (table.flush(0, 1.0), table.flush_points()):
                for piece in records.split(columns):
                    frames.append(wire.frame(wire.PARTS, records.encode_parts(stream, piece)))
            if events := table.take_events():
                frames.append(wire.of_stream(wire.EVENTS, stream, b"\n".join(events)))
            if counted := self._counted(stream, table):
                frames.append(wire.counts(counted))
            table.prune(_IDLE_TAKES)
        return frames

    def _counted(self, stream: str, table: Table) -> wire.Counted | None:
        now = Counter(table.counts())
        fresh = now - self._told[stream]
        self._told[stream] = now
        del fresh["events"]
        return wire.Counted(stream, fresh, table.rejects(), table.senders()) if fresh else None


class Receiving:
    """A thread of the kernel's that reads sockets into one table."""

    def __init__(self, table: Table, fds: list[int], dialect: Dialect):
        self._stop_fd, self._told = os.pipe()
        self._thread = Thread(target=self._serve, args=(table, fds, dialect), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when all that has arrived is folded."""
        os.write(self._told, b"\0")
        self._thread.join()
        os.close(self._told)
        os.close(self._stop_fd)

    def _serve(self, table: Table, fds: list[int], dialect: Dialect) -> None:
        try:
            table.serve(fds, self._stop_fd, dialect)
        except OSError as error:
            print(f"metronome: a worker cannot receive: {error}", file=sys.stderr, flush=True)
            os._exit(1)


class WorkerProcess:
    """Reads commands and sockets in turn, until told to rest or left alone."""

    def __init__(self) -> None:
        self._frames = wire.Frames()
        self._poll = select.poll()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._places: dict[int, wire.Place] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._receiving: list[Receiving] = []
        self._polled: dict[int, wire.Place] = {}
        self._fold: Fold | None = None
        self._watched = False
        self._resting = False

    def run(self) -> None:
        """Work; returns when there is nothing more to do."""
        os.set_blocking(_OUT, False)
        self._poll.register(_IN, select.POLLIN)
        while not (self._resting and not self._waiting):
            for fd, _ in self._poll.poll():
                if fd == _IN:
                    chunk = os.read(_IN, _CHUNK)
                    if not chunk:
                        return
                    for what, content in self._frames.feed(chunk):
                        self._obey(what, content)
                elif fd == _OUT:
                    self._write()
                elif fd in self._polled:  # or a command that came with it has ended that
                    self._read(self._polled[fd])

    def _obey(self, what: int, content: bytes) -> None:
        if what == wire.SETTINGS:
            self._begin(wire.read_settings(content))
            self._say([wire.number(wire.DONE, 0)])
            return
        if self._fold is None:
            raise ValueError("a worker wants its settings first")
        if what == wire.TAKE:
            for place in self._polled.values():  # a period ends with what has arrived in it
                self._read(place)
            self._say([*self._fold.take(), wire.frame(wire.DONE, content)])
        elif what == wire.REST:
            self._resting = True
            self._stop_receiving()
            self._say(self._fold.take())
        elif what == wire.MAPPING:
            self._fold.map(content.decode())
        elif what == wire.WATCH:
            self._stop_receiving()
            self._watched = bool(wire.read_number(content))
            self._receive(self._fold)

    def _begin(self, settings: wire.Settings) -> None:
        self._fold = Fold(settings)
        self._places = {place.fd: place for place in settings.places}
        self._sockets = {fd: socket.socket(fileno=fd) for fd in self._places}
        self._receive(self._fold)

    def _receive(self, fold: Fold) -> None:
        """Read the sockets from now on."""
        if self._watched or not Table.serves:
            self._polled = self._places
            for fd in self._polled:
                self._poll.register(fd, select.POLLIN)
            return
        groups: dict[tuple[str, Dialect], list[int]] = {}
        for place in self._places.values():
            groups.setdefault((place.stream, place.dialect), []).append(place.fd)
        self._receiving = [
            Receiving(fold.tables[stream], fds, dialect) for (stream, dialect), fds in groups.items()
        ]

    def _stop_receiving(self) -> None:
        """Read what has arrived, and nothing after it."""
        for receiving in self._receiving:
            receiving.stop()
        for place in self._polled.values():
            self._poll.unregister(place.fd)
            while self._read(place) == DATAGRAMS_PER_TURN:
                pass
        self._receiving, self._polled = [], {}

    def _read(self, place: wire.Place) -> int:
        """Read and fold what waits, a bounded number of datagrams; how many."""
        assert self._fold is not None, "there are no places before the settings"
        table = self._fold.tables[place.stream]
        if not self._watched:
            return table.drain(place.fd, DATAGRAMS_PER_TURN, place.dialect)
        for number in range(DATAGRAMS_PER_TURN):
            try:
                datagram = self._sockets[place.fd].recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return number
            table.feed_statsd(datagram, place.dialect)
            if self._waiting_bytes < _SHOWN_BYTES:
                self._say([wire.of_stream(wire.SHOWN, place.stream, datagram)])
        return DATAGRAMS_PER_TURN

    def _say(self, frames: list[bytes]) -> None:
        """Send frames, now as far as the pipe takes them."""
        if not frames:
            return
        if not self._waiting:
            self._poll.register(_OUT, select.POLLOUT)
        self._waiting += frames
        self._waiting_bytes += sum(map(len, frames))
        self._write()

    def _write(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            try:
                sent = os.write(_OUT, first)
            except BlockingIOError:
                return
            self._waiting_bytes -= sent
            if sent < len(first):
                self._waiting[0] = first[sent:]
            else:
                self._waiting.popleft()
        self._poll.unregister(_OUT)


def main() -> None:
    """Run until the gateway says so, or is gone."""
    give_back_large_pieces()
    # Whoever stops the gateway signals the whole group of processes, and the gateway needs us still.
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with suppress(BrokenPipeError):  # the gateway has gone without a word
        WorkerProcess().run()
    os._exit(0)  # without waiting for threads that receive for nobody any more


if __name__ == "__main__":
    main()
