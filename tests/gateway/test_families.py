"""Names on the page: who has them, as one would say it with sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metronome.gateway.families import REFUSED, Families
from metronome.kernel import page_ids
from metronome.kernel.families import SERIES, PageIds
from metronome.kernel.samples import TYPES
from metronome.kernel.writing import joined
from metronome.model import U8, U64
from metronome.wire.prometheus_text import SUFFIXES as TAKES

OWN = [("own", "counter"), ("up_sum", "gauge")]
Name = tuple[str, str, str]
"""Name, label's value, type."""


class Plain:
    """What ``Families`` does, one by one."""

    def __init__(self) -> None:
        self.families: dict[str, tuple[str, set[str]]] = {}
        self.taken = {base + suffix for base, kind in OWN for suffix in TAKES[kind]}

    def admit(self, base: str, label: str, kind: str) -> bool:
        names = {base + suffix for suffix in TAKES[kind]}
        if base not in self.families:
            if names & self.taken:
                return False
            self.taken |= names
            self.families[base] = (kind, set())
        known, labels = self.families[base]
        if known != kind or label in labels:
            return False
        labels.add(label)
        return True

    def leave(self, base: str, label: str) -> None:
        kind, labels = self.families[base]
        labels.remove(label)
        if not labels:
            del self.families[base]
            self.taken -= {base + suffix for suffix in TAKES[kind]}


def names_of(names: list[Name]) -> tuple[PageIds, U8, U64]:
    keys = [f"c{base}\0x\0{label}".encode() for base, label, _ in names]
    types = np.array([TYPES.index(kind) for *_, kind in names], np.uint8)
    found = page_ids(joined(keys), (types == 0).astype(np.uint8))
    return found, types, found.ids[:, SERIES]


def called(base: str, kind: str) -> str:
    return (base.removesuffix("_total") if kind == "counter" and len(base) > 6 else base) or "_"


def families() -> Families:
    found, types, _ = names_of([(base, "", kind) for base, kind in OWN])
    return Families(found, types)


BASES = [
    stem + ending
    for stem in ("a", "own", "up", "")
    for ending in ("", "_sum", "_count", "_sum_count", "_created", "_bucket", "_total")
]
NAMES = st.tuples(st.sampled_from(BASES), st.sampled_from(["", "1", "2"]), st.sampled_from(TYPES))


@given(st.lists(st.tuples(st.booleans(), st.lists(NAMES, max_size=12)), max_size=8))
def test_the_first_stays(turns: list[tuple[bool, list[Name]]]) -> None:
    """Whoever comes in one turn comes one behind the other."""
    plain, real = Plain(), families()
    shown: dict[tuple[str, str], int] = {}
    for coming, names in turns:
        # A counter is called without the suffix, and an empty name is one underscore.
        names = [(called(base, kind), label, kind) for base, label, kind in names]
        if coming and names:
            found = real.admit(*names_of(names)).tolist()
            assert [one != REFUSED for one in found] == [plain.admit(*name) for name in names]
            for (base, label, kind), number in zip(names, found, strict=True):
                if number != REFUSED:
                    shown[base, label] = number
                    assert TYPES[real.types[number]] == kind
        else:
            gone = [(base, label) for base, label in dict.fromkeys(name[:2] for name in names)]
            gone = [one for one in gone if one in shown]
            for one in gone:
                plain.leave(*one)
            _, _, series = names_of([(base, label, "gauge") for base, label in gone])
            real.leave(np.array([shown.pop(one) for one in gone], np.int64), series)
        assert len(real) == len(plain.families)
        assert len(set(shown.values())) == len(plain.families)


def test_a_long_line_of_relatives() -> None:
    """Each waits for the one before it, and all of them have their answer at once."""
    names = [("x" + "_sum" * number, "", "summary") for number in range(20)]
    found = families().admit(*names_of(names)).tolist()
    assert [one != REFUSED for one in found] == [number % 2 == 0 for number in range(20)]


def test_what_it_costs() -> None:
    """40 bytes for a name, 20 for a series beside others, and what arrays grow ahead."""
    one, other = families(), families()
    for begin in range(0, 20_000, 1000):
        one.admit(*names_of([(f"n{begin + at}", "", "gauge") for at in range(1000)]))
        other.admit(*names_of([("n", f"{begin + at}", "gauge") for at in range(1000)]))
    assert (len(one), len(other)) == (20_000, 1)
    assert one.memory < 20_000 * 40 * 1.5
    assert other.memory < 20_000 * 20 * 1.5
