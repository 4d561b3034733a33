"""Every kind of address: TLS and a Unix socket to a real carbon-c-relay, UDP, pickles in TLS."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from metronome.limits import CARBON_DATAGRAM_BYTES
from tests.live.carbon import free_ports
from tests.live.conftest import require
from tests.live.gateway import RunningGateway, eventually
from tests.live.relay import Place, RunningRelay, Taker, TlsTaker
from tests.live.tools import which
from tests.receivers.pem import pem

pytestmark = pytest.mark.live

SERIES = 400


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a socket file is limited."""
    with tempfile.TemporaryDirectory(prefix="mt", dir="/tmp") as made:
        yield Path(made)


def test_every_transport(folder: Path) -> None:
    """Each gets all lines; over UDP in datagrams of whole lines, of which none is lost here."""
    require(which("carbon-c-relay"), "carbon-c-relay (Debian package)")
    cert, key = pem(folder)
    (folder / "both.pem").write_bytes(cert.read_bytes() + key.read_bytes())
    secure, pickles, *ports = free_ports(6)
    listens = {
        "tls": f"transport plain ssl {folder}/both.pem {secure} proto tcp",
        "unix": f"{folder}/relay.sock proto unix",
    }
    addresses = [f"tls://localhost:{secure}?ca={cert}", f"unix://{folder}/relay.sock"]
    with ExitStack() as stack:
        takers = []
        for (way, listen), own, behind in zip(listens.items(), ports[:2], ports[2:], strict=True):
            takers.append(stack.enter_context(closing(Taker(behind))))
            place = Place("127.0.0.1", behind)
            stack.enter_context(RunningRelay(folder / way, "forward", [place], own, listen))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        datagrams.setblocking(False)
        datagrams.bind(("127.0.0.1", 0))
        addresses.append(f"udp://127.0.0.1:{datagrams.getsockname()[1]}")
        in_tls = stack.enter_context(closing(TlsTaker(pickles, cert, key)))
        addresses.append(f"pickle+tls://localhost:{pickles}?ca={cert}")
        gateway = stack.enter_context(RunningGateway(folder / "data", graphite_out=addresses))
        with socket.create_connection(("127.0.0.1", gateway.port("statsd", "tcp"))) as connection:
            time.sleep(1.2 - time.time() % 1)
            connection.sendall(b"".join(b"app.hits%d:%d|c\n" % (one, one) for one in range(1, SERIES + 1)))
        wanted = {f"stats.counters.app.hits{one}.count {one}" for one in range(1, SERIES + 1)}
        by_datagram: list[bytes] = []
        lines = [lambda: takers[0].lines, lambda: takers[1].lines, lambda: waiting(datagrams, by_datagram)]
        lines.append(lambda: in_tls.lines)
        for address, taken in zip(addresses, lines, strict=True):
            got = eventually(lambda taken=taken: counts(taken()), lambda got: got >= wanted, 20)
            assert got >= wanted, address


def waiting(datagrams: socket.socket, lines: list[bytes]) -> list[bytes]:
    """Lines that came in datagrams, those of before included."""
    with suppress(BlockingIOError):
        while True:
            datagram = datagrams.recv(65535)
            assert len(datagram) <= CARBON_DATAGRAM_BYTES
            assert datagram.endswith(b"\n")
            lines += datagram.splitlines()
    return lines


def counts(lines: list[bytes]) -> set[str]:
    """Counters that got something: path and value."""
    pairs = (line.decode().split()[:2] for line in list(lines))
    return {f"{path} {value}" for path, value in pairs if path.endswith(".count")}
