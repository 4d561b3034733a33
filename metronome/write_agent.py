"""Makes the outputs of remote write, with Twisted's HTTP client and connections that are used again.

It is imported only where there is a receiver: without one no process pays for TLS.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from hashlib import sha256

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from metronome import __version__
from metronome.config import Config
from metronome.errors import ConfigError
from metronome.gateway.own_series import OwnSeries
from metronome.gateway.places import tls_client
from metronome.gateway.push import Sender
from metronome.gateway.remote_write import RemoteWrite
from metronome.gateway.telemetry import Telemetry
from metronome.journal.interface import Journal
from metronome.kernel.families import Escaping
from metronome.limits import HTTP_IDLE, WRITE_OWN, WRITE_PATIENCE
from metronome.model import Labels
from metronome.receivers.interface import IReactor
from metronome.threads.thread import ThreadWorker
from metronome.write_targets import WriteTarget, headers_of


@implementer(IPolicyForHTTPS)
class Policy:
    """Which certificates are believed, and which one is shown."""

    def __init__(self, ca: str, cert: str):
        """PEM files; empty for the system's authorities, and for none of ours."""
        self._ca = ca
        self._cert = cert

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """The other side has to be who it says it is."""
        return tls_client(hostname.decode("ascii"), self._ca, self._cert, self._cert)


def agent_for(target: WriteTarget, reactor: IReactor) -> tuple[IAgent, HTTPConnectionPool]:
    """A client for a receiver, and its connections.  ``ConfigError`` where a PEM file is none."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = target.in_flight
    pool.cachedConnectionTimeout = HTTP_IDLE
    policy = Policy(str(target.path("ca") or ""), str(target.path("cert") or ""))
    try:
        policy.creatorForNetloc(b"localhost", 0)
    except ValueError as error:
        raise ConfigError(f"remote-write = {target}: its PEM files cannot be used: {error}") from None
    return Agent(reactor, policy, connectTimeout=WRITE_PATIENCE, pool=pool), pool


def own_labels(target: WriteTarget) -> Labels:
    """What our own series are labelled with: what a scrape would put on them, where the settings say
    nothing else, so that those of two machines are apart."""
    usual = {"job": "metronome", "instance": socket.gethostname()}
    return tuple({**usual, **dict(target.labels)}.items())


def remote_writes(
    config: Config, journal: Journal, reactor: IReactor, telemetry: Telemetry, environment: Mapping[str, str]
) -> tuple[RemoteWrite, ...]:
    """The receivers that the settings name, not started."""
    return tuple(
        _remote_write(target, config, journal, reactor, telemetry, environment)
        for target in config.remote_write
    )


def _remote_write(
    target: WriteTarget,
    config: Config,
    journal: Journal,
    reactor: IReactor,
    telemetry: Telemetry,
    environment: Mapping[str, str],
) -> RemoteWrite:
    agent, pool = agent_for(target, reactor)
    sender = Sender(
        target.name,
        target.url,
        agent,
        reactor,
        telemetry,
        headers={"User-Agent": f"metronome/{__version__}", **headers_of(target, environment)},
        version=target.version,
        chance=random.random,
    )
    interval = min(config.flush_interval, WRITE_OWN)
    made = RemoteWrite(
        target.name,
        sender,
        journal,
        reactor,
        telemetry,
        ThreadWorker(reactor, "remote-write"),
        file=config.data_dir / f"remote-write-{sha256(target.name.encode()).hexdigest()[:16]}",
        ttl=config.prometheus.ttl,
        in_flight=target.in_flight,
        escaping=Escaping.UTF8 if target.parameter("names") == "utf-8" else Escaping.UNDERSCORES,
        labels=target.labels,
        close=pool.closeCachedConnections,
        own=OwnSeries(sender, telemetry, reactor, interval, own_labels(target)) if target.own else None,
    )
    made.use(config.book)
    return made
