"""The ladder document of a stream: which merging is under way, and what readers are to leave out.

``rounds``
    the number of the last round; each has a new one, and the parts that it makes carry it.
``active``
    the round that is under way, or nothing: ``merge`` (its number), ``owner``, ``at`` (when it
    began, ms), ``step``, ``start`` and ``end`` (ms), ``series`` (the terms), ``places`` (of each
    gateway the position up to which parts are merged) and ``phase``:

    ``making``     its parts are being written: nobody counts them yet
    ``deleting``   its parts count, and what they were made of does not: that is being deleted

    One document is changed from one phase to the next, so for readers both things happen at once.
``ended``
    numbers of rounds that were given up.  Whatever turns up of them late never counts.
``seen``
    for each step, up to where everything was looked at: ``before`` (ms) and ``places``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metronome.store.elastic_query import Clause, between, exists, term

MAKING: Final = "making"
DELETING: Final = "deleting"


def ladder_id(stream: str) -> str:
    """The id of a stream's ladder document."""
    return f"ladder.{stream}"


def hidden(ladder: Mapping[str, Any]) -> list[Clause]:
    """What readers leave out."""
    state = ladder.get("state", {})
    numbers = list(state.get("ended", []))
    clauses: list[Clause] = []
    active = state.get("active")
    if active and active["phase"] == MAKING:
        numbers.append(active["merge"])
    elif active:
        clauses.append(sources(active))
    if numbers:
        clauses.append({"terms": {"merge": numbers}})
    return clauses


def sources(active: Mapping[str, Any]) -> Clause:
    """The parts that a round merges: written before the places, and merged less far or as far."""
    return {
        "bool": {
            "filter": [
                between("@timestamp", active["start"], active["end"]),
                {"terms": {"series": active["series"]}},
                {"bool": {"should": [exists("merge"), *applied_parts(active["places"])]}},
            ],
            "must_not": [
                term("merge", active["merge"]),
                {"range": {"step": {"gt": active["step"]}}},
            ],
        }
    }


def applied_parts(places: Mapping[str, int]) -> list[Clause]:
    """Parts as they were written, of records before these positions."""
    return [
        {"bool": {"filter": [term("gateway", gateway), {"range": {"position": {"lt": position}}}]}}
        for gateway, position in sorted(places.items())
    ]
