"""Where a carbon is: endpoints and sockets from addresses.

TLS is that of a client: the server's certificate must come from who is trusted (``ca=FILE``, else the
system's authorities) and be for its host (or ``name=``); ours is shown when there is one (``cert=FILE``,
``key=FILE``).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IHostResolution,
    IOpenSSLClientConnectionCreator,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.addresses import Address
from metronome.errors import ConfigError

if TYPE_CHECKING:
    from OpenSSL.crypto import X509
    from OpenSSL.SSL import Connection, Context
    from twisted.protocols.tls import TLSMemoryBIOProtocol


def endpoint_of(reactor: IReactorTime, address: Address) -> IStreamClientEndpoint:
    """What connects to an address.  ``ConfigError`` when its certificates cannot be used."""
    if address.path:
        return UNIXClientEndpoint(reactor, address.path)
    endpoint = HostnameEndpoint(reactor, address.host, address.port)
    if not address.transport.endswith("tls"):
        return endpoint
    ca, cert = address.parameter("ca"), address.parameter("cert")
    try:
        client = tls_client(address.parameter("name", address.host), ca, cert, address.parameter("key", cert))
    except ValueError as error:
        raise ConfigError(f"graphite-out = {address}: its PEM files cannot be used: {error}") from None
    secure: IStreamClientEndpoint = wrapClientTLS(client, endpoint)
    return secure


@implementer(IOpenSSLClientConnectionCreator)
class _Client:
    """Makes connections that trust nobody but who has a certificate for one host."""

    def __init__(self, context: Context, host: str):
        self._context = context
        self._host = host

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> Connection:
        from OpenSSL import SSL
        from service_identity import CertificateError, VerificationError
        from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
        from service_identity.pyopenssl import extract_patterns

        numeric = isIPAddress(self._host) or isIPv6Address(self._host)
        wanted = IPAddress_ID(self._host) if numeric else DNS_ID(self._host)

        def is_right(_: Connection, certificate: X509, error: int, depth: int, signed: int) -> bool:
            if depth or not signed:
                return bool(signed)
            try:
                verify_service_identity(extract_patterns(certificate), [wanted], [])
            except (VerificationError, CertificateError):
                protocol.failVerification(Failure())
                return False
            return True

        connection = SSL.Connection(self._context, None)
        if not numeric:
            connection.set_tlsext_host_name(self._host.encode("idna"))
        connection.set_verify(SSL.VERIFY_PEER, is_right)
        return connection


def tls_client(host: str, ca: str, cert: str, key: str) -> IOpenSSLClientConnectionCreator:
    """Connections to one host; its certificate comes from ``ca`` or whom the system trusts, ours is
    ``cert`` with ``key`` where there is one.  ``ValueError`` when a file cannot be used."""
    # OpenSSL costs 10 MB of memory and 0.1 s; whoever needs no TLS does without.
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    try:
        if ca:
            context.load_verify_locations(ca)
        else:
            context.set_default_verify_paths()
        if cert:
            context.use_certificate_chain_file(cert)
            context.use_privatekey_file(key)
            context.check_privatekey()
    except SSL.Error as error:
        detail = error.args[0][0][-1] if error.args and error.args[0] else "not readable"
        raise ValueError(detail) from None
    return _Client(context, host)


def open_datagrams(reactor: IReactorTime, address: Address) -> Deferred[Any]:
    """A connected, non-blocking UDP socket; fails with ``OSError``."""
    first = _First(address.host)
    resolver = IReactorPluggableNameResolver(reactor).nameResolver
    resolver.resolveHostName(first, address.host, address.port, transportSemantics="UDP")
    return first.found.addCallback(_connected)


def _connected(place: IPv4Address | IPv6Address) -> socket.socket:
    family = socket.AF_INET6 if isinstance(place, IPv6Address) else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.connect((place.host, place.port))
    except OSError:
        made.close()
        raise
    return made


@implementer(IResolutionReceiver)
class _First:
    """The first address that a name has."""

    def __init__(self, host: str):
        self._host = host
        self.found: Deferred[Any] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing to do."""

    def addressResolved(self, address: Any) -> None:
        if not self.found.called:
            self.found.callback(address)

    def resolutionComplete(self) -> None:
        if not self.found.called:
            self.found.errback(DNSLookupError(f"there is no host {self._host}"))
