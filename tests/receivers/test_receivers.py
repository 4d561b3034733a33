"""Receivers are found by walking their folder."""

from __future__ import annotations

from metronome import receivers
from metronome.options import KEYS


def test_every_receiver_is_found_by_what_it_serves() -> None:
    """Option and transport name one receiver each."""
    assert set(receivers.found()) >= {
        ("statsd", "udp"),
        ("statsd", "unixgram"),
        ("statsd", "tcp"),
        ("statsd", "tls"),
        ("statsd", "unix"),
        ("graphite", "tcp"),
        ("graphite", "tls"),
        ("graphite", "unix"),
        ("graphite", "udp"),
        ("pickle", "tcp"),
        ("pickle", "tls"),
        ("pickle", "unix"),
        ("admin", "tcp"),
        ("admin", "unix"),
    }


def test_every_transport_an_option_takes_has_its_receiver() -> None:
    """What the settings accept, a receiver serves."""
    known = receivers.found()
    places = {"unix": "unix:///a", "unixgram": "unixgram:///a", "tls": "tls://a:1?cert=/c"}
    for key in KEYS:
        served = {transport for option, transport in known if option == key.name}
        for transport in ("udp", "tcp", "tls", "unix", "unixgram") if served else ():
            try:
                key.read(places.get(transport, f"{transport}://a:1"))
            except ValueError:
                assert transport not in served
            else:
                assert transport in served
