"""Other people's servers beside ours, and what it takes to load and to count them.

A ``Peer`` says how to start a server and how what it accepted is counted.  Nothing of theirs is
kept here.  Peers that ordinary package clients bring (npm, ``go install``, pip, the
distribution) are brought on demand; those that need a source tree are used where their
executable is found by its name in the folder that ``METRONOME_PEERS`` names, its version in
``NAME.version`` beside it.  A peer that is not there is left out, and that is said.

All listen on 127.0.0.1 only.  The server has core 0, the load and the sink core 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FLUSH_SECONDS = 2

ROOT = Path(__file__).parents[3]
"""The work tree; also where our own server is to be imported from."""


@dataclass(frozen=True)
class Sink:
    """Count at the Graphite sink: values of names so framed, or just their lines."""

    prefix: str
    suffix: str = ""
    lines: bool = False


Asked = Callable[[Mapping[str, str]], float]
"""Ask the server itself; gets the fields of its templates."""


@dataclass(frozen=True)
class Peer:
    """A server.  In ``command``, ``files`` and ``environment`` stand ``$PORT`` (where it listens),
    ``$SINK`` (where it sends), ``$OTHER`` and ``$FURTHER`` (free ports), ``$DIR`` (an empty
    folder of its own) and ``$FLUSH`` (seconds)."""

    name: str
    command: tuple[str, ...]
    """Empty: this machine does not have it."""
    counted: Sink | Asked | None
    """None: only the system's count of lost datagrams is there."""
    version: str = ""
    language: str = ""
    takes: frozenset[str] = frozenset({"single", "packed", "mix", "tags", "names"})
    """Cases that it can take."""
    transport: str = "udp"
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    flush: int = FLUSH_SECONDS
    later: float = 0
    """Seconds after which it is sure to have begun what it does with points once it has them."""
    missing: str = ""
    """How it could be had."""
