"""All receivers of a gateway: bound together, counted together, stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from metronome import receivers
from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.gateway.console import Console
from metronome.gateway.inlet import Inlet
from metronome.gateway.telemetry import Telemetry
from metronome.receivers.interface import Crew, Given, IReactor, Listener
from metronome.wire.signed import Secret


class Door:
    """What input comes in through.

    ``inlet(source, address)`` makes the inlet of one address; ``source`` names the receiver in
    the books, such as ``statsd_udp``.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        telemetry: Telemetry,
        inlet: Callable[[str, Address], Inlet],
        connections: int,
        idle: float,
        secret: Secret | None = None,
        crew: Crew | None = None,
        console: Console | None = None,
    ):
        self._reactor = reactor
        self._telemetry = telemetry
        self._inlet = inlet
        self._connections = connections
        self._idle = idle
        self._secret = secret
        self._crew = crew
        self._console = console
        self._known = receivers.found()
        self._listeners: dict[str, list[Listener]] = {}

    def open(self, option: str, addresses: Sequence[Address]) -> list[Address]:
        """Bind the addresses of one option; what was bound, port 0 replaced.

        ``ConfigError`` names the one that cannot be bound; those before it stay open until
        ``close``.
        """
        return [self._open(option, address) for address in addresses]

    def close(self) -> Deferred[Any]:
        """Stop all of them; fires when nothing more will come in."""
        listeners = [listener for group in self._listeners.values() for listener in group]
        self._listeners.clear()
        return gatherResults([listener.stop() for listener in listeners])

    def _open(self, option: str, address: Address) -> Address:
        source = f"{option}_{address.transport}"
        inlet = self._inlet(source, address)
        given = Given(
            self._reactor,
            address,
            inlet,
            self._telemetry,
            self._connections,
            self._idle,
            self._secret,
            self._crew,
            self._console,
        )
        listener = self._known[option, address.transport].make(given)
        try:
            bound = listener.listen()
        except ConfigError as error:
            raise ConfigError(f"{option} = {address}: {error}") from None
        except (OSError, CannotListenError) as error:
            reason = getattr(error, "socketError", error)
            detail = getattr(reason, "strerror", None) or str(reason)
            right = "an address of this machine that is free would be right"
            raise ConfigError(f"{option} = {address}: {detail}; {right}") from None
        self._add(source, listener)
        self.log.info("listening {option} {bound}", option=option, bound=str(bound))
        return bound

    def _add(self, source: str, listener: Listener) -> None:
        if source not in self._listeners:
            self._listeners[source] = []
            self._telemetry.gauge("metronome_connections", lambda: self._count(source), source=source)
        self._listeners[source].append(listener)

    def _count(self, source: str) -> int:
        return sum(listener.connected for listener in self._listeners.get(source, []))
