"""Where remote write goes: a URL, and behind ``#`` how it is to be sent.

::

    http://prometheus:9090/api/v1/write
    https://mimir/api/v1/push#token-file=/etc/metronome/mimir.token&headers-file=/etc/metronome/mimir.headers

What stands behind ``#`` stays here: no server is ever sent it.  Secrets are not written there but
in files, or in environment variables that are named there, because other users see the command
line and people show each other their settings.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from metronome.errors import ConfigError
from metronome.limits import WRITE_IN_FLIGHT, WRITE_IN_FLIGHT_MOST
from metronome.model import Labels

PARAMETERS: Final = {
    "version": "`auto` (2.0, or 1.0 where the receiver knows no other), `1` or `2`",
    "names": "`underscores` for what old Prometheus' names cannot have, or `utf-8`: names stay as they are",
    "labels": "labels of every series that has none of the name, `job:metronome,instance:web1`; "
    "needed where several gateways send to one receiver",
    "own": "`yes`, or `no`: whether Metronome's own counters and gauges, `metronome_*`, are sent as well",
    "user": "user for basic authentication, with one of the two passwords",
    "password-file": "file with the password",
    "password-env": "environment variable with the password",
    "token-file": "file with a bearer token",
    "token-env": "environment variable with a bearer token",
    "headers-file": "file with further headers, one `Name: value` a line, such as `X-Scope-OrgID: shop`",
    "ca": "PEM file with the authorities that sign the receiver's certificate, instead of the system's",
    "cert": "PEM file with a certificate of ours and its key, where the receiver asks for one",
    "in-flight": f"requests that are under way at once, 1 to {WRITE_IN_FLIGHT_MOST}",
}
"""What may stand behind ``#``, and its meaning."""

_SECRETS: Final = ("password-file", "password-env", "token-file", "token-env")
_HEADER: Final = re.compile(r"([A-Za-z0-9-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*")
_OURS: Final = ("content-type", "content-encoding", "content-length", "host", "user-agent")
_EXAMPLE: Final = "http://prometheus:9090/api/v1/write would be right"


class WriteTarget(NamedTuple):
    """One receiver of remote write."""

    url: str
    """What requests go to."""
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """``HOST:PORT/PATH``: what it is called on ``/metrics`` and in the journal."""
        parts = urlsplit(self.url)
        port = "" if parts.port is None else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}{port}{parts.path}"

    @property
    def version(self) -> int:
        """1 or 2; 0 is to be found out."""
        return int(self.parameter("version", "auto").replace("auto", "0"))

    @property
    def in_flight(self) -> int:
        """Requests at once."""
        return int(self.parameter("in-flight", str(WRITE_IN_FLIGHT)))

    @property
    def own(self) -> bool:
        """Whether our own counters and gauges are sent as well."""
        return self.parameter("own", "yes") == "yes"

    @property
    def labels(self) -> Labels:
        """What every series is labelled with."""
        pairs = [pair.partition(":") for pair in self.parameter("labels").split(",") if pair]
        return tuple((name, value) for name, _, value in pairs)

    def parameter(self, name: str, default: str = "") -> str:
        """The value of one parameter."""
        return dict(self.parameters).get(name, default)

    def path(self, name: str) -> Path | None:
        """The file that a parameter names."""
        text = self.parameter(name)
        return Path(text).expanduser().absolute() if text else None

    def __str__(self) -> str:
        pairs = "&".join(f"{name}={value}" for name, value in self.parameters)
        return f"{self.url}#{pairs}" if pairs else self.url


def parse(raw: object) -> WriteTarget:
    """Read one.  ``ValueError`` says in one sentence what would be right."""
    if not isinstance(raw, str):
        raise ValueError(f"it is not a text; {_EXAMPLE}")
    url, _, behind = raw.partition("#")
    try:
        parts = urlsplit(url)
        port_fits = parts.port != 0
    except ValueError:
        raise ValueError(f"it is not a URL; {_EXAMPLE}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits:
        raise ValueError(f"it is not a URL of http or https; {_EXAMPLE}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a secret does not stand in a URL; #user=NAME&password-file=FILE would be right")
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        raise ValueError("it has blanks or letters that a URL cannot have; %20 and the like would be right")
    target = WriteTarget(url, _parameters(behind))
    _check(target)
    return target


def headers_of(target: WriteTarget, environment: Mapping[str, str]) -> dict[str, str]:
    """The headers that go with every request.  ``ConfigError`` where a secret cannot be read."""
    headers: dict[str, str] = {}
    file = target.path("headers-file")
    for line in _text(target, file).splitlines() if file else ():
        found = _HEADER.fullmatch(line)
        if found and found[1].lower() not in _OURS:
            headers[found[1]] = found[2]
        elif line.strip():
            raise ConfigError(f"remote-write = {target}: headers-file: {line!r} is no header that can be set")
    token = _secret(target, "token", environment)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if target.parameter("user"):
        pair = f"{target.parameter('user')}:{_secret(target, 'password', environment)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return headers


def check_targets(targets: tuple[WriteTarget, ...]) -> None:
    """Two to one place would share one cursor in the journal, and each miss what the other sent."""
    seen: dict[str, WriteTarget] = {}
    for target in targets:
        other = seen.setdefault(target.name, target)
        if other is not target:
            raise ConfigError(f"remote-write = {target}: {other} goes there already; drop one of them")


def _parameters(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise ValueError("behind the # stand NAME=VALUE pairs joined by &") from None
    named = tuple((name.replace("_", "-"), value) for name, value in pairs)
    for name, value in named:
        if name not in PARAMETERS:
            raise ValueError(f"there is no parameter {name}; {' '.join(PARAMETERS)} would be right")
        if not value:
            raise ValueError(f"{name} is empty; leave it out, or give it a value")
    return named


def _check(target: WriteTarget) -> None:
    if target.parameter("version", "auto") not in ("auto", "1", "2"):
        raise ValueError("version=auto or version=1 or version=2 would be right")
    if target.parameter("names", "utf-8") not in ("underscores", "utf-8"):
        raise ValueError("names=underscores or names=utf-8 would be right")
    if target.parameter("own", "yes") not in ("yes", "no"):
        raise ValueError("own=yes or own=no would be right")
    for name, value in target.labels:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name.startswith("__") or not value:
            raise ValueError("labels=NAME:VALUE,NAME:VALUE would be right")
    number = target.parameter("in-flight", "1")
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= WRITE_IN_FLIGHT_MOST:
        raise ValueError(f"in-flight=NUMBER from 1 to {WRITE_IN_FLIGHT_MOST} would be right")
    given = [name for name in _SECRETS if target.parameter(name)]
    has_password = bool(given) and given[0].startswith("password")
    if len(given) > 1 or bool(target.parameter("user")) != has_password:
        raise ValueError("either user with password-file or password-env, or token-file or token-env")
    if target.url.startswith("http:") and (target.parameter("ca") or target.parameter("cert")):
        raise ValueError("ca and cert are for https")


def _secret(target: WriteTarget, what: str, environment: Mapping[str, str]) -> str:
    """White space at its ends is not part of it."""
    variable, file = target.parameter(f"{what}-env"), target.path(f"{what}-file")
    if not variable and file is None:
        return ""
    text = environment.get(variable, "") if variable else _text(target, file)
    if not text.strip():
        where = f"the environment variable {variable}" if variable else f"the file {file}"
        raise ConfigError(f"remote-write = {target}: {where} is empty; the {what} would be right")
    return text.strip()


def _text(target: WriteTarget, file: Path | None) -> str:
    assert file is not None
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"remote-write = {target}: '{file}': {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"remote-write = {target}: '{file}' is not UTF-8: {error}") from None
