"""Graphite datagrams are fed one by one."""

from __future__ import annotations

import socket

from metronome.receivers.datagrams import DatagramListener
from metronome.receivers.graphite_udp import RECEIVER
from tests.receivers.fakes import RememberingInlet, given


def test_a_datagram_is_fed_as_graphite() -> None:
    """The statsd reader of the table is never asked."""
    inlet = RememberingInlet()
    listener = RECEIVER.make(given("udp://127.0.0.1:0", inlet))
    assert isinstance(listener, DatagramListener)
    bound = listener.listen()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a.b 1 1700000000", (bound.host, bound.port))
    listener.doRead()
    listener.stop()
    assert inlet.blocks == [(b"a.b 1 1700000000", "127.0.0.1")]
    assert (RECEIVER.option, RECEIVER.transports) == ("graphite", ("udp",))
