"""Which labels and numbers are fields of an index: bounded, whatever names the senders choose.

A mapping costs memory on every node and each change of it goes through the master, so an index
gets a field for the first names only (``ELASTIC_LABELS``, ``ELASTIC_NUMBERS``).  Everything else
stays in ``_source`` and, for labels, in ``label_pairs``, where it is found all the same.

A field's name is not always the label's: a dot would make an object of it, which can stand
beside a text of the shorter name in no mapping, so it becomes ``_``.  Where what stands in a
field is not exactly the label of that name, ``labels_unindexed`` says so, and whoever groups by
the field must look there first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from metronome.limits import ELASTIC_LABELS, ELASTIC_NUMBERS

_UNFIT: Final = re.compile(r"[^A-Za-z0-9_@/:+-]+")
"""What a field's name had better not have; letters beyond ASCII are kept by ``field_name``."""
_LONGEST: Final = 100

KEYWORD: Final = {"type": "keyword", "ignore_above": 8191}
DOUBLE: Final = {"type": "double"}


def field_name(label: str) -> str:
    """The name of the field for a label."""
    fit = "".join(char if char.isalnum() else _UNFIT.sub("_", char) for char in label[:_LONGEST])
    return fit or "_"


def fields_of(names: Iterable[str]) -> dict[str, str]:
    """Field names for the labels of one document, each once: where two would be the same, the
    one whose name it really is has it, else the first."""
    fields: dict[str, str] = {}
    inexact = []
    for name in names:
        field = field_name(name)
        if field == name:
            fields[name] = field
        else:
            inexact.append((name, field))
    taken = set(fields.values())
    for name, field in inexact:
        if field not in taken:
            fields[name] = field
            taken.add(field)
    return fields


class Fields:
    """The fields of one index, as far as they are known here."""

    def __init__(self, labels: Iterable[str] = (), numbers: Iterable[str] = ()):
        self.labels = set(labels)
        self.numbers = set(numbers)
        self._full = False

    @classmethod
    def of_mapping(cls, mapping: Mapping[str, object]) -> Fields:
        """Those of the ``properties`` of an index's mapping."""
        return cls(_properties(mapping, "labels"), _properties(mapping, "fields"))

    def full(self) -> Fields:
        """These, and never any more: the server takes no further ones."""
        self._full = True
        return self

    def wanted(self, labels: Iterable[str], numbers: Iterable[str]) -> dict[str, object]:
        """What to add to the mapping for these names, as far as there is room; empty when nothing.

        They count as fields of the index from now on.
        """
        more: dict[str, object] = {}
        if self._full:
            return more
        for name, given, known, most, kind in (
            ("labels", labels, self.labels, ELASTIC_LABELS, KEYWORD),
            ("fields", numbers, self.numbers, ELASTIC_NUMBERS, DOUBLE),
        ):
            new = sorted({field_name(one) for one in given} - known)[: max(0, most - len(known))]
            if new:
                known.update(new)
                more[name] = {"properties": dict.fromkeys(new, kind)}
        return {"properties": more} if more else {}

    def unindexed(self, names: Iterable[str]) -> list[str]:
        """Of the labels of a document the names that a field does not stand for exactly: those
        without one, and those whose field has another label's value."""
        names = list(names)
        fields = fields_of(names)
        found = []
        for name in names:
            field = fields.get(name)
            if field != name:
                found += [name] if field is None else [name, field]
            elif field not in self.labels:
                found.append(name)
        return list(dict.fromkeys(found))


def _properties(mapping: Mapping[str, object], name: str) -> list[str]:
    found: object = mapping.get("properties", {})
    for key in (name, "properties"):
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return list(found) if isinstance(found, dict) else []
