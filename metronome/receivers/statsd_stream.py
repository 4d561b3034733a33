"""Statsd lines over TCP, TLS or a Unix stream socket, each ended by LF."""

from __future__ import annotations

from metronome.receivers.interface import Given, Receiver
from metronome.receivers.streams import StreamListener


def _make(given: Given) -> StreamListener:
    return StreamListener(given, given.inlet.statsd)


RECEIVER = Receiver("statsd", ("tcp", "tls", "unix"), _make)
