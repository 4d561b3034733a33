"""The HTTP client of remote write, against a real server with TLS."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from metronome.errors import ConfigError, DestinationUnavailable
from metronome.gateway.push import Sender
from metronome.gateway.telemetry import Telemetry
from metronome.write_agent import agent_for, own_labels
from metronome.write_targets import parse
from tests.receivers.pem import pem

REACTOR: Any = reactor


class Taking(Resource):
    """Takes requests."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, bool]] = []

    def render_POST(self, request: Any) -> bytes:
        """What came, and whether the client showed a certificate."""
        shown = request.transport.getPeerCertificate() is not None
        self.taken.append((request.getHeader("content-encoding"), shown))
        return b""


@implementer(IOpenSSLContextFactory)
class Context:
    """A context as Twisted wants it."""

    def __init__(self, cert: Path, key: Path):
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.use_certificate_chain_file(str(cert))
        self._context.use_privatekey_file(str(key))
        self._context.load_verify_locations(str(cert))
        self._context.set_verify(SSL.VERIFY_PEER, lambda *found: bool(found[-1]))

    def getContext(self) -> SSL.Context:
        """It."""
        return self._context


class Tls(TestCase):
    """Over a real connection."""

    def setUp(self) -> None:
        """A server whose certificate nobody knows."""
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.cert, key = pem(folder)
        self.both = folder / "both.pem"
        self.both.write_bytes(self.cert.read_bytes() + key.read_bytes())
        self.server = Taking()
        site = Site(self.server)
        site.noisy = False
        self.port = REACTOR.listenSSL(0, site, Context(self.cert, key), interface="127.0.0.1")
        self.addCleanup(self.port.stopListening)

    @inlineCallbacks
    def post(self, behind: str) -> Generator[Deferred[Any], Any, None]:
        """One request, tried once."""
        target = parse(f"https://localhost:{self.port.getHost().port}/write#version=1&{behind}")
        agent, pool = agent_for(target, REACTOR)
        sender = Sender(
            "x", target.url, agent, REACTOR, Telemetry(), headers={}, version=1, chance=lambda: 0.5
        )
        try:
            yield sender.send(lambda version: (b"hello", 1), tries=1)
        finally:
            yield pool.closeCachedConnections()

    @inlineCallbacks
    def test_certificates(self) -> Generator[Deferred[Any], Any, None]:
        """A server is believed by ``ca``, and shown ``cert``; else there is no request."""
        yield self.post(f"ca={self.cert}&cert={self.both}")
        yield self.assertFailure(self.post("in-flight=1"), DestinationUnavailable)
        yield self.post(f"ca={self.cert}")
        self.assertEqual(self.server.taken, [("snappy", True), ("snappy", False)])


def test_labels_of_our_own_series() -> None:
    """As a scrape would label them, but for what the settings say."""
    machine = socket.gethostname()
    assert dict(own_labels(parse("https://a/"))) == {"job": "metronome", "instance": machine}
    assert dict(own_labels(parse("https://a/#labels=instance:gw,dc:x"))) == {
        "job": "metronome",
        "instance": "gw",
        "dc": "x",
    }


@pytest.mark.parametrize("behind", ["ca={0}/none", "ca={0}/empty", "cert={0}/empty", "ca={0}/bad"])
def test_files_that_are_no_pem(tmp_path: Path, behind: str) -> None:
    """The error names the setting, when the gateway starts and not when it sends."""
    (tmp_path / "empty").write_text("")
    (tmp_path / "bad").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match=r"remote-write = https://a/.*PEM files cannot be used"):
        agent_for(parse("https://a/#" + behind.format(tmp_path)), REACTOR)
