"""How long streams are kept where several gateways say so: the longest holds.

Every gateway has streams and settings of its own and deletes from the cluster that all share.  So
that none deletes what another is to keep, each notes in ``PREFIX-meta`` what it says, and all go
by the notes of all: a stream is kept as long as anybody says, and one that is not in our settings
as long as the others say.  A note that was not renewed for ``ELASTIC_NOTED`` is of a gateway that
is gone for good.

``retention.GATEWAY``
    ``gateway``, ``at`` (ms), and ``state``: for each stream ``[[[STEP, KEEP], …], EVENTS]``, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from metronome.limits import ELASTIC_NOTED
from metronome.store.elastic_meta import Meta
from metronome.store.interface import Retention, Rung

_RENEWED: Final = ELASTIC_NOTED // 30
"""Seconds after which a note is written again though nothing has changed."""


class Agreement:
    """What all gateways say."""

    def __init__(self, meta: Meta, gateway: str):
        """``gateway`` is ours; empty: we only listen."""
        self._meta = meta
        self._gateway = gateway

    def reached(self, now: int, own: Mapping[str, Retention]) -> dict[str, Retention]:
        """How long each stream is kept at ``now`` (ms), when ``own`` is what our settings say."""
        if self._gateway:
            self._note(now, own)
        said = [dict(own)]
        for note in self._meta.find({"term": {"role": "retention"}}):
            if note["gateway"] != self._gateway and now - note["at"] < ELASTIC_NOTED * 1000:
                said.append({stream: _read(told) for stream, told in note["state"].items()})
        return longest(said)

    def _note(self, now: int, own: Mapping[str, Retention]) -> None:
        state = {stream: _told(retention) for stream, retention in sorted(own.items())}

        def change(content: dict[str, Any]) -> dict[str, Any] | None:
            fresh = abs(now - int(content.get("at", 0))) < _RENEWED * 1000
            if fresh and content.get("state") == state:
                return None
            return {"role": "retention", "gateway": self._gateway, "at": now, "state": state}

        self._meta.change(f"retention.{self._gateway}", change)


def longest(said: Iterable[Mapping[str, Retention]]) -> dict[str, Retention]:
    """Of each stream the ladder that reaches furthest, and the greatest age of events."""
    found: dict[str, Retention] = {}
    for one in said:
        for stream, retention in one.items():
            other = found.get(stream, retention)
            found[stream] = Retention(
                max(other.ladder, retention.ladder, key=_reach), max(other.events, retention.events)
            )
    return found


def _reach(ladder: tuple[Rung, ...]) -> tuple[int, list[tuple[int, int]]]:
    """How far a ladder reaches; of two that reach as far the one that keeps the finest steps longer."""
    return ladder[-1].keep, [(rung.keep, -rung.step) for rung in ladder]


def _told(retention: Retention) -> list[Any]:
    return [[[rung.step, rung.keep] for rung in retention.ladder], retention.events]


def _read(told: Any) -> Retention:
    ladder, events = told
    return Retention(tuple(Rung(step, keep) for step, keep in ladder), events)
