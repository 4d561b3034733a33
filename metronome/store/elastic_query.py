"""Selections as queries.

Names and labels are matched by globs.  What Lucene's regular expressions can say exactly is left
to the server; of everything else it is asked for more than is wanted (``exact`` is false), and
the rest is sifted here by ``fold.select``, so an answer never depends on how the two differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from metronome.glob import SPECIAL, compiled, is_plain
from metronome.limits import LATEST_MS
from metronome.model import EventSelection, Kind, Labels, Selection
from metronome.store.elastic_names import pair, pair_name

Clause = dict[str, Any]

_LUCENE: Final = re.compile(r'([.?+*|{}\[\]()"\\#@&<>~^$-])')
_LONGEST: Final = 800
"""The server refuses regular expressions of more than 1,000 characters."""
_WAYS: Final = 4
"""Stars and braces that are left to the server; with more the automaton may grow too large."""
_TERMS: Final = 65_536


class Filters(NamedTuple):
    """What documents have to be and must not be; ``exact`` says that nothing has to be sifted."""

    wanted: list[Clause]
    unwanted: list[Clause]
    exact: bool = True

    @property
    def query(self) -> Clause:
        """As the server takes it."""
        return {"bool": {"filter": self.wanted, "must_not": self.unwanted}}

    def but(self, *wanted: Clause) -> Filters:
        """With more conditions."""
        return self._replace(wanted=[*self.wanted, *wanted])

    def without(self, unwanted: Iterable[Clause]) -> Filters:
        """With more exceptions."""
        return self._replace(unwanted=[*self.unwanted, *unwanted])


def of_selection(selection: Selection) -> Filters:
    """Parts: what a selection takes."""
    wanted = [term("stream", selection.stream), *_times(selection.start, selection.end)]
    if selection.kind is not None:
        wanted.append(term("kind", Kind(selection.kind).word))
    exact = True
    if selection.name != "*":
        clause, exact = matching("name", selection.name)
        wanted.append(clause)
    clauses, labels_exact = _labels(selection.where)
    return Filters([*wanted, *clauses], [], exact and labels_exact)


def of_events(selection: EventSelection) -> Filters:
    """Events: what a selection takes."""
    wanted = [term("stream", selection.stream), *_times(selection.start, selection.end)]
    unwanted = []
    if selection.types:
        wanted.append({"terms": {"type": list(selection.types)}})
    if selection.item == "":
        unwanted.append(exists("id"))
    elif selection.item is not None:
        wanted.append(term("id", selection.item))
    clauses, exact = _labels(selection.where)
    return Filters([*wanted, *clauses], unwanted, exact)


def term(field: str, value: object) -> Clause:
    """A field has a value."""
    return {"term": {field: value}}


def exists(field: str) -> Clause:
    """A field has any value."""
    return {"exists": {"field": field}}


def between(field: str, start: int, end: int) -> Clause:
    """A field is from ``start`` to before ``end``; a date in ms."""
    bounds: Clause = {"gte": start, "lt": end}
    if field == "@timestamp":
        bounds["format"] = "epoch_millis"
    return {"range": {field: bounds}}


def unapplied(applied: Mapping[str, int]) -> list[Clause]:
    """Documents of records that these gateways have written and not yet called applied: a batch in
    hand, or one that has to be written again."""
    return [
        {"bool": {"filter": [term("gateway", gateway), {"range": {"position": {"gte": position}}}]}}
        for gateway, position in sorted(applied.items())
    ]


def matching(field: str, glob: str) -> tuple[Clause, bool]:
    """A keyword matches a glob; and whether that is exactly what the clause says."""
    if is_plain(glob):
        return term(field, glob), True
    expression, exact = lucene(glob)
    return {"regexp": {field: {"value": expression, "flags": "NONE"}}}, exact


def lucene(glob: str) -> tuple[str, bool]:
    """A glob as a regular expression of Lucene's; false when it takes more than the glob."""
    if compiled(glob).pattern == re.escape(glob):
        return quoted(glob), True  # a bracket that makes no sense stands for itself
    pieces: list[str] = []
    exact, depth, index = True, 0, 0
    while index < len(glob):
        char = glob[index]
        index += 1
        if char == "\\" and index < len(glob):
            pieces.append(quoted(glob[index]))
            index += 1
        elif char in "*?":
            pieces.append(".*" if char == "*" else ".")
        elif char == "[" and (close := glob.find("]", index + 1)) > 0:
            pieces.append(".")
            exact, index = False, close + 1
        elif char == "{" and glob.find("}", index) > 0:
            pieces.append("(")
            depth += 1
        elif char == "," and depth:
            pieces.append("|")
        elif char == "}" and depth:
            pieces.append(")")
            depth -= 1
        else:
            pieces.append(quoted(char))
    if depth or _hollow(pieces) or _hard(pieces):
        return f"{literal_prefix(glob)}.*", False
    return "".join(pieces), exact


def quoted(text: str) -> str:
    """Text as a regular expression of Lucene's that matches only it."""
    return _LUCENE.sub(r"\\\1", text)


def literal_prefix(glob: str) -> str:
    """What everything that a glob matches begins with, quoted."""
    text = ""
    for char in glob:
        if char in SPECIAL:
            break
        text += char
    return quoted(text)


def _hollow(pieces: list[str]) -> bool:
    """Whether an alternative is empty: Lucene has no way to write that."""
    return any(one in "(|" and two in "|)" for one, two in pairwise(pieces))


def _hard(pieces: list[str]) -> bool:
    ways = sum(piece in (".*", "(") for piece in pieces)
    steps = sum(piece == "." for piece in pieces)
    return ways > _WAYS or bool(ways and steps > _WAYS) or len("".join(pieces)) > _LONGEST


def _times(start: int, end: int) -> list[Clause]:
    if start <= 0 and end > LATEST_MS:
        return []
    return [between("@timestamp", max(start, 0), min(end, LATEST_MS + 1))]


def _labels(where: Labels) -> tuple[list[Clause], bool]:
    clauses: list[Clause] = []
    exact = True
    for name, glob in where:
        if is_plain(glob):
            clauses.append(term("label_pairs", pair(name, glob)))
        elif glob == "*":
            clauses.append({"prefix": {"label_pairs": pair_name(name) + "="}})
        else:
            expression, one_exact = lucene(glob)
            value = quoted(f"{pair_name(name)}=") + expression
            clauses.append({"regexp": {"label_pairs": {"value": value, "flags": "NONE"}}})
            exact = exact and one_exact
    return clauses, exact
