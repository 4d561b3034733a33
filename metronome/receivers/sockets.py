"""Binding: host names, socket files, TLS, and ports of Twisted's reactor.

A socket file that nobody listens on is what a killed process left; it is replaced.  One
that somebody listens on, or anything else that is no socket, is left alone and refused.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IOpenSSLContextFactory
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.receivers.interface import IReactor

if TYPE_CHECKING:
    from OpenSSL.SSL import Context

SOCKET_MODE: Final = "666"
"""Permissions of a socket file unless ``mode=`` says otherwise: whoever is on this machine
may write, as with the UDP port on the loopback address."""
BACKLOG: Final = 1024
"""Connections that wait to be accepted; the system may allow fewer."""


def resolve(address: Address, kind: int) -> tuple[int, tuple[str, int]]:
    """Address family, and IP address with port; ``OSError`` for a name that nobody knows."""
    found = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)
    family, _, _, _, place = found[0]
    return family, (str(place[0]), int(place[1]))


def datagram_socket(address: Address) -> socket.socket:
    """A bound, non-blocking datagram socket.

    Without SO_REUSEADDR: on Linux two sockets that have it may share a UDP port, and the
    second process would silently take the first one's datagrams.
    """
    if address.path:
        return _unix_datagram_socket(address)
    family, place = resolve(address, socket.SOCK_DGRAM)
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind(place)
    except OSError:
        bound.close()
        raise
    return bound


def sharing_datagram_sockets(address: Address, number: int) -> list[socket.socket]:
    """So many bound, non-blocking UDP sockets of one address; the system spreads the senders over them.

    A sender's datagrams always come to the same one (Linux; macOS gives everything to one of them).
    An address that somebody else has is refused, even where he would share it.
    """
    family, place = resolve(address, socket.SOCK_DGRAM)
    with socket.socket(family, socket.SOCK_DGRAM) as alone:
        alone.bind(place)
    bound: list[socket.socket] = []
    try:
        for _ in range(number):
            one = socket.socket(family, socket.SOCK_DGRAM)
            bound.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(place)
            place = one.getsockname()[:2]
    except OSError:
        for one in bound:
            one.close()
        raise
    return bound


def _unix_datagram_socket(address: Address) -> socket.socket:
    clear_stale(address.path, socket.SOCK_DGRAM)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind(address.path)
        os.chmod(address.path, _mode(address))
    except OSError:
        bound.close()
        raise
    return bound


def listen_stream(
    reactor: IReactor, address: Address, factory: ServerFactory, one_way: bool = False
) -> tuple[IListeningPort, Address]:
    """Listen on ``tcp://``, ``tls://`` or ``unix://``; the port and what was really bound.

    ``one_way`` is for what only ever reads; see :func:`tls_context`.
    """
    if address.path:
        clear_stale(address.path, socket.SOCK_STREAM)
        port = reactor.listenUNIX(address.path, factory, BACKLOG, _mode(address))
        return port, address._replace(parameters=())
    _, (host, number) = resolve(address, socket.SOCK_STREAM)
    if address.transport == "tls":
        port = reactor.listenSSL(number, factory, tls_context(address, one_way), BACKLOG, host)
    else:
        port = reactor.listenTCP(number, factory, BACKLOG, host)
    return port, Address(address.transport, host, cast(IPv4Address, port.getHost()).port)


def close_stream(port: IListeningPort, address: Address) -> Deferred[Any]:
    """Stop listening.  Twisted unlinks the socket file, and fails where somebody else did."""
    if address.path and not os.path.lexists(address.path):
        with suppress(OSError):
            Path(address.path).touch()
    return maybeDeferred(port.stopListening).addErrback(_file_gone)


def _file_gone(failure: Failure) -> Failure | None:
    return None if isinstance(failure.value, FileNotFoundError) else failure


def clear_stale(path: str, kind: int) -> None:
    """Remove a socket file that nobody listens on; refuse any other file by name."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path} exists and is no socket; a path that is free would be right")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            # Any other answer (a full backlog, another type) means that somebody is there.
            raise ConfigError(f"{path} is in use: {error.strerror}; stop who listens there") from None
    raise ConfigError(f"{path} is in use; stop who listens there, or take another path")


@implementer(IOpenSSLContextFactory)
class TlsContext:
    """Serves one certificate; TLS 1.2 and later, with OpenSSL's own choice of ciphers."""

    def __init__(self, context: Context):
        self._context = context

    def getContext(self) -> Context:
        return self._context


def tls_context(address: Address, one_way: bool = False) -> TlsContext:
    """The certificate chain and key that a ``tls://`` address names, as PEM files.

    One file may hold both.  ``ConfigError`` names the file that cannot be used.

    ``one_way`` keeps to TLS 1.2: in TLS 1.3 a server sends session tickets after the handshake.  A
    client that only writes never reads them, so its close resets the connection, our own
    sending fails, and what has arrived and was not read is lost.
    """
    # OpenSSL costs 10 MB of memory and 0.1 s; whoever serves no TLS does without.
    from OpenSSL import SSL

    cert = address.parameter("cert")
    key = address.parameter("key", cert)
    for name, file in (("cert", cert), ("key", key)):
        if not os.access(file, os.R_OK):
            raise ConfigError(f"{name}={file} cannot be read; a PEM file would be right")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    if one_way:
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    try:
        context.use_certificate_chain_file(cert)
        context.use_privatekey_file(key)
        context.check_privatekey()
    except SSL.Error as error:
        detail = error.args[0][0][-1] if error.args and error.args[0] else "not readable"
        right = "PEM files that belong together would be right"
        raise ConfigError(f"cert={cert} key={key}: {detail}; {right}") from None
    return TlsContext(context)


def _mode(address: Address) -> int:
    return int(address.parameter("mode", SOCKET_MODE), 8)
