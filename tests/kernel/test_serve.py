"""A receiving thread beside the table's other callers; the native twin's."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from metronome.kernel.interface import Mapped, Reject
from metronome.limits import BACKLOG_BYTES
from metronome.model import Labels
from tests.kernel.helpers import UNION, rows

PATIENCE = 20.0


class Served:
    """A table with a thread that reads sockets into a lane of it, and senders."""

    def __init__(self, kernel: ModuleType, sockets: list[socket.socket]):
        self.table = kernel.Table()
        self.lane = self.table.lane()
        self.errors: list[OSError] = []
        self._told, self._tell = os.pipe()
        self._fds = [one.fileno() for one in sockets]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.table.serve(self._fds, self._told, UNION, self.lane)
        except OSError as error:
            self.errors.append(error)

    def counts(self) -> dict[str, int]:
        """The lane's totals."""
        self.table.feed_statsd(b"", UNION, self.lane)
        return dict(self.table.books()[1][self.lane])

    def until(self, datagrams: int) -> dict[str, int]:
        """Wait for so many datagrams, read or shed."""
        end = time.monotonic() + PATIENCE
        while (counts := self.counts())["datagrams"] < datagrams:
            assert time.monotonic() < end, counts
            time.sleep(0.005)
        return counts

    def stop(self) -> None:
        """Have it read the rest and end."""
        os.write(self._tell, b".")
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        os.close(self._told)
        os.close(self._tell)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a Unix datagram socket, which loses nothing: its sender waits."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ends[0], ends[1]:
        yield ends


def test_it_reads_until_it_is_told_and_then_the_rest(
    native: ModuleType, pair: tuple[socket.socket, socket.socket]
) -> None:
    """What was sent before the stop is folded, whenever the stop comes."""
    served = Served(native, [pair[0]])
    for number in range(500):
        pair[1].send(b"a:%d|c\nb:1|ms" % number)
    served.stop()
    assert served.counts()["samples"] == 1000
    assert [row["n"] for row in rows(served.table.flush(0, 10.0))] == [sum(range(500)), 500.0]
    assert served.table.senders() == [("unix", 500)]


def test_several_sockets_and_who_sent_what(native: ModuleType) -> None:
    """UDP and Unix in one thread; a reject tells its sender."""
    unix, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with unix, other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        served = Served(native, [unix, udp])
        for number in range(300):
            other.send(b"a:1|c")
            if number % 10 == 0:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"bad", udp.getsockname())
        served.until(330)
        served.stop()
    assert served.table.rejects(served.lane) == [Reject("malformed_line", b"bad", "127.0.0.1", 30)]
    assert served.table.rejects() == []
    assert served.table.senders() == [("unix", 300), ("127.0.0.1", 30)]


def test_joined_datagrams_are_taken_apart(native: ModuleType) -> None:
    """Linux may hand over several datagrams of one length as one (UDP_GRO)."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        udp.bind(("127.0.0.1", 0))
        sender.connect(udp.getsockname())
        served = Served(native, [udp])
        segment = [(17, 103, (5).to_bytes(2, "little"))]  # UDP_SEGMENT: cut what is sent into fives
        for _ in range(50):
            sender.sendmsg([b"a:1|ca:2|ca:3|cb:4|"], segment)
        counts = served.until(200)
        served.stop()
    assert (counts["datagrams"], counts["samples"], counts["rejected:malformed_line"]) == (200, 150, 50)
    assert [row["n"] for row in rows(served.table.flush(0, 10.0))] == [300.0]


def test_nothing_is_lost_while_the_process_is_busy(native: ModuleType) -> None:
    """Flushes, feeds, garbage collection and a busy interpreter, all at once (rate bounded, as a
    shared machine may leave this process without a processor for a while)."""
    number = 8000
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind(("127.0.0.1", 0))
        served = Served(native, [udp])
        block = b"\n".join(b"busy.n%d:1|c" % n for n in range(20_000))
        garbage: list[Any] = [[n] for n in range(200_000)]
        folded = flushed = 0
        for burst in range(number // 100):
            for _ in range(100):
                sender.sendto(b"sent:1|c", udp.getsockname())
            folded += served.table.feed_statsd(block, UNION)
            if burst % 10 == 0:
                flushed += int(served.table.flush(0, 10.0).counts.sum())
                gc.collect()
        served.until(number)
        served.stop()
        del garbage
    flushed += int(served.table.flush(0, 10.0).counts.sum())
    assert served.counts()["samples"] == number
    assert flushed == folded + number


def test_the_mapper_runs_in_its_callers_thread(
    native: ModuleType, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Names that only it can tell wait for the next call; their lines keep their order and lane."""
    threads: set[int] = set()

    def mapper(name: str, kind: int, labels: Labels) -> Mapped | None:
        threads.add(threading.get_ident())
        return None if name == "dropped" else Mapped("mapped", (*labels, ("was", name)))

    served = Served(native, [pair[0]])
    served.table.set_mapper(mapper)
    for line in (b"a:1|g", b"a:+2|g", b"dropped:1|c", b"tagged:1|c|#k:v", b"a:+3|g"):
        pair[1].send(line)
    counts = served.until(5)
    served.stop()
    assert threads == {threading.get_ident()}
    assert (counts["lines"], counts["samples"], counts["rejected:mapping_drop"]) == (5, 4, 1)
    found = {row["series"]: row["n"] for row in rows(served.table.flush(0, 10.0))}
    tagged = ("mapped", (("k", "v"), ("was", "tagged")))
    assert found == {("mapped", (("was", "a"),)): 6.0, tagged: 1.0}


def test_what_finds_no_room_while_the_table_is_busy_is_shed(
    native: ModuleType, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Datagrams wait in a bounded backlog; beyond it their lines are counted, none is forgotten."""
    pair[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    lines_each = 5000
    datagram = b"\n".join([b"abcd:1|c"] * lines_each)
    number = BACKLOG_BYTES // len(datagram) + 120  # as many as 50 may wait in the socket at the end
    served = Served(native, [pair[0]])
    entered, leave = threading.Event(), threading.Event()

    def mapper(name: str, kind: int, labels: Labels) -> None:
        entered.set()
        leave.wait(PATIENCE)

    served.table.set_mapper(mapper)
    holder = threading.Thread(target=served.table.feed_statsd, args=(b"x:1|c", UNION))
    holder.start()
    assert entered.wait(PATIENCE)
    for _ in range(number):  # a sender that waits until the thread has read: so it does read
        pair[1].send(datagram)
    leave.set()
    holder.join()
    served.table.set_mapper(None)
    served.stop()
    counts = served.counts()
    assert counts["shed:queue_full"] >= 50 * lines_each
    assert counts["samples"] >= BACKLOG_BYTES // 2 // 9
    assert counts["samples"] + counts["shed:queue_full"] == number * lines_each


def test_a_broken_descriptor_ends_it(native: ModuleType) -> None:
    """What is no socket is an error, not silence."""
    reading, writing = os.pipe()
    os.write(writing, b"x")
    with os.fdopen(reading, "rb") as pipe:
        served = Served(native, [pipe])  # type: ignore[list-item]
        served.stop()
    os.close(writing)
    assert "socket" in str(served.errors[0])


def test_the_pure_twin_says_that_it_does_not() -> None:
    """Whoever looks at ``serves`` never gets there."""
    from metronome.kernel import _pure

    assert not _pure.Table.serves
    with pytest.raises(RuntimeError, match="serves"):
        _pure.Table().serve([], 0, UNION)
