"""Statsd lines of a connection are fed as statsd."""

from __future__ import annotations

from metronome.receivers.statsd_stream import RECEIVER
from metronome.receivers.streams import StreamListener
from tests.receivers.fakes import RememberingInlet, given


def test_lines_are_fed_as_statsd() -> None:
    """Every transport of the receiver makes the same listener."""
    inlet = RememberingInlet()
    for address in ("tcp://127.0.0.1:0", "unix:///run/s"):
        listener = RECEIVER.make(given(address, inlet))
        assert isinstance(listener, StreamListener)
        assert listener.feed == inlet.statsd
    assert (RECEIVER.option, RECEIVER.transports) == ("statsd", ("tcp", "tls", "unix"))
