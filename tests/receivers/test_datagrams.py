"""Datagrams: read until none waits, shown while watched, counted when lost."""

from __future__ import annotations

import socket
import stat
import sys
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from metronome.addresses import Address
from metronome.limits import DATAGRAM_BYTES, DATAGRAMS_PER_TURN
from metronome.receivers import buffers, datagrams
from metronome.receivers.datagrams import DatagramListener
from tests.receivers.fakes import RememberingInlet, given


class DatagramTests(SynchronousTestCase):
    """One real socket on the loopback address, on a reactor in memory."""

    def setUp(self) -> None:
        self.inlet = RememberingInlet()
        self.reactor = MemoryReactorClock()
        self.listener, self.bound = self.listening("udp://127.0.0.1:0")
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sender.close)

    def listening(self, address: str) -> tuple[DatagramListener, Address]:
        """A listener that feeds each datagram, and where it is bound."""
        listener = DatagramListener(given(address, self.inlet, reactor=self.reactor), None, self.inlet.statsd)
        bound = listener.listen()
        self.addCleanup(lambda: self.successResultOf(listener.stop()))
        return listener, bound

    def send(self, *payloads: bytes) -> None:
        """Send datagrams to the listener."""
        for payload in payloads:
            self.sender.sendto(payload, (self.bound.host, self.bound.port))

    def test_one_turn_reads_all_that_waits(self) -> None:
        """Each datagram is fed whole, with the address it came from."""
        self.assertIn(self.listener, self.reactor.getReaders())
        self.send(b"a:1|c", b"b:2|c\nc:3|c", b"")
        self.listener.doRead()
        self.assertEqual(
            self.inlet.blocks, [(b"a:1|c", "127.0.0.1"), (b"b:2|c\nc:3|c", "127.0.0.1"), (b"", "127.0.0.1")]
        )
        self.listener.doRead()
        self.assertEqual(len(self.inlet.blocks), 3)

    def test_a_turn_is_bounded(self) -> None:
        """A flood leaves the reactor its time; the rest comes with the next turn."""
        self.send(*[b"a:1|c"] * (DATAGRAMS_PER_TURN + 5))
        self.listener.doRead()
        self.assertEqual(len(self.inlet.blocks), DATAGRAMS_PER_TURN)
        self.listener.doRead()
        self.assertEqual(len(self.inlet.blocks), DATAGRAMS_PER_TURN + 5)

    def test_stop_takes_in_what_has_arrived(self) -> None:
        """Nothing that waits in the socket is lost at stop, and stopping twice is nothing."""
        self.send(*[b"a:1|c"] * (DATAGRAMS_PER_TURN + 5))
        self.successResultOf(self.listener.stop())
        self.assertEqual(len(self.inlet.blocks), DATAGRAMS_PER_TURN + 5)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.listener.fileno(), -1)

    def test_the_table_reads_unless_the_input_is_watched(self) -> None:
        """``drain`` cannot show datagrams, so a watcher gets them one by one."""
        calls: list[tuple[int, int]] = []
        drained = DatagramListener(
            given("udp://127.0.0.1:0", self.inlet, reactor=self.reactor),
            lambda fd, budget: calls.append((fd, budget)) or 0,
            self.inlet.statsd,
        )
        self.bound = drained.listen()
        self.send(b"a:1|c")
        drained.doRead()
        self.assertEqual(calls, [(drained.fileno(), DATAGRAMS_PER_TURN)])
        self.assertEqual(self.inlet.blocks, [])
        self.inlet.watched = True
        drained.doRead()
        self.assertEqual(self.inlet.blocks, [(b"a:1|c", "127.0.0.1")])
        self.successResultOf(drained.stop())

    def test_a_second_socket_cannot_share_the_port(self) -> None:
        """Two processes on one port would each get a part of the input."""
        with self.assertRaises(OSError):
            self.listening(str(self.bound))

    def test_ipv6_is_bound_and_written_in_brackets(self) -> None:
        """The address that was bound is one that can be given again."""
        if not socket.has_ipv6:
            return
        _, bound = self.listening("udp://[::1]:0")
        self.assertRegex(str(bound), r"^udp://\[::1\]:[0-9]+$")


def test_a_drop_of_the_kernel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst larger than a small buffer is lost in part: what is read and what is told make it up."""
    monkeypatch.setattr(buffers, "RECEIVE_BUFFER", 4096)
    inlet = RememberingInlet()
    reactor = MemoryReactorClock()
    listener = DatagramListener(given("udp://127.0.0.1:0", inlet, reactor=reactor), None, inlet.statsd)
    bound = listener.listen()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(500):
            sender.sendto(b"x" * 100, (bound.host, bound.port))
    reactor.advance(datagrams.DROPS_INTERVAL)
    told = inlet.dropped
    listener.stop()
    assert len(inlet.blocks) < 500
    if sys.platform == "linux":
        assert told > 0
        assert len(inlet.blocks) + inlet.dropped == 500


def test_a_unix_socket_is_made_with_its_mode_and_removed(tmp_path: Path) -> None:
    """The file stands while we listen, with the permissions that the address asks for."""
    path = tmp_path / "s.sock"
    inlet = RememberingInlet()
    listener = DatagramListener(given(f"unixgram://{path}?mode=620", inlet), None, inlet.statsd)
    assert str(listener.listen()) == f"unixgram://{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a:1|c", str(path))
    listener.doRead()
    assert inlet.blocks == [(b"a:1|c", "unix")]
    listener.stop()
    assert not path.exists()


@pytest.mark.parametrize("signed", [False, True])
def test_a_datagram_that_lost_its_end_is_told(tmp_path: Path, signed: bool) -> None:
    """Its whole lines count; of one that was signed as a whole nothing does."""
    inlet = RememberingInlet()
    inlet.watched = True
    drain = None if signed else inlet.drain
    listener = DatagramListener(given(f"unixgram://{tmp_path / 's'}", inlet), drain, inlet.statsd)
    listener.listen()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a:1|c\n" + b"x" * DATAGRAM_BYTES, str(tmp_path / "s"))
        sender.sendto(b"y" * (DATAGRAM_BYTES + 1), str(tmp_path / "s"))
    listener.doRead()
    assert inlet.blocks == ([] if signed else [(b"a:1|c\n", "unix")])
    assert [reason for reason, _ in inlet.rejects] == ["truncated", "truncated"]
    listener.stop()
