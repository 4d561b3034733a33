"""A worker as a process of its own: what it hands over, and when it ends."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from metronome.kernel import Table
from metronome.kernel.interface import Dialect
from metronome.model import Parts, parse_key
from metronome.wire import records
from metronome.wire import worker as wire
from metronome.worker import Fold

RULES = """
mappings:
- {match: "web.*.hits", name: hits, labels: {page: $1}}
- {match: "no.*", name: x, action: drop}
"""


def merged(table: Table, frames: list[tuple[int, bytes]]) -> list[wire.Counted]:
    """Merge the parts among the frames; what was counted."""
    counted = []
    for what, content in frames:
        if what == wire.PARTS:
            parts = records.decode(records.KIND_PARTS, content)
            assert isinstance(parts, Parts)
            table.merge(parts.columns)
        elif what == wire.COUNTS:
            counted.append(wire.read_counts(content))
    return counted


def folded(table: Table) -> dict[str, float]:
    """n of each series by its name."""
    columns = table.flush(0, 1.0)
    return {parse_key(columns.key(row)).name: n for row, n in enumerate(columns.n.tolist())}


def test_a_hand_over_is_everything_since_the_last() -> None:
    """Parts, points, events and counts of each stream; then nothing."""
    places = [wire.Place(3, "main", Dialect()), wire.Place(4, "shop", Dialect())]
    fold = Fold(wire.Settings(places, 10, ""))
    fold.tables["main"].feed_statsd(b"a:1|c\na:2|c|T100\n_e{1,1}:t|x\nbad", Dialect())
    fold.tables["shop"].feed_statsd(b"b:1|c", Dialect())
    frames = wire.Frames().feed(b"".join(fold.take()))
    streams = [records.decode(1, content).stream for what, content in frames if what == wire.PARTS]
    assert streams == ["main", "main", "shop"]
    assert (wire.EVENTS, b"main\0_e{1,1}:t|x") in frames
    counted = {one.stream: one for one in merged(Table(), frames)}
    assert counted["main"].fresh == {"lines": 4, "samples": 2, "bytes": 32, "rejected:malformed_line": 1}
    assert [reject.excerpt for reject in counted["main"].rejects] == [b"bad"]
    assert counted["shop"].fresh["lines"] == 1
    assert fold.take() == []


def test_names_are_mapped_where_they_are_folded() -> None:
    """By the rules of the settings, then by those that came later; labels and drops as in the gateway."""
    fold = Fold(wire.Settings([wire.Place(3, "main", Dialect())], 10, RULES))
    fold.tables["main"].feed_statsd(b"web.a.hits:1|c\nno.b:1|c", Dialect())
    fold.map("")
    fold.tables["main"].feed_statsd(b"web.a.hits:1|c\nno.b:1|c", Dialect())
    table = Table()
    counted = merged(table, wire.Frames().feed(b"".join(fold.take())))
    assert folded(table) == {"hits": 1.0, "web.a.hits": 1.0, "no.b": 1.0}
    assert counted[0].fresh["rejected:mapping_drop"] == 1


class Running:
    """``python -m metronome.worker`` with one socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        fd = self.socket.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "metronome.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[fd],
            bufsize=0,
        )
        self._frames = wire.Frames()
        self.say(wire.settings(wire.Settings([wire.Place(fd, "main", Dialect())], 2000, "")))
        assert self.hear() == [(wire.DONE, b"0")]

    def say(self, frame: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(frame)

    def hear(self, until: int = wire.DONE) -> list[tuple[int, bytes]]:
        """Frames up to one of this sort, or to the end."""
        assert self.process.stdout is not None
        found: list[tuple[int, bytes]] = []
        while not any(what == until for what, _ in found):
            assert select.select([self.process.stdout], [], [], 20)[0], "it says nothing"
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                break
            found += self._frames.feed(chunk)
        return found

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams to its socket."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, self.socket.getsockname())

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.socket.close()


@pytest.fixture
def running() -> Iterator[Running]:
    """One worker."""
    worker = Running()
    yield worker
    worker.close()


def test_it_hands_over_when_asked_and_rests_when_told(running: Running) -> None:
    """What has arrived before the word is in; then it ends by itself, with status 0."""
    table = Table()
    running.send(b"a:1|c", b"a:2|c\ng:5|g")
    for number in (b"1", b"2"):
        running.say(wire.number(wire.TAKE, int(number)))
        frames = running.hear()
        assert frames[-1] == (wire.DONE, number)
        merged(table, frames)
    running.send(*[b"a:1|c"] * 100, b"g:+1|g")
    running.say(wire.frame(wire.REST))
    merged(table, running.hear(until=0))
    assert running.process.wait(10) == 0
    assert folded(table) == {"a": 103.0, "g": 6.0}


def test_it_ends_with_its_gateway_and_not_by_signals(running: Running) -> None:
    """A group that is signalled as a whole loses nothing; a gateway that is gone is not outlived."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        running.process.send_signal(number)
    running.say(wire.number(wire.TAKE, 1))
    assert running.hear()[-1] == (wire.DONE, b"1")
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.process.wait(10) == 0


def test_more_than_a_pipe_holds_waits_while_it_goes_on(running: Running) -> None:
    """A thousand series are handed over whole, in one answer or two."""
    blocks = [b"\n".join(b"series.%d:1|c" % (50 * n + m) for m in range(50)) for n in range(20)]
    running.send(*blocks)
    running.say(wire.number(wire.TAKE, 1))
    running.send(b"later:1|c")
    table = Table()
    merged(table, running.hear())
    running.say(wire.frame(wire.REST))
    merged(table, running.hear(until=0))
    found = folded(table)
    assert len(found) == 1001
    assert set(found.values()) == {1.0}


def test_lines_are_shown_while_they_are_watched(running: Running) -> None:
    """And folded all the same."""
    running.say(wire.number(wire.WATCH, True))
    running.say(wire.number(wire.TAKE, 1))
    running.hear()
    running.send(b"a:1|c")
    assert running.hear(until=wire.SHOWN) == [(wire.SHOWN, b"main\0a:1|c")]
    running.say(wire.number(wire.WATCH, False))
    running.say(wire.number(wire.TAKE, 2))
    table = Table()
    merged(table, running.hear())
    running.send(b"a:1|c")
    running.say(wire.frame(wire.REST))
    frames = running.hear(until=0)
    assert wire.SHOWN not in {what for what, _ in frames}
    merged(table, frames)
    assert folded(table) == {"a": 2.0}
