"""Statsd datagrams go to the table's own reader."""

from __future__ import annotations

from metronome.receivers.datagrams import DatagramListener
from metronome.receivers.statsd import RECEIVER
from tests.receivers.fakes import RememberingInlet, given


def test_datagrams_are_drained_and_only_fed_while_watched() -> None:
    """The table reads by itself; a watcher gets the same through ``statsd``."""
    inlet = RememberingInlet()
    budgets: list[int] = []
    inlet.drain = lambda fd, budget: budgets.append(budget) or 0
    listener = RECEIVER.make(given("udp://127.0.0.1:0", inlet))
    assert isinstance(listener, DatagramListener)
    listener.listen()
    listener.doRead()
    listener.stop()
    assert budgets
    assert (RECEIVER.option, RECEIVER.transports) == ("statsd", ("udp", "unixgram"))
