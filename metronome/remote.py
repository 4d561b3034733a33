"""What the console script says to a gateway: through HTTP while it runs, else to its files.

The addresses and the owner's token come from the data directory, so whoever may read that
directory may use these commands, and nobody else.
"""

from __future__ import annotations

import json
import os
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from metronome import addresses
from metronome.data_dir import ADDRESSES, DataDir
from metronome.errors import ClientError, ConfigError
from metronome.gateway.streams import Stream, Streams

TIMEOUT: Final = 30.0
ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where one reaches what listens on every address."""


class Remote:
    """A gateway by its data directory."""

    def __init__(self, data_dir: Path):
        self._data_dir = data_dir

    # --- where it is -----------------------------------------------------------------------

    def token(self) -> str:
        """The owner's token; ``ConfigError`` when there is none yet."""
        try:
            return (self._data_dir / "owner.token").read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"data-dir = '{self._data_dir}' has no token that can be read ({error.strerror});"
                " the directory of a gateway that has run once would be right"
            ) from None

    def url(self) -> str:
        """The address of the HTTP server; ``ConfigError`` when none listens."""
        served = self._addresses().get("http", [])
        if not served:
            raise ConfigError(f"no gateway that serves HTTP runs on data-dir = '{self._data_dir}'")
        address = addresses.parse(served[0], ("tcp", "tls"))
        host = ANY_ADDRESS.get(address.host, address.host)
        scheme = "https" if address.transport == "tls" else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}"

    def dashboard(self) -> str:
        """The address that signs a browser in; what stands behind ``#`` never leaves it."""
        return f"{self.url()}/#token={self.token()}"

    def wait(self, since: float, seconds: float) -> bool:
        """Wait until a gateway that was started after ``since`` listens.

        Not beyond the end of who started us: that is the gateway, and it could not start.
        """
        file = self._data_dir / ADDRESSES
        end = time.monotonic() + seconds
        parent = os.getppid()
        while time.monotonic() < end and os.getppid() == parent:
            if file.exists() and file.stat().st_mtime >= since:
                return True
            time.sleep(0.05)
        return False

    def stopped(self) -> DataDir | None:
        """The data directory, locked; None while a gateway works on it that can be asked.

        The lock tells, not ``addresses.json``: after a crash that file would send the token
        to whoever has the port now.
        """
        data_dir = DataDir(self._data_dir)
        running = self._addresses()
        try:
            data_dir.open()
        except ConfigError:
            if running.get("http"):
                return None
            raise
        return data_dir

    # --- streams ---------------------------------------------------------------------------

    def create(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Make a stream; its id, write key and token."""
        registry = self._registry()
        if registry is None:
            return self._ask("POST", "/streams", {"name": name, **settings})
        with registry as streams:
            retention = settings.get("retention")
            public = settings.get("public", False)
            return _secrets(*streams.create(name, tuple(settings.get("origins", ())), retention, public))

    def rotate(self, stream: str) -> dict[str, Any]:
        """A new write key and token for a stream."""
        registry = self._registry()
        if registry is None:
            return self._ask("POST", f"/streams/{quote(stream, safe='')}/rotate", {})
        with registry as streams:
            return _secrets(*streams.rotate(stream))

    def streams(self) -> list[dict[str, Any]]:
        """Every stream, without its secrets."""
        registry = self._registry()
        if registry is None:
            found: list[dict[str, Any]] = self._ask("GET", "/streams")["streams"]
            return found
        with registry as streams:
            return [
                {"id": one.id, "name": one.name, "origins": list(one.origins), "public": one.public}
                for one in streams.all()
            ]

    # --- dead letters ----------------------------------------------------------------------

    def replay(self) -> Iterator[dict[str, Any]]:
        """Have a running gateway replay its dead letters; what became of each piece."""
        more = True
        while more:
            told = self._ask("POST", "/replay", {})
            yield told
            more = told["more"]

    # --- tail ------------------------------------------------------------------------------

    def tail(self, stream: str) -> Iterator[dict[str, Any]]:
        """What comes in, as it comes in; ends when the gateway does."""
        request = self._request("GET", "/tail?" + urlencode({"stream": stream}))
        with self._open(request, None) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def top(self, stream: str, most: int) -> dict[str, Any]:
        """Who sends most to a stream, of late."""
        return self._ask("GET", "/top.json?" + urlencode({"stream": stream, "limit": most}))

    # --- how it is asked -------------------------------------------------------------------

    def _addresses(self) -> dict[str, list[str]]:
        try:
            text = (self._data_dir / ADDRESSES).read_text(encoding="utf-8")
        except OSError:
            return {}
        found: dict[str, list[str]] = json.loads(text)
        return found

    def _registry(self) -> _Registry | None:
        """The registry of streams, locked; None while a gateway works with it."""
        data_dir = self.stopped()
        return None if data_dir is None else _Registry(data_dir)

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content).encode()
        with self._open(self._request(method, path, body), TIMEOUT) as answer:
            found: dict[str, Any] = json.loads(answer.read() or b"{}")
            return found

    def _request(self, method: str, path: str, body: bytes | None = None) -> urllib.request.Request:
        headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
        return urllib.request.Request(self.url() + path, body, headers, method=method)

    def _open(self, request: urllib.request.Request, timeout: float | None) -> Any:
        # The address is our own gateway's, from a directory that only its owner writes; its
        # certificate is for the name that others know it by.
        trust = ssl.create_default_context()
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        try:
            return direct.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            with error:
                said = _said(error.read())
            raise ClientError(said.get("error", "internal"), error.code, said.get("detail", "")) from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(f"{self.url()} does not answer: {reason}") from None


class _Registry:
    """The registry's files, while no gateway runs; the lock is held meanwhile."""

    def __init__(self, data_dir: DataDir):
        self._data_dir = data_dir

    def __enter__(self) -> Streams:
        streams = Streams(self._data_dir.path, time.time, lambda: secrets.token_urlsafe(24))
        streams.load()
        return streams

    def __exit__(self, *_: object) -> None:
        self._data_dir.close()


def _secrets(stream: Stream, token: str) -> dict[str, Any]:
    return {"id": stream.id, "name": stream.name, "write_key": stream.write_key, "token": token}


def _said(body: bytes) -> dict[str, str]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
