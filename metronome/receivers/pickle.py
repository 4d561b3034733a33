"""carbon's pickle protocol over TCP, TLS or a Unix stream socket, as carbon's relay sends it.

The points come in as lines of Graphite plaintext would; see ``wire/unpickle.py``.
"""

from __future__ import annotations

from metronome.receivers.interface import Given, Receiver
from metronome.receivers.streams import StreamListener
from metronome.wire.unpickle import PickleFraming


def _make(given: Given) -> StreamListener:
    return StreamListener(given, given.inlet.graphite, PickleFraming)


RECEIVER = Receiver("pickle", ("tcp", "tls", "unix"), _make)
