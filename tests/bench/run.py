"""``python -m tests.bench.run --all``: every peer that is here and ours in one run, kept in
``results.json``, from which ``python -m tests.bench.table`` writes the page.

A run that was broken off goes on where it was; ``--fresh`` begins anew.  ``--only`` measures the
parts whose names have one of these words again (``--only brubeck,rates``) and leaves the rest of
``results.json`` as it is.  Nothing else should work on the machine meanwhile; where something
does, ``--provisional`` says so on the page.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from tests.bench import graphite, results, statsd
from tests.bench.burst import Effort, Measured
from tests.bench.cases import STATSD
from tests.bench.peers import Peer, ours
from tests.bench.peers import graphite as graphite_peers
from tests.bench.peers import statsd as statsd_peers
from tests.bench.peers.running import left_out
from tests.bench.peers.tools import cache

FULL, SHORT = Effort(1.5, 3), Effort(2, 1)
CLOSELY = {"brubeck", "statsite", "veneur", "bare loop", ours.NATIVE}
"""Measured three times: the marks that we are held to, and ourselves."""


class Part(NamedTuple):
    """A piece of the run that is done again as a whole."""

    name: str
    measure: Callable[[], Iterable[Measured]]


def parts(kept: results.Results) -> Iterator[Part]:
    """The whole run."""
    native = ours.statsd()
    for peer in left_out([*statsd_peers.peers(), ours.statsd(ours.PURE, pure=True), native]):
        effort = FULL if peer.name in CLOSELY else SHORT
        yield Part(f"{peer.name}: bursts", partial(statsd.in_bursts, peer, STATSD, effort))
        yield Part(f"{peer.name}: names", partial(statsd.with_many_names, peer, effort))
    for peer in explaining():
        yield Part(f"{peer.name}: names", partial(statsd.with_many_names, peer, SHORT))
    for peer in [*left_out([statsd_peers.brubeck()]), native]:
        yield Part(f"{peer.name}: rates", partial(_rates, kept, peer))
    for peer in left_out([*graphite_peers.peers(), *graphite.our_peers()]):
        kind = "pickle" if "pickle" in peer.takes else "plaintext"
        yield Part(f"{peer.name}: {kind}", partial(graphite.with_points, peer))


def explaining() -> list[Peer]:
    """Ours in other settings, to tell what the output and the flush cost with many names."""
    return [
        ours.statsd(f"{ours.NATIVE}, nothing sent", sends=False),
        ours.statsd(f"{ours.NATIVE}, nothing sent, flush 10 s", sends=False, flush=10),
    ]


def _rates(kept: results.Results, peer: Peer) -> Iterator[Measured]:
    fastest = {f"rate-{case}": kept.values(case).get(peer.name, 0.5) for case in ("single", "packed")}
    return statsd.at_rates(peer, fastest)


def line(figure: Measured) -> str:
    """A figure as the run tells it."""
    counted = "" if figure.counted is None else f"counted {figure.counted:.1%}, "
    return f"{'':10}{figure.case:12} {figure.value:9.3f}  {counted}others {figure.others:.0%}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--all", action="store_true", help="every part")
    arguments.add_argument("--only", default="", help="parts whose name has one of these words")
    arguments.add_argument("--fresh", action="store_true", help="do not go on where a run was broken off")
    arguments.add_argument("--provisional", action="store_true", help="the machine has other work")
    options = arguments.parse_args()
    if not options.all and not options.only:
        arguments.error("--all or --only")
    partial_file = cache() / "results.json"
    words = options.only.split(",") if options.only else []
    if words:
        kept = results.load()
    elif partial_file.exists() and not options.fresh:
        kept = results.load(partial_file)
    else:
        kept = results.started(options.provisional)
    began = time.monotonic()
    for part in parts(kept):
        if not any(word in part.name for word in words) if words else part.name in kept.done:
            continue
        print(f"{time.monotonic() - began:6.0f} s  {part.name}", flush=True)
        try:
            for figure in kept.add(part.measure()):
                print(line(figure), flush=True)
        except (RuntimeError, OSError) as error:
            print(f"FAILED: {part.name}: {error}", file=sys.stderr, flush=True)
            continue
        if not words:
            kept.done.append(part.name)
            results.save(kept, partial_file)
    kept.done = []
    results.save(kept)
    if not words:
        partial_file.unlink(missing_ok=True)
    print(f"{time.monotonic() - began:6.0f} s  {results.FILE.name} written")


if __name__ == "__main__":
    main()
