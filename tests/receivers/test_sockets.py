"""Binding: stale socket files, names, TLS files."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from OpenSSL import SSL
from twisted.internet.testing import MemoryReactorClock

from metronome.addresses import Address
from metronome.errors import ConfigError
from metronome.receivers import sockets
from metronome.receivers.streams import StreamListener
from tests.receivers.fakes import RememberingInlet, given
from tests.receivers.pem import pem


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_stale_socket_file_is_removed_and_a_live_one_is_not(tmp_path: Path, kind: int) -> None:
    """Only a file that nobody listens on is what a killed process left."""
    path = tmp_path / "s.sock"
    sockets.clear_stale(str(path), kind)
    with socket.socket(socket.AF_UNIX, kind) as live:
        live.bind(str(path))
        if kind == socket.SOCK_STREAM:
            live.listen()
        with pytest.raises(ConfigError, match="is in use"):
            sockets.clear_stale(str(path), kind)
        assert path.exists()
    sockets.clear_stale(str(path), kind)
    assert not path.exists()


def test_a_live_socket_of_the_other_type_is_left_alone(tmp_path: Path) -> None:
    """A stream socket answers a datagram probe with an error that is no refusal."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(ConfigError, match="is in use"):
            sockets.clear_stale(str(path), socket.SOCK_DGRAM)
    assert path.exists()


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    """A slip of the pen must not cost a file."""
    path = tmp_path / "precious"
    path.write_text("text")
    with pytest.raises(ConfigError, match="is no socket"):
        sockets.clear_stale(str(path), socket.SOCK_STREAM)
    assert path.read_text() == "text"


def test_a_host_name_is_resolved_before_it_is_bound() -> None:
    """``localhost`` is as good as its address; a name that nobody knows is an OSError."""
    _, (host, port) = sockets.resolve(Address("tcp", "localhost", 0), socket.SOCK_STREAM)
    assert host in ("127.0.0.1", "::1")
    assert port == 0
    with pytest.raises(socket.gaierror):
        sockets.resolve(Address("tcp", "no.such.host.invalid", 1), socket.SOCK_STREAM)


def tls(**files: Path) -> Address:
    """A TLS address that names files."""
    return Address("tls", "127.0.0.1", 0, parameters=tuple((name, str(file)) for name, file in files.items()))


def test_a_certificate_and_its_key_are_read_from_one_file_or_two(tmp_path: Path) -> None:
    """``key`` defaults to the file of the certificate."""
    cert, key = pem(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    for address in (tls(cert=cert, key=key), tls(cert=both)):
        made = sockets.tls_context(address)
        assert isinstance(made.getContext(), SSL.Context)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """A missing file, one without a certificate, and a key that is none."""
    cert, key = pem(tmp_path)
    cases = [
        (tls(cert=tmp_path / "none.pem"), "none.pem cannot be read"),
        (tls(cert=key, key=cert), "PEM files that belong together"),
        (tls(cert=cert, key=cert), "PEM files that belong together"),
    ]
    for address, says in cases:
        with pytest.raises(ConfigError, match=says):
            sockets.tls_context(address)


def test_tls_tcp_and_unix_are_listened_on(tmp_path: Path) -> None:
    """Each transport asks the reactor for its own kind of port."""
    cert, key = pem(tmp_path)
    reactor = MemoryReactorClock()
    inlet = RememberingInlet()
    for address in (f"tls://127.0.0.1:0?cert={cert}&key={key}", "tcp://127.0.0.1:0", f"unix://{tmp_path}/s"):
        StreamListener(given(address, inlet, reactor=reactor), inlet.statsd).listen()
    assert len(reactor.sslServers) == len(reactor.tcpServers) == len(reactor.unixServers) == 1


def test_sockets_that_share_an_address_get_all_of_it() -> None:
    """Each sender's datagrams come to one of them; together they get everything."""
    bound = sockets.sharing_datagram_sockets(Address("udp", "127.0.0.1"), 3)
    try:
        (place,) = {one.getsockname() for one in bound}
        for _ in range(50):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"a:1|c", place)
                sender.sendto(b"a:1|c", place)
        got = [0, 0, 0]
        for index, one in enumerate(bound):
            with suppress(BlockingIOError):
                while one.recv(100):
                    got[index] += 1
        assert sum(got) == 100
        assert all(number % 2 == 0 for number in got)
    finally:
        for one in bound:
            one.close()


def test_an_address_is_not_shared_with_strangers() -> None:
    """Another program that would share its port is refused all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        taken = Address("udp", "127.0.0.1", stranger.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            sockets.sharing_datagram_sockets(taken, 2)


@pytest.mark.parametrize(("one_way", "version"), [(False, "TLSv1.3"), (True, "TLSv1.2")])
def test_what_only_reads_keeps_to_a_tls_that_is_quiet_after_the_handshake(
    tmp_path: Path, one_way: bool, version: str
) -> None:
    """A client that writes and closes at once would reset the connection over an unread ticket."""
    cert, key = pem(tmp_path)
    address = Address("tls", "127.0.0.1", 0, parameters=(("cert", str(cert)), ("key", str(key))))
    server = SSL.Connection(sockets.tls_context(address, one_way).getContext())
    client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
    server.set_accept_state()
    client.set_connect_state()
    ends = [client, server]
    for _ in range(6):
        for one, other in (ends, ends[::-1]):
            with suppress(SSL.WantReadError):
                one.do_handshake()
            with suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
    assert client.get_protocol_version_name() == version
