"""What a receiver is, what it is given, and what it promises.

A file of this folder that has a constant ``RECEIVER`` is a receiver; ``receivers.found``
finds it.  Nothing else has to be told of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IReactorFDSet,
    IReactorFromThreads,
    IReactorSSL,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)

from metronome.addresses import Address
from metronome.gateway.console import Console
from metronome.gateway.inlet import Inlet
from metronome.gateway.telemetry import Telemetry
from metronome.wire.signed import Secret


class IReactor(IReactorFDSet, IReactorTCP, IReactorUNIX, IReactorSSL, IReactorTime, IReactorFromThreads):
    """What a gateway takes of a reactor."""


class Given(NamedTuple):
    """What a receiver works with.  ``idle`` in seconds."""

    reactor: IReactor
    address: Address
    inlet: Inlet
    telemetry: Telemetry
    connections: int
    idle: float
    secret: Secret | None = None
    """With it, datagrams of statsd must be signed."""
    crew: Crew | None = None
    """With it, workers read statsd's UDP datagrams."""
    console: Console | None = None
    """What the admin console asks."""


class Listener(Protocol):
    """One bound address."""

    def listen(self) -> Address:
        """Bind and begin; the address that was really bound.  ``OSError`` or Twisted's
        ``CannotListenError`` when it cannot be, ``ConfigError`` for what a user set wrong."""
        ...

    def stop(self) -> Deferred[None]:
        """Take in what has arrived, close, remove what was left in the file system."""
        ...

    @property
    def connected(self) -> int:
        """Open connections; 0 where there are none to hold."""
        ...


class Crew(Protocol):
    """Worker processes that read on behalf of the gateway."""

    def listener(self, given: Given) -> Listener:
        """The listener of a UDP address that they are to read."""
        ...


class Receiver(NamedTuple):
    """One protocol over a family of transports."""

    option: str
    """The setting whose addresses it serves, such as ``statsd``."""
    transports: tuple[str, ...]
    make: Callable[[Given], Listener]
