"""Graphite plaintext over TCP, TLS or a Unix stream socket, as carbon's line receiver takes it."""

from __future__ import annotations

from metronome.receivers.interface import Given, Receiver
from metronome.receivers.streams import StreamListener


def _make(given: Given) -> StreamListener:
    return StreamListener(given, given.inlet.graphite)


RECEIVER = Receiver("graphite", ("tcp", "tls", "unix"), _make)
