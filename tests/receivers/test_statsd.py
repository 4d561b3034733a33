"""Statsd datagrams go to the table's own reader."""

from __future__ import annotations

import socket

from twisted.internet.testing import MemoryReactorClock

from metronome.receivers.datagrams import DatagramListener
from metronome.receivers.statsd import RECEIVER
from metronome.wire.signed import Secret, sign
from tests.receivers.fakes import RememberingInlet, given


def test_datagrams_are_drained_and_only_fed_while_watched() -> None:
    """The table reads by itself; a watcher gets the same through ``statsd``."""
    inlet = RememberingInlet()
    budgets: list[int] = []
    inlet.drain = lambda fd, budget: budgets.append(budget) or 0
    listener = RECEIVER.make(given("udp://127.0.0.1:0", inlet))
    assert isinstance(listener, DatagramListener)
    listener.listen()
    listener.doRead()
    listener.stop()
    assert budgets
    assert (RECEIVER.option, RECEIVER.transports) == ("statsd", ("udp", "unixgram"))


def test_with_a_secret_only_signed_datagrams_are_fed() -> None:
    """Others are refused by their reason; ``signed=no`` excepts one address."""
    secret = Secret(b"key", 10)
    clock = MemoryReactorClock()
    clock.advance(1_700_000_000)
    inlet = RememberingInlet()
    listener = RECEIVER.make(given("udp://127.0.0.1:0", inlet, secret=secret, reactor=clock))
    assert isinstance(listener, DatagramListener)
    bound = listener.listen()
    good = sign(b"a:1|c", b"key", clock.seconds(), 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (b"b:2|c", good, good, sign(b"a:1|c", b"guess", clock.seconds(), 2)):
            sender.sendto(datagram, (bound.host, bound.port))
    listener.doRead()
    listener.stop()
    assert inlet.blocks == [(b"a:1|c", "127.0.0.1")]
    assert [reason for reason, _ in inlet.rejects] == ["bad_signature", "replayed", "bad_signature"]

    drained: list[int] = []
    inlet.drain = lambda fd, budget: drained.append(budget) or 0
    listener = RECEIVER.make(given("udp://127.0.0.1:0?signed=no", inlet, secret=secret, reactor=clock))
    assert isinstance(listener, DatagramListener)
    listener.listen()
    listener.stop()
    assert drained
