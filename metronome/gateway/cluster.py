"""Clusters of carbons: what is meant by one, and the outputs that feed it.

An output is what has a cursor of its own in the journal.  ``replicate`` makes one for each member,
which gets everything; ``consistent_hash`` one for each member, which gets its share; ``any_of`` one
for all of them together.

The cursor of a share carries a checksum of the ring.  When the ring changes, other members begin to get
a path, and what waits for the old one must reach the new one: so all of them begin anew, at the
oldest record that the journal keeps for the old cursors.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from metronome.addresses import Address
from metronome.fold.placement import Member, placement
from metronome.fold.roster import Roster
from metronome.fold.statsd import Naming
from metronome.gateway.any_of import AnyOf
from metronome.gateway.carbon import Carbon, Destination, Sending
from metronome.gateway.carbon_udp import CarbonDatagrams
from metronome.gateway.converter import ENCODINGS, Lines
from metronome.gateway.graphite_out import GraphiteOut
from metronome.gateway.idle import Spans
from metronome.gateway.places import endpoint_of, open_datagrams
from metronome.gateway.rollup_lines import RuleLines
from metronome.gateway.shares import as_pickle, shared
from metronome.gateway.telemetry import Telemetry
from metronome.gateway.window import Chunk
from metronome.journal.interface import Journal
from metronome.limits import CARBON_RESEND

Form = Callable[[bytes], bytes]

POLICIES: Final = ("replicate", "any_of", "consistent_hash")


class Target(NamedTuple):
    """One carbon."""

    address: Address
    instance: str | None = None
    """Its name in a ring."""
    host: str = ""
    """The host as it was written: rings are made of that text."""
    resend: float = CARBON_RESEND
    again: float = 0.0

    @property
    def name(self) -> str:
        """``HOST:PORT`` or the path of a socket, as in cursors and on ``/metrics``."""
        return str(Address("", self.address.host, self.address.port, self.address.path))[3:]

    @property
    def pickled(self) -> bool:
        """Whether it is sent pickles."""
        return self.address.transport.startswith("pickle")


class Cluster(NamedTuple):
    """Several carbons, and who gets what."""

    name: str
    policy: str
    members: tuple[Target, ...]
    hash: str = "carbon_ch"
    replication: int = 1

    @property
    def ring(self) -> list[Member]:
        """The members as placements know them."""
        return [
            Member(member.host or member.address.host, member.address.port, member.instance)
            for member in self.members
        ]


class Context(NamedTuple):
    """What outputs are made with."""

    stream: str
    naming: Naming
    idle: Spans
    journal: Journal
    reactor: IReactorTime
    telemetry: Telemetry
    roster: Roster | None = None
    """Of the stream's series, where it is shared."""
    connect: Callable[[IReactorTime, Address], IStreamClientEndpoint] = endpoint_of
    folder: Path | None = None
    """For what outputs keep beside memory."""


def outputs(cluster: Cluster, context: Context) -> list[GraphiteOut]:
    """The outputs of a cluster, not started."""
    if cluster.policy == "any_of":
        return [_any_of(cluster, context)]
    if cluster.policy == "consistent_hash":
        return [_share(cluster, index, context) for index in range(len(cluster.members))]
    return [_whole(target, context) for target in cluster.members]


def _whole(target: Target, context: Context) -> GraphiteOut:
    form = "pickle" if target.pickled else "tcp"
    return _output(target.name, target.name, form, partial(_destination, target, context, None), context)


def _share(cluster: Cluster, index: int, context: Context) -> GraphiteOut:
    target, ring = cluster.members[index], cluster.ring
    places = placement(cluster.hash, ring, cluster.replication)
    text = repr((cluster.hash, cluster.replication, [tuple(member) for member in ring]))
    cursor = f"{target.name}/{cluster.name}-{zlib.crc32(text.encode()):08x}"
    make = partial(_destination, target, context, _form(target))
    return _output(cursor, target.name, "tcp", make, context, lambda chunks: shared(chunks, places, index))


def _any_of(cluster: Cluster, context: Context) -> GraphiteOut:
    makes = [partial(_carbon, target, context, _form(target)) for target in cluster.members]

    def destination(back: Callable[[], None]) -> Destination:
        return AnyOf(cluster.name, makes, context.reactor, back)

    return _output(cluster.name, cluster.name, "tcp", destination, context)


def _form(target: Target) -> Form | None:
    """How a member is sent lines that were cut as plaintext; None for as they are."""
    return as_pickle if target.pickled else None


def _destination(
    target: Target, context: Context, form: Form | None, back: Callable[[], None]
) -> Destination:
    if target.address.transport == "udp":
        opened = partial(open_datagrams, context.reactor, target.address)
        return CarbonDatagrams(target.name, opened, context.reactor, context.telemetry)
    return _carbon(target, context, form, back, lambda: None)


def _carbon(
    target: Target, context: Context, form: Form | None, back: Callable[[], None], gone: Callable[[], None]
) -> Carbon:
    sending = Sending(
        secure=target.address.transport.endswith("tls"),
        form=form,
        resend=target.resend,
        again=target.again,
        folder=context.folder,
    )
    endpoint = context.connect(context.reactor, target.address)
    return Carbon(target.name, endpoint, context.reactor, context.telemetry, back, sending, gone)


def _output(
    cursor: str,
    name: str,
    form: str,
    make: Callable[[Callable[[], None]], Destination],
    context: Context,
    share: Callable[[Iterator[Chunk]], Iterator[Chunk]] | None = None,
) -> GraphiteOut:
    journal, telemetry = context.journal, context.telemetry

    def skipped(reason: str) -> None:
        telemetry.count("metronome_graphite_skipped_total", destination=name, reason=reason)

    lines = Lines(
        context.stream,
        context.naming,
        ENCODINGS[form],
        RuleLines(f"graphite:{name}", telemetry),
        roster=context.roster,
        idle=context.idle,
        skipped=skipped,
        let_go=lambda: journal.size > journal.budget // 2,
    )
    return GraphiteOut(cursor, name, make, lines, journal, context.reactor, telemetry, share)
