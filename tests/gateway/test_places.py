"""Real connections to what addresses say: TLS with its checks, and Unix sockets."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.gateway.carbon import Carbon, Sending
from metronome.gateway.places import endpoint_of
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk
from metronome.receivers.sockets import TlsContext
from tests.receivers.pem import pem

DATA = b"a.b 1 1700000000\n" * 20_000


class Taking(Protocol):
    """A carbon that keeps what it gets."""

    def __init__(self, test: PlacesTests):
        self.test = test

    def dataReceived(self, data: bytes) -> None:
        self.test.got += data
        if len(self.test.got) == len(DATA) and not self.test.whole.called:
            self.test.whole.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.test.open.discard(self)
        if not self.test.open and self.test.closed is not None:
            self.test.closed.callback(None)

    def connectionMade(self) -> None:
        self.test.open.add(self)


class PlacesTests(TestCase):
    """A carbon behind each kind of address."""

    def setUp(self) -> None:
        self.got = b""
        self.whole: Deferred[None] = Deferred()
        self.open: set[Taking] = set()
        self.closed: Deferred[None] | None = None
        folder = tempfile.TemporaryDirectory(prefix="mt", dir="/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.factory = Factory.forProtocol(lambda: Taking(self))

    def tls(self, asks: bool = False) -> int:
        """Serve with a certificate for ``localhost``; the port."""
        self.cert, self.key = pem(self.folder)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_file(str(self.cert))
        context.use_privatekey_file(str(self.key))
        if asks:
            context.load_verify_locations(str(self.cert))
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, None)
        port = reactor.listenSSL(0, self.factory, TlsContext(context), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return port.getHost().port

    def sending(self, address: Address) -> Carbon:
        secure = Sending(secure=address.transport == "tls")
        endpoint = endpoint_of(reactor, address)
        return Carbon("carbon", endpoint, reactor, Telemetry(), self._back, secure)

    def _back(self) -> None:
        self.back.callback(None)

    @inlineCallbacks
    def arrives(self, address: Address) -> Generator[Deferred, object, None]:
        self.back: Deferred[None] = Deferred()
        carbon = self.sending(address)
        carbon.start()
        yield self.back
        yield carbon.send(iter([Chunk(DATA, 20_000, 1)]))
        yield self.whole
        yield self.ended(carbon)
        self.assertEqual(self.got, DATA)

    @inlineCallbacks
    def ended(self, carbon: Carbon) -> Generator[Deferred, object, None]:
        """Close, and wait until the other side has seen it."""
        self.closed = Deferred() if self.open else None
        yield carbon.stop()
        if self.closed is not None:
            yield self.closed

    @inlineCallbacks
    def refuses(self, address: Address, words: str) -> Generator[Deferred, object, None]:
        """There is never a connection, and why can be told."""
        self.back = Deferred()
        carbon = self.sending(address)
        carbon.start()
        for _ in range(200):
            pause: Deferred[None] = Deferred()
            reactor.callLater(0.01, pause.callback, None)
            yield pause
            if words in carbon.trouble:
                break
        self.assertIn(words, carbon.trouble)
        self.assertFalse(carbon.connected)
        self.assertFalse(self.back.called)
        yield carbon.stop()
        self.assertEqual(self.got, b"")

    def test_unix(self) -> Deferred:
        """A stream socket in the file system."""
        path = str(self.folder / "carbon.sock")
        port = reactor.listenUNIX(path, self.factory)
        self.addCleanup(port.stopListening)
        return self.arrives(Address("unix", path=path))

    def test_tls(self) -> Deferred:
        """A server whose certificate is signed by who is trusted, and for its name."""
        port = self.tls()
        return self.arrives(Address("tls", "localhost", port, parameters=(("ca", str(self.cert)),)))

    def test_another_name(self) -> Deferred:
        """``name=`` says which name the certificate is for."""
        port = self.tls()
        named = (("ca", str(self.cert)), ("name", "localhost"))
        return self.arrives(Address("tls", "127.0.0.1", port, parameters=named))

    def test_our_own_certificate(self) -> Deferred:
        """A server that asks for one is shown ours."""
        port = self.tls(asks=True)
        ours = (("ca", str(self.cert)), ("cert", str(self.cert)), ("key", str(self.key)))
        return self.arrives(Address("tls", "localhost", port, parameters=ours))

    def test_the_wrong_name(self) -> Deferred:
        """A certificate for another host is none."""
        port = self.tls()
        return self.refuses(
            Address("tls", "127.0.0.1", port, parameters=(("ca", str(self.cert)),)), "Mismatch"
        )

    def test_nobody_to_trust(self) -> Deferred:
        """Who is not known to the system's authorities is refused."""
        port = self.tls()
        return self.refuses(Address("tls", "localhost", port), "certificate verify failed")


class FilesTests(SynchronousTestCase):
    """PEM files that cannot be used are a mistake in the settings."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.empty = Path(folder.name) / "empty.pem"
        self.empty.write_text("nothing\n")
        self.cert, self.key = pem(Path(folder.name))
        self.broken = Path(folder.name) / "broken.pem"
        self.broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    def test_messages(self) -> None:
        """Each names the address with its files."""
        cases: list[dict[str, object]] = [
            {"ca": "/does/not/exist.pem"},
            {"ca": self.empty},
            {"ca": self.broken},
            {"cert": self.cert, "key": self.empty},
            {"cert": self.cert},
        ]
        for parameters in cases:
            pairs = tuple((name, str(value)) for name, value in parameters.items())
            with self.assertRaises(ConfigError) as caught:
                endpoint_of(reactor, Address("tls", "localhost", 2003, parameters=pairs))
            self.assertIn("PEM files cannot be used", str(caught.exception))
            self.assertIn(next(iter(pairs))[1], str(caught.exception))
