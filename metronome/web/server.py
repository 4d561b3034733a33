"""Where HTTP is served: the site bound to its addresses, and closed in good order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.gateway.gateway import Gateway
from metronome.limits import HTTP_CONNECTIONS, HTTP_IDLE
from metronome.web.endpoint import Web
from metronome.web.page import read_files
from metronome.web.site import Site

Listen = Callable[[Address, ServerFactory[Any]], tuple[IListeningPort, Address]]
"""Binds an address; the port, and what was really bound.  ``ConfigError`` or ``OSError``."""


class WebServer:
    """The site of one gateway and its ports."""

    log = Logger()

    def __init__(
        self,
        gateway: Gateway,
        listen: Listen,
        *,
        metrics_public: bool = False,
        connections: int = HTTP_CONNECTIONS,
        idle: float = HTTP_IDLE,
    ):
        self._listen = listen
        self._ports: list[IListeningPort] = []
        self._addresses: Mapping[str, Sequence[str]] = {}
        web = Web(gateway, metrics_public, read_files(), lambda: self._addresses)
        self.site = Site(web, connections, idle)

    def open(self, addresses: Sequence[Address]) -> list[Address]:
        """Bind the addresses; what was bound, port 0 replaced.  ``ConfigError`` names the one
        that cannot be; those before it stay open until ``close``."""
        return [self._open(address) for address in addresses]

    def tell(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """What the whole gateway listens on, for ``GET /addresses.json``."""
        self._addresses = addresses

    def close(self) -> Deferred[Any]:
        """Take no more connections; fires when the requests under way are answered."""
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        self._ports.clear()
        return gatherResults([*closing, self.site.retire()])

    def _open(self, address: Address) -> Address:
        try:
            port, bound = self._listen(address, self.site)
        except ConfigError as error:
            raise ConfigError(f"http = {address}: {error}") from None
        except (OSError, CannotListenError) as error:
            reason = getattr(error, "socketError", error)
            detail = getattr(reason, "strerror", None) or str(reason)
            right = "an address of this machine that is free would be right"
            raise ConfigError(f"http = {address}: {detail}; {right}") from None
        self._ports.append(port)
        self.log.info("listening http {bound}", bound=str(bound))
        return bound
