"""All receivers together, over real sockets and the real reactor."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from metronome.addresses import Address
from metronome.config import load
from metronome.errors import ConfigError
from metronome.gateway.telemetry import Telemetry
from metronome.receivers.door import Door
from tests.receivers.fakes import RememberingInlet, counted
from tests.receivers.pem import pem


class DoorTests(TestCase):
    """Binds, takes in, tells, closes."""

    def setUp(self) -> None:
        self.inlets: dict[str, RememberingInlet] = {}
        self.telemetry = Telemetry()
        self.door = Door(reactor, self.telemetry, self.inlet, connections=10, idle=60)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def tearDown(self) -> Deferred[object]:
        return self.door.close()

    def inlet(self, source: str, address: Address) -> RememberingInlet:
        """One inlet for each source."""
        inlet = self.inlets.setdefault(source, RememberingInlet())
        inlet.watched = True
        return inlet

    def open(self, option: str, *addresses: str) -> list[Address]:
        """Bind addresses as an option gives them."""
        return self.door.open(option, getattr(load({option: list(addresses)}, {}), option))

    async def until(self, source: str, number: int) -> None:
        """Wait until so many blocks have come in."""
        for _ in range(200):
            if len(self.inlets[source].blocks) >= number:
                return
            await deferLater(reactor, 0.01)
        self.fail(f"{source} got {self.inlets[source].blocks}")

    async def test_every_transport_takes_statsd_and_graphite(self) -> None:
        """What is sent through real sockets comes in under its receiver's name."""
        path = self.folder
        bound = self.open(
            "statsd", "udp://127.0.0.1:0", "tcp://127.0.0.1:0", f"unix://{path}/s", f"unixgram://{path}/g"
        )
        bound += self.open("graphite", "tcp://localhost:0", "udp://127.0.0.1:0", f"unix://{path}/c")
        for address in bound:
            family = socket.AF_UNIX if address.path else socket.AF_INET
            kind = socket.SOCK_DGRAM if address.transport in ("udp", "unixgram") else socket.SOCK_STREAM
            with socket.socket(family, kind) as sender:
                sender.connect(address.path or (address.host, address.port))
                sender.sendall(b"a:1|c\n")
        self.assertEqual(len(self.inlets), 7)
        for source, inlet in self.inlets.items():
            await self.until(source, 1)
            self.assertEqual(inlet.text, b"a:1|c\n", source)
        await self.door.close()
        self.assertEqual(os.listdir(path), [])

    async def test_lines_come_in_over_tls(self) -> None:
        """A client that trusts the certificate sends over an encrypted connection."""
        cert, key = pem(self.folder)
        bound = self.open("graphite", f"tls://127.0.0.1:0?cert={cert}&key={key}")[0]
        trust = ssl.create_default_context(cafile=str(cert))

        def send() -> None:
            plain = socket.create_connection((bound.host, bound.port))
            with trust.wrap_socket(plain, server_hostname="localhost") as sender:
                sender.sendall(b"a.b 1 1700000000\n")

        await deferToThread(send)
        await self.until("graphite_tls", 1)
        self.assertEqual(self.inlets["graphite_tls"].text, b"a.b 1 1700000000\n")
        self.assertEqual(str(bound), f"tls://127.0.0.1:{bound.port}")

    async def test_open_connections_are_shown_by_receiver(self) -> None:
        """Two addresses of one transport are one receiver."""
        first, second = self.open("statsd", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        places = [(address.host, address.port) for address in (first, second)]
        with socket.create_connection(places[0]) as one, socket.create_connection(places[1]) as two:
            one.sendall(b"a:1|c\n")
            two.sendall(b"a:1|c\n")
            await self.until("statsd_tcp", 2)
            self.assertEqual(counted(self.telemetry, "metronome_connections"), {"statsd_tcp": 2})

    async def test_an_address_that_is_taken_is_named(self) -> None:
        """The option, the address and the system's reason."""
        for option, transport in (("statsd", "udp"), ("statsd", "tcp"), ("graphite", "tcp")):
            bound = self.open(option, f"{transport}://127.0.0.1:0")[0]
            with self.assertRaisesRegex(ConfigError, f"{option} = {bound}: .*in use"):
                self.open(option, str(bound))

    async def test_a_host_that_nobody_knows_is_named(self) -> None:
        """A name that cannot be resolved is a wrong setting."""
        with self.assertRaisesRegex(ConfigError, r"graphite = udp://no\.such\.host\.invalid:1: "):
            self.open("graphite", "udp://no.such.host.invalid:1")

    async def test_a_socket_file_removed_by_somebody_does_not_hinder_the_stop(self) -> None:
        """Stopping works although there is nothing left to remove."""
        self.open("statsd", f"unix://{self.folder}/s", f"unixgram://{self.folder}/g")
        for name in ("s", "g"):
            (self.folder / name).unlink()
        await self.door.close()
        self.assertEqual(os.listdir(self.folder), [])
