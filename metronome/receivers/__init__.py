"""Bytes in: one Twisted protocol a file, found by its constant ``RECEIVER``."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from metronome.receivers.interface import Receiver


def found() -> dict[tuple[str, str], Receiver]:
    """Every receiver of this folder by option and transport.

    Two that serve the same are a programming error, reported at start.
    """
    receivers: dict[tuple[str, str], Receiver] = {}
    for module in pkgutil.iter_modules(__path__):
        receiver = getattr(import_module(f"{__name__}.{module.name}"), "RECEIVER", None)
        if receiver is None:
            continue
        assert isinstance(receiver, Receiver), f"RECEIVER of {module.name} is no Receiver"
        for transport in receiver.transports:
            place = (receiver.option, transport)
            assert place not in receivers, f"{module.name}: another receiver serves {place}"
            receivers[place] = receiver
    return receivers
