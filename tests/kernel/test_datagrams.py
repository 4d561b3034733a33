"""Draining real sockets on the loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from types import ModuleType

import pytest

from metronome.kernel.datagrams import receive
from tests.kernel.helpers import UNION, rows

SO_RXQ_OVFL = 40


@pytest.fixture
def udp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A bound socket and one that sends to it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        inlet.bind(("127.0.0.1", 0))
        sender.connect(inlet.getsockname())
        yield inlet, sender


def test_everything_that_waits_is_folded(
    kernel: ModuleType, udp: tuple[socket.socket, socket.socket]
) -> None:
    """All datagrams, more than one system call takes, and then no waiting for others."""
    inlet, sender = udp
    for number in range(150):
        sender.send(b"a:%d|c\nb:1|ms" % number)
    table = kernel.Table()
    assert table.drain(inlet.fileno(), 1000, UNION) == 150
    assert table.drain(inlet.fileno(), 1000, UNION) == 0
    counts = table.counts()
    assert (counts["datagrams"], counts["lines"], counts["samples"]) == (150, 300, 300)
    assert [row["n"] for row in rows(table.flush(0, 10.0))] == [sum(range(150)), 150.0]


def test_no_more_than_the_budget(kernel: ModuleType, udp: tuple[socket.socket, socket.socket]) -> None:
    """What is over the budget stays in the socket."""
    inlet, sender = udp
    for _ in range(100):
        sender.send(b"a:1|c")
    table = kernel.Table()
    assert [table.drain(inlet.fileno(), budget, UNION) for budget in (7, 70, 70)] == [7, 70, 23]


def test_an_empty_datagram_counts(kernel: ModuleType, udp: tuple[socket.socket, socket.socket]) -> None:
    """It is a datagram without lines, not the end."""
    inlet, sender = udp
    sender.send(b"")
    sender.send(b"a:1|c")
    table = kernel.Table()
    assert table.drain(inlet.fileno(), 10, UNION) == 2
    assert table.counts()["lines"] == 1


def test_the_largest_datagram_fits(kernel: ModuleType, udp: tuple[socket.socket, socket.socket]) -> None:
    """65,507 bytes, the most that UDP carries over IPv4."""
    inlet, sender = udp
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    line = b"a:1|c\n"
    sender.send((line * (65507 // len(line) + 1))[:65507])
    table = kernel.Table()
    assert table.drain(inlet.fileno(), 10, UNION) == 1
    assert table.counts()["samples"] == 65507 // len(line) + 1  # the last line just lacks its end


def test_a_truncated_datagram_keeps_its_whole_lines(kernel: ModuleType) -> None:
    """Unix sockets carry more than the buffer holds: the cut line is refused, the others count."""
    inlet, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with inlet, sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sender.send(b"a:1|c\nb:1|c\n" + b"c" * 80000 + b":1|c\nd:1|c")
        table = kernel.Table()
        assert table.drain(inlet.fileno(), 10, UNION) == 1
    assert [row["series"][0] for row in rows(table.flush(0, 10.0))] == ["a", "b"]
    assert table.rejects() == [("truncated", b"c" * 160, "unix", 1)]


def test_drops_of_the_kernel_are_seen(kernel: ModuleType, udp: tuple[socket.socket, socket.socket]) -> None:
    """A socket that reports ``SO_RXQ_OVFL`` says how many datagrams were lost before each."""
    inlet, sender = udp
    inlet.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    table = kernel.Table()
    for _ in range(2):
        for _ in range(100):
            sender.send(b"a:1|c" + b" " * 500)
        table.drain(inlet.fileno(), 1000, UNION)
    sender.send(b"a:1|c")
    table.drain(inlet.fileno(), 1000, UNION)
    counts = table.counts()
    assert counts["kernel_drops"] > 0
    assert counts["kernel_drops"] + counts["datagrams"] == 201


def test_a_broken_descriptor_is_an_error(kernel: ModuleType) -> None:
    """What is no socket raises OSError instead of looking empty."""
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match="socket"):
            kernel.Table().drain(reading, 10, UNION)
    finally:
        os.close(reading)
        os.close(writing)


def test_receiving_leaves_the_socket_open(udp: tuple[socket.socket, socket.socket]) -> None:
    """The pure twin borrows the descriptor and gives it back as it was."""
    inlet, sender = udp
    sender.send(b"x")
    assert [data for data, *_ in receive(inlet.fileno(), 10)] == [b"x"]
    sender.send(b"y")
    assert inlet.recv(10) == b"y"
    assert inlet.getblocking()
