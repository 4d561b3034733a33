"""Graphite plaintext over UDP: whole lines in each datagram; the last needs no line end."""

from __future__ import annotations

from metronome.receivers.datagrams import DatagramListener
from metronome.receivers.interface import Given, Receiver


def _make(given: Given) -> DatagramListener:
    return DatagramListener(given, None, given.inlet.graphite)


RECEIVER = Receiver("graphite", ("udp",), _make)
