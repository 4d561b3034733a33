"""Statsd datagrams: one or several lines each, over UDP or a Unix datagram socket.

Nothing is answered.  A datagram on a Unix socket waits in the sender when our buffer is full; one
over UDP is lost then, and counted.
"""

from __future__ import annotations

from metronome.receivers.datagrams import DatagramListener
from metronome.receivers.interface import Given, Receiver


def _make(given: Given) -> DatagramListener:
    return DatagramListener(given, given.inlet.drain, given.inlet.statsd)


RECEIVER = Receiver("statsd", ("udp", "unixgram"), _make)
