"""The URL of a cluster, and the secrets that may come with it.

::

    elasticsearch+http://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/PATH][?NAME=VALUE&...]

with ``elasticsearch+https``, ``opensearch+http`` and ``opensearch+https`` likewise.  The parameters:

==========  ====================================================================
prefix      first word of all index names; default ``metronome``
ca          PEM file with the authorities that the server's certificate is held to
compress    ``yes``: requests are sent with gzip; answers may come with it anyway
timeout     seconds that one request may take; default 30
policy      an ILM (ISM) policy that is to look after the daily indices
==========  ====================================================================

A secret does not have to stand in the URL: a file can hold ``USER:PASSWORD``, or ``ApiKey KEY``.
``str()`` of what is read here shows no secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from metronome.errors import ConfigError
from metronome.limits import ELASTIC_TIMEOUT

SCHEMES: Final = ("elasticsearch+http", "elasticsearch+https", "opensearch+http", "opensearch+https")
PORT: Final = 9200
_PARAMETERS: Final = ("prefix", "ca", "compress", "timeout", "policy")
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?")
_NAME: Final = re.compile(r"[a-z_-]{1,20}")
"""What a parameter may be called; anything else may be the rest of a password."""
_API_KEY: Final = "ApiKey "


class Cluster(NamedTuple):
    """Where a cluster is and how it is spoken to."""

    product: str
    """``elasticsearch`` or ``opensearch``."""
    nodes: tuple[str, ...]
    """Their URLs: ``http://host:9200``."""
    prefix: str
    ca: str
    compress: bool
    timeout: float
    policy: str
    user: str
    password: str
    api_key: str

    def __repr__(self) -> str:
        return f"<{self.product} {' '.join(self.nodes)} {self.prefix}>"

    @property
    def secure(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.nodes[0].startswith("https:")


def read_url(url: str, secret: Path | None = None) -> Cluster:
    """Read a store's URL, and the file with its secret.  ``ConfigError`` names neither."""
    scheme, _, rest = url.partition("://")
    product, _, protocol = scheme.partition("+")
    authority, path, query = _cut(rest)
    user_info, at, hosts = authority.rpartition("@")
    user, _, password = user_info.partition(":")
    if "@" in path:
        raise _wrong("there is an @ in the path; a / in a password is written %2F")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := [name for name in given if name not in _PARAMETERS]:
        shown = unknown[0] if _NAME.fullmatch(unknown[0]) else "of that name"
        raise _wrong(f"there is no parameter {shown}; {', '.join(_PARAMETERS)} would be right")
    cluster = Cluster(
        product=product,
        nodes=tuple(f"{protocol}://{_host(host)}{path}" for host in hosts.split(",")),
        prefix=given.get("prefix", "metronome"),
        ca=given.get("ca", ""),
        compress=_flag(given.get("compress", "no")),
        timeout=_seconds(given.get("timeout", str(ELASTIC_TIMEOUT))),
        policy=given.get("policy", ""),
        user=unquote(user),
        password=unquote(password),
        api_key="",
    )
    if not _PREFIX.fullmatch(cluster.prefix):
        raise _wrong("the prefix is not lower-case letters, digits, - and _; prefix=metronome would be right")
    if cluster.ca and not cluster.secure:
        raise _wrong(f"ca= is for TLS; {product}+https:// would be right")
    if secret is None:
        return cluster
    if at:
        raise _wrong("it has a user, and store-secret is given as well; one of them would be right")
    return _with_secret(cluster, secret)


def masked(url: str) -> str:
    """The URL as it may be shown: without what may be a password, also one that was not quoted."""
    return re.sub(r"(?<=//).*@", "***@", url, flags=re.DOTALL)


def _with_secret(cluster: Cluster, file: Path) -> Cluster:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"store-secret = '{file}': {reason}") from None
    if text.startswith(_API_KEY):
        return cluster._replace(api_key=text.removeprefix(_API_KEY).strip())
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise ConfigError(f"store-secret = '{file}': USER:PASSWORD or ApiKey KEY would be right")
    return cluster._replace(user=user, password=password)


def _cut(rest: str) -> tuple[str, str, str]:
    """Authority, path without its last slash, and query."""
    before, _, query = rest.partition("?")
    authority, slash, path = before.partition("/")
    return authority, f"{slash}{path}".rstrip("/"), query


def _host(host: str) -> str:
    found = _HOST.fullmatch(host.strip())
    if not found or not 0 < int(found[2] or PORT) < 65536:
        raise _wrong("a host cannot be read; elasticsearch+http://host:9200 would be right")
    return f"{found[1]}:{found[2] or PORT}"


def _flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise _wrong("compress=yes or compress=no would be right")
    return text == "yes"


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 600:
        raise _wrong("the timeout is no number of seconds from 1 to 600; timeout=30 would be right")
    return seconds


def _wrong(text: str) -> ConfigError:
    """The URL is not repeated: it may hold a password."""
    return ConfigError(f"store: {text}")
