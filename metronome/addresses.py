"""Addresses as users write them: ``udp://127.0.0.1:8125``, ``unix:///run/metronome.sock``.

One grammar for every option that takes an address::

    TRANSPORT://HOST:PORT[?NAME=VALUE&...]      udp tcp tls pickle
    TRANSPORT:///PATH[?NAME=VALUE&...]          unix unixgram

An IPv6 host stands in brackets (``tcp://[::1]:2003``).  No host means every IPv4 address,
``[::]`` every address there is.  Port 0 takes a free one.  Which transports and which
parameters an option knows is said by the caller.

Text in, value out: this file opens nothing, so every layer may use it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

PATH_TRANSPORTS: Final = ("unix", "unixgram")
"""Those whose place is a path in the file system, not a host and a port."""

UNIX_PATH_BYTES: Final = 103
"""Longest path that every system's ``sockaddr_un`` holds: 104 on macOS, one of them NUL."""

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


class Address(NamedTuple):
    """Where something listens or is to be reached.  ``str()`` writes it as it is read."""

    transport: str
    host: str = ""
    """IPv4 or IPv6 address or host name, without brackets; empty for a path."""
    port: int = 0
    path: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str, default: str = "") -> str:
        """The value of one parameter; the last where it is given twice."""
        return dict(self.parameters).get(name, default)

    def __str__(self) -> str:
        if self.path:
            place = quote(self.path)
        else:
            place = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        pairs = "&".join(f"{name}={quote(value, safe='/:')}" for name, value in self.parameters)
        return f"{self.transport}://{place}{'?' if pairs else ''}{pairs}"


def parse(text: str, transports: Collection[str], parameters: Collection[str] = ()) -> Address:
    """Read one address.  ``ValueError`` says in one sentence what would be right."""
    transport, colon, rest = text.partition("://")
    if not colon:
        raise ValueError(f"it has no transport; {_example(transports)} would be right")
    transport = transport.lower()
    if transport not in transports:
        raise ValueError(f"{transport}:// is not taken here; {_example(transports)} would be right")
    place, _, query = rest.partition("?")
    pairs = _parameters(query, parameters)
    if transport in PATH_TRANSPORTS:
        return Address(transport, path=_path(transport, unquote(place)), parameters=pairs)
    host, port = _host_and_port(transport, place)
    return Address(transport, host, port, parameters=pairs)


def _example(transports: Collection[str]) -> str:
    examples = {
        "unix": "unix:///run/metronome.sock",
        "unixgram": "unixgram:///run/metronome.sock",
    }
    return " or ".join(examples.get(name, f"{name}://127.0.0.1:8125") for name in transports)


def _parameters(query: str, known: Collection[str]) -> tuple[tuple[str, str], ...]:
    """``a=b&c=d`` with ``-`` and ``_`` alike in names."""
    if not query:
        return ()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise ValueError("behind the ? stand NAME=VALUE pairs joined by &") from None
    named = tuple((name.replace("-", "_"), value) for name, value in pairs)
    for name, _ in named:
        if name not in known:
            right = " ".join(sorted(known)) or "none"
            raise ValueError(f"there is no parameter {name}; {right} would be right")
    return named


def _path(transport: str, path: str) -> str:
    if not path.startswith("/") or path.endswith("/"):
        raise ValueError(f"an absolute path must follow; {_example([transport])} would be right")
    if len(path.encode()) > UNIX_PATH_BYTES:
        raise ValueError(f"a socket's path has at most {UNIX_PATH_BYTES} bytes")
    return path


def _host_and_port(transport: str, place: str) -> tuple[str, int]:
    host, colon, port = place.rpartition(":")
    if not colon or "]" in port:
        raise ValueError(f"it has no port; {transport}://{place or '127.0.0.1'}:8125 would be right")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{port or 'nothing'} is not a port; a number from 0 to 65535 would be right")
    return _host(host), int(port)


def _host(text: str) -> str:
    if not text:
        return "0.0.0.0"
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError(f"{text} is not an IPv6 address; [::1] would be right") from None
    if ":" in text:
        raise ValueError(f"an IPv6 address stands in brackets; [{text}] would be right")
    if re.fullmatch(r"[0-9.]+", text):
        try:
            return str(ipaddress.IPv4Address(text))
        except ValueError:
            raise ValueError(f"{text} is not an IPv4 address; 127.0.0.1 would be right") from None
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(f"{text} is not a host; a name or an IP address would be right")
    return text.lower()
