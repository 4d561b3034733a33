"""A real carbon-c-relay: asked where paths go, and running."""

from __future__ import annotations

import pickle
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.live.carbon import START_SECONDS

CONF = """\
cluster all {policy} {members};
match * send to all;
listen type linemode {listen};
"""


class Place(NamedTuple):
    """A member as the relay's settings have it."""

    host: str
    port: int
    instance: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (f"={self.instance}" if self.instance else "")


def conf(folder: Path, policy: str, members: Sequence[Place], listen: str = "2003 proto tcp") -> Path:
    """Its settings, in a file."""
    file = folder / "relay.conf"
    file.write_text(CONF.format(policy=policy, members=" ".join(map(str, members)), listen=listen))
    return file


def said(folder: Path, policy: str, members: Sequence[Place], paths: Sequence[str]) -> list[list[int]]:
    """The ports that its test mode names for each path, the first one first."""
    command = ["carbon-c-relay", "-t", "-f", str(conf(folder, policy, members))]
    text = "".join(f"{path}\n" for path in paths)
    out = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout
    blocks = out.split("\nmatch\n")[1:]
    assert len(blocks) == len(paths)
    for path, block in zip(paths, blocks, strict=True):
        assert block.startswith(f"    * -> {path}\n")
    return [
        [int(line.rpartition(":")[2]) for line in block.splitlines()[2:] if line.startswith("        ")]
        for block in blocks
    ]


class RunningRelay:
    """``carbon-c-relay`` in front of members; a context manager that ends it."""

    def __init__(self, folder: Path, policy: str, members: Sequence[Place], port: int, listen: str = ""):
        """``listen`` is what it listens on beside a TCP port, in the words of its settings."""
        folder.mkdir(exist_ok=True)
        self.port = port
        self.folder = folder
        tcp = f"127.0.0.1:{port} proto tcp"
        self._conf = conf(
            folder, policy, members, f"{tcp};\nlisten type linemode {listen}" if listen else tcp
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningRelay:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start and wait until it listens."""
        with open(self.folder / "relay.log", "ab") as log:
            command = ["carbon-c-relay", "-s", "-f", str(self._conf)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(
                    f"carbon-c-relay did not start:\n{(self.folder / 'relay.log').read_text()}"
                )
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL: what it has queued is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM: it sends its queues first, as long as somebody takes them."""
        self.signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(30)

    def signal(self, number: int) -> None:
        """Send it a signal while it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False


class Taker:
    """Something that listens, and keeps the lines that it gets."""

    def __init__(self, port: int):
        self.lines: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                self.lines.append(line)

    def close(self) -> None:
        self._server.close()


class TlsTaker(Taker):
    """The same behind TLS, of pickles: it reads them as carbon does, and keeps them as lines."""

    def __init__(self, port: int, cert: Path, key: Path):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(cert, key)
        super().__init__(port)

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with (
            self._context.wrap_socket(connection, server_side=True) as secure,
            secure.makefile("rb") as stream,
        ):
            while head := stream.read(4):
                (size,) = struct.unpack("!I", head)
                for path, (time_of, value) in pickle.loads(stream.read(size)):
                    self.lines.append(f"{path} {value:g} {time_of}\n".encode())
