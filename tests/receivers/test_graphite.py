"""Graphite lines of a connection are fed as Graphite."""

from __future__ import annotations

from metronome.receivers.graphite import RECEIVER
from metronome.receivers.streams import StreamListener
from tests.receivers.fakes import RememberingInlet, given


def test_lines_are_fed_as_graphite() -> None:
    """The same connections as statsd, another parser."""
    inlet = RememberingInlet()
    inlet.graphite = lambda block, sender="": None
    listener = RECEIVER.make(given("tcp://127.0.0.1:0", inlet))
    assert isinstance(listener, StreamListener)
    assert listener.feed is inlet.graphite
    assert (RECEIVER.option, RECEIVER.transports) == ("graphite", ("tcp", "tls", "unix"))
