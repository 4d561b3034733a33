"""Statsd lines over TCP, TLS or a Unix stream socket.

Each line ends with LF; or packets of lines come behind their length, as DogStatsD's clients
send them over Unix stream sockets.  Which of them it is each connection shows by its first
four bytes; ``framing=line`` or ``framing=length`` in the address settles it instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from metronome.receivers.interface import Given, Receiver
from metronome.receivers.streams import StreamListener
from metronome.wire.framing import Either, Framing, Lines, Packets

FRAMINGS: Final[dict[str, Callable[[], Framing]]] = {"auto": Either, "line": Lines, "length": Packets}
"""By the word of the address."""


def _make(given: Given) -> StreamListener:
    framing = FRAMINGS[given.address.parameter("framing", "auto")]
    return StreamListener(given, given.inlet.statsd, framing)


RECEIVER = Receiver("statsd", ("tcp", "tls", "unix"), _make)
