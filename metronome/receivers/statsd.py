"""Statsd datagrams: one or several lines each, over UDP or a Unix datagram socket.

Nothing is answered.  A datagram on a Unix socket waits in the sender when our buffer is full; one
over UDP is lost then, and counted.

With a secret each datagram must be signed (``wire/signed.py``), unless the address says
``signed=no``: a socket that only this machine reaches.

Workers (``crew.py``), where there are any, read UDP but for signed datagrams: whoever remembers the
signatures must see them all.
"""

from __future__ import annotations

from metronome.receivers.datagrams import DatagramListener, Feed
from metronome.receivers.interface import Given, Listener, Receiver
from metronome.wire.signed import Secret, Verifier


def _make(given: Given) -> Listener:
    if given.secret is not None and given.address.parameter("signed", "yes") == "yes":
        return DatagramListener(given, None, _opened(given, given.secret))
    if given.crew is not None and given.address.transport == "udp":
        return given.crew.listener(given)
    serve = given.inlet.serve if given.inlet.serves else None
    return DatagramListener(given, given.inlet.drain, given.inlet.statsd, serve)


def _opened(given: Given, secret: Secret) -> Feed:
    """Feeds what was signed, refuses the rest."""
    seconds = given.reactor.seconds
    verifier = Verifier(secret, seconds())

    def feed(datagram: bytes, sender: str) -> None:
        reason, payload = verifier.verify(datagram, seconds())
        if reason:
            given.inlet.reject(reason, payload, sender)
        else:
            given.inlet.statsd(payload, sender)

    return feed


RECEIVER = Receiver("statsd", ("udp", "unixgram"), _make)
