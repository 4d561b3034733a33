from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.web.server import WebServer
from tests.web.kit import Connection, WebKit

PLACE = Address("tcp", "127.0.0.1", 0)


class Port:
    """A listening port in memory."""

    stopped = False

    def stopListening(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)


class ServerTests(SynchronousTestCase):
    """The site on its addresses."""

    def setUp(self) -> None:
        self.kit = WebKit()
        self.addCleanup(self.kit.close)
        self.ports: list[Port] = []
        self.failure: Exception | None = None
        self.server = WebServer(self.kit.gateway, self.listen)

    def listen(self, address: Address, factory: ServerFactory) -> tuple[Any, Address]:
        if self.failure:
            raise self.failure
        self.ports.append(Port())
        return self.ports[-1], address._replace(port=40_000 + len(self.ports))

    def test_what_was_bound_is_told(self) -> None:
        """Port 0 is replaced by the one that was taken."""
        bound = self.server.open([PLACE, PLACE])
        self.assertEqual([str(one) for one in bound], ["tcp://127.0.0.1:40001", "tcp://127.0.0.1:40002"])

    def test_an_address_that_cannot_be_bound_is_named(self) -> None:
        """With the reason of whoever refused it."""
        for failure, words in (
            (OSError(98, "Address already in use"), "Address already in use"),
            (CannotListenError("tcp", 80, OSError(13, "Permission denied")), "Permission denied"),
            (ConfigError("cert=x cannot be read"), "cert=x cannot be read"),
        ):
            self.failure = failure
            with pytest.raises(ConfigError, match=f"http = tcp://127.0.0.1:0: {words}"):
                self.server.open([PLACE])

    def test_closing_waits_for_requests_under_way(self) -> None:
        """Ports first, then the answer, then it is closed."""
        self.server.open([PLACE])
        connection = Connection(self.server.site)
        connection.send(b"POST /tick HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n{}")
        closed = self.server.close()
        self.assertTrue(self.ports[0].stopped)
        self.kit.settle()
        self.assertEqual(connection.reply().status, 204)
        self.assertNoResult(closed)
        connection.lose()
        self.successResultOf(closed)

    def test_addresses_of_the_whole_gateway(self) -> None:
        """What is told to the server is answered to readers."""
        self.server.tell({"statsd": ["udp://127.0.0.1:8125"]})
        connection = Connection(self.server.site)
        head = f"GET /addresses.json HTTP/1.1\r\nAuthorization: Bearer {self.kit.token}\r\n\r\n"
        connection.send(head.encode())
        self.assertEqual(connection.reply().json, {"statsd": ["udp://127.0.0.1:8125"]})
