"""Metronome as a peer among the others, started as a user starts it."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from metronome import __version__
from metronome.options import KEYS
from tests.bench.peers import FLUSH_SECONDS, ROOT, Peer, Sink

NATIVE, PURE = "Metronome", "Metronome, pure"

RECEIVERS = {"statsd", "graphite", "pickle", "forward", "logstash", "gelf", "admin"}
"""Options that open a port; those not measured are switched off."""


def statsd(
    name: str = NATIVE,
    *,
    pure: bool = False,
    sends: bool = True,
    flush: int = FLUSH_SECONDS,
    store: str = "duckdb:",
) -> Peer:
    """statsd over UDP.  ``sends``: as statsd does, its names to Graphite, where they are counted;
    else our own books count."""
    words = ["--flush-interval", "$FLUSH", "--store", store]
    if sends:
        words += ["--graphite-out", "tcp://127.0.0.1:$SINK"]
    return Peer(
        name,
        _command({"statsd": "udp://127.0.0.1:$PORT"}, words),
        Sink("stats.counters.bench", ".count") if sends else received,
        __version__,
        "Python" if pure else "Python and C",
        environment=_environment(pure),
        flush=flush,
    )


def graphite(name: str = NATIVE, *, pure: bool = False, pickle: bool = False, store: str = "duckdb:") -> Peer:
    """Graphite over TCP; every point goes through the journal into the store."""
    receiver = "pickle" if pickle else "graphite"
    known = receiver in {key.name for key in KEYS}
    words = ["--store", store, "--flush-interval", "$FLUSH"]
    return Peer(
        name,
        _command({receiver: "tcp://127.0.0.1:$PORT"}, words) if known else (),
        received,
        __version__,
        "Python" if pure else "Python and C",
        frozenset({"pickle" if pickle else "plaintext"}),
        "tcp",
        environment=_environment(pure),
        later=FLUSH_SECONDS + 1,
        missing=f"there is no --{receiver} yet",
    )


def received(fields: Mapping[str, str]) -> float:
    """Samples and points that the gateway has taken in, by its own books."""
    folder = Path(fields["DIR"]) / "var"
    address = json.loads((folder / "addresses.json").read_text())["http"][0].replace("tcp:", "http:")
    token = (folder / "owner.token").read_text().strip()
    request = urllib.request.Request(f"{address}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    values = dict.fromkeys(("received", "rejected", "shed"), 0.0)
    for line in lines:
        for sign in values:
            if line.startswith(f"metronome_{sign}_total{{"):
                values[sign] += float(line.split("} ")[1].split()[0])
    return values["received"] - values["rejected"] - values["shed"]


def _command(listening: Mapping[str, str], words: list[str]) -> tuple[str, ...]:
    twistd = Path(sys.executable).with_name("twistd")
    command = [str(twistd), "-n", "--pidfile=", "metronome", "--data-dir", "$DIR/var"]
    command += ["--http", "tcp://127.0.0.1:0"]
    for option in sorted(RECEIVERS & {key.name for key in KEYS}):
        command += [f"--{option}", listening.get(option, "")]
    return (*command, *words)


def _environment(pure: bool) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "METRONOME_PURE": "1" if pure else ""}
