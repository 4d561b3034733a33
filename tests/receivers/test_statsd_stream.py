"""Statsd lines of a connection are fed as statsd, however they are framed."""

from __future__ import annotations

import struct

import pytest
from twisted.internet.testing import StringTransport

from metronome.receivers.statsd_stream import FRAMINGS, RECEIVER
from metronome.receivers.streams import StreamListener
from metronome.values import FRAMINGS as WORDS
from tests.receivers.fakes import RememberingInlet, given

LINES = b"a:1|c\nb:2|c\n"
PACKETS = struct.pack("<I", 11) + LINES[:-1]


def test_lines_are_fed_as_statsd() -> None:
    """Every transport of the receiver makes the same listener."""
    inlet = RememberingInlet()
    for address in ("tcp://127.0.0.1:0", "unix:///run/s"):
        listener = RECEIVER.make(given(address, inlet))
        assert isinstance(listener, StreamListener)
        assert listener.feed == inlet.statsd
    assert (RECEIVER.option, RECEIVER.transports) == ("statsd", ("tcp", "tls", "unix"))
    assert tuple(FRAMINGS) == WORDS


@pytest.mark.parametrize(
    ("parameter", "stream", "taken"),
    [
        ("", LINES, LINES),
        ("", PACKETS, LINES),
        ("?framing=auto", PACKETS, LINES),
        ("?framing=line", LINES, LINES),
        ("?framing=length", PACKETS, LINES),
        ("?framing=length", LINES, b""),
    ],
)
def test_each_connection_shows_its_framing_unless_the_address_settles_it(
    parameter: str, stream: bytes, taken: bytes
) -> None:
    """DogStatsD's clients and everybody else share one socket."""
    inlet = RememberingInlet()
    listener = RECEIVER.make(given(f"unix:///run/s{parameter}", inlet))
    connection = listener.buildProtocol(None)
    transport = StringTransport()
    connection.makeConnection(transport)
    for byte in stream:
        connection.dataReceived(bytes([byte]))
    assert inlet.text == taken
    assert transport.disconnected == (not taken)
